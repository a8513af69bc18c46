/** Tool servers: looked at once, and, once pinned, called. Each task has its own of each, from its first call on until it ends. */
import type { Client, StandardSchemaV1 } from '@modelcontextprotocol/client';
import type Docker from 'dockerode';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { itemHash, mostTools, toolsFault, us } from '../../ledger/rules/servers.cjs';
import type { Server } from '../../ledger/rules/state.cjs';
import {
  type CallArgs,
  type Look,
  type LookArgs,
  type OutwardArgs,
  type ReachArgs,
  type Started,
  sha256,
} from '../../ledger/src/action.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { contained, serverOptions, type Way } from './contained.ts';
import { ignoring, label, type Place, SandboxError, type TaskName } from './container.ts';
import { heldBy } from './exec.ts';
import { outward } from './outward.ts';
import { lostCode, reached } from './reached.ts';
import { secretsFor } from './secrets.ts';

/** What came of a call. `changed`: in what its server is not what was pinned, so that nothing was called. `gone`: it ended meanwhile. */
export type Called =
  | { end: 'answered'; result: Record<string, unknown> }
  | { end: 'refused' | 'changed'; why: string }
  | { end: 'timeout' | 'stopped' | 'gone' };

/** `secrets`: what it was started with. */
type Warm = { name: TaskName; pin: Server; secrets: string; client: Promise<Client>; over: boolean };
/** Where a server is: an image by its id, or a URL. */
type Where = Omit<Started, 'name'> | Omit<ReachArgs, 'name'>;

/** Milliseconds for a server that was just started to say who it is, and for a list. */
const patience = 10_000;
/** Milliseconds of a whole look. */
const lookTime = 30_000;
/** Of a list, in its pages together: tools, and characters. */
const most = { tools: 1000, characters: 4 << 20 };
/** What an item may have by the protocol: what else differs is not named, as whatever it is called its server calls it so. */
const keysOfItem = ['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations', 'icons'];

/** A server's resources, as tools of ours where it has some: pinned and called like its own, by the requests that they stand for. */
const ofResources = new Map(
  Object.entries({
    'resources/list': toolOfOurs('list_resources', 'lists what can be read there, a page each', 'cursor'),
    'resources/templates/list': toolOfOurs(
      'list_templates',
      'lists forms of what can be read there',
      'cursor',
    ),
    'resources/read': toolOfOurs('read_resource', 'reads what has this URI there', 'uri'),
  }),
);
function toolOfOurs(name: string, what: string, takes: string) {
  const required = takes === 'uri' ? [takes] : [];
  const inputSchema = { type: 'object', properties: { [takes]: { type: 'string' } }, required };
  return { name, description: `${what} (by PocketCoder, which asks the server for it)`, inputSchema };
}

/** Takes a result as it is: what is pinned is pinned whole. */
const validate = (value: unknown) => ({ value: (value ?? {}) as Record<string, unknown> });
const whole: StandardSchemaV1<unknown, Record<string, unknown>> = {
  '~standard': { version: 1, vendor: 'pocketcoder', validate },
};

/** All that it lists, of which nothing is known yet, and what stands for its resources, where it has no tool that is called so. */
async function toolsOf(client: Client, signal: AbortSignal): Promise<unknown[]> {
  const tools: unknown[] = [];
  const inTime = { timeout: patience, signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]) };
  let size = 0;
  for (let params = {}; tools.length <= most.tools; ) {
    const page = await client.request({ method: 'tools/list', params }, whole, inTime);
    const some = page['tools'];
    if (!Array.isArray(some) || some.length === 0) break;
    size += JSON.stringify(some).length;
    if (size > most.characters) throw new Error('its list is too long');
    tools.push(...some);
    const cursor = page['nextCursor'];
    if (typeof cursor !== 'string') break;
    params = { cursor };
  }
  const names = tools.map((tool) => String((tool as { name?: unknown } | null)?.name).toLowerCase());
  const further = client.getServerCapabilities()?.resources ? [...ofResources.values()] : [];
  const ours = further.filter(({ name }) => !names.includes(name));
  return [...tools, ...(tools.length + ours.length > mostTools ? [] : ours)];
}

const eraOf = (client: Client): string => client.getNegotiatedProtocolVersion() ?? '';

/** In what a server is not what was pinned, for one tool; '' where it is. */
function differenceOf(
  pin: Server,
  { tool, hash }: CallArgs,
  era: string,
  listed: readonly unknown[],
): string {
  const found = (listed as (Look['tools'][number] | null)[]).find((item) => item?.name === tool);
  if (found && itemHash({ ...pin, era }, found, sha256) === hash) return '';
  if (era !== pin.era) return `it speaks ${era}; ${pin.era} was pinned`;
  if (!found) return `it has no tool ${tool} any more`;
  const was = pin.tools.find(({ item }) => item.name === tool)?.item;
  const keys = Object.keys({ ...was, ...found }).filter(
    (key) => canonical(was?.[key] ?? null) !== canonical(found[key] ?? null),
  );
  const known = keys.map((key) => (keysOfItem.includes(key) ? key : 'something else'));
  return `of its tool ${tool} these differ: ${[...new Set(known)].join(', ')}`;
}

const isOut = (pin: Server): boolean => 'hosts' in pin;

/** The variables of an image's server, with the secrets that they have now. @throws SandboxError where one is not for this image */
function valuesOf(
  place: Place,
  { from, secrets = {} }: Pick<Started, 'from' | 'secrets'>,
): [string, string][] {
  const named = Object.entries(secrets);
  const rules = named.map(([, secret]) => ({ host: `image:${from}`, secret }));
  const values = secretsFor(rules, place.egress?.secrets);
  return named.map(([name, secret]) => [name, values[secret]?.value ?? '']);
}

/** The way to one of an image, with its secrets in its environment. @throws SandboxError where one is not for this image */
function started(
  docker: Docker,
  place: Place,
  { image, from, command, secrets, hosts }: Omit<Started, 'name'>,
): Way {
  const values = valuesOf(place, { from, secrets });
  const env = values.map(([name, value]) => `${name}=${value}`);
  const unheard = values.map(([, value]) => value);
  if (!hosts) return { hold: () => heldBy(docker, serverOptions(place, image, command, env)), unheard };
  const way = outward(docker, place, hosts);
  return {
    async hold() {
      const further = await way.open();
      return heldBy(docker, serverOptions(place, image, command, [...further, ...env], way.holder));
    },
    away: way.close,
    unheard,
  };
}

export function makeToolServers(docker: Docker, place: Place) {
  const closing = new AbortController();
  const warm = new Set<Warm>();
  /** Ends what is under way for the action of that id. */
  const ends = new Map<string, () => void>();

  /** Until when an action may go on: its time, its stop, this process' end. Whoever calls this calls `done`. */
  function under(id: string, milliseconds: number) {
    const stop = new AbortController();
    ends.set(id, () => stop.abort());
    return {
      stop: stop.signal,
      signal: AbortSignal.any([stop.signal, AbortSignal.timeout(milliseconds), closing.signal]),
      done: () => void ends.delete(id),
    };
  }

  /** Starts one. @param onEnd called when it is over @throws SandboxError where it does not begin to speak */
  async function begin(where: Where, signal: AbortSignal, onEnd = () => {}): Promise<Client> {
    const mcp = await import('@modelcontextprotocol/client'); // some 20 MiB, which nobody needs where there is no server
    const client = new mcp.Client(us, { capabilities: {} });
    client.onclose = onEnd;
    const way = 'url' in where ? reached(docker, place, where) : started(docker, place, where);
    try {
      await client.connect(contained(way, signal), { timeout: patience, signal });
      return client;
    } catch (error) {
      await client.close();
      if (error instanceof SandboxError) throw error;
      throw new SandboxError(`the server did not begin to speak: ${messageOf(error).slice(0, 300)}`);
    }
  }

  /** Takes it away, once it is there. */
  function drop(one: Warm): Promise<void> {
    warm.delete(one);
    return one.client.then((client) => client.close()).catch(() => {});
  }
  const ofTask = ({ task, workspace }: TaskName) =>
    [...warm].filter(({ name }) => name.task === task && name.workspace === workspace);

  /** The task's own server: the one that was called before, where that still is the one that is pinned. */
  async function reach(name: TaskName, pin: Server, signal: AbortSignal): Promise<Warm> {
    // One that has a way out is there for one call, so that it sends nothing but by what was approved.
    const there = ofTask(name).find((one) => one.pin.name === pin.name && !isOut(one.pin));
    let secrets = '';
    try {
      if ('image' in pin) secrets = JSON.stringify(valuesOf(place, pin));
    } catch (error) {
      if (there) await drop(there); // it has what the operator took away
      throw error;
    }
    if (there && there.pin.id === pin.id && there.secrets === secrets && !there.over) return there;
    if (there) await drop(there);
    const over = () => {
      made.over = true;
    };
    const made: Warm = { name, pin, secrets, client: begin(pin, signal, over), over: false };
    warm.add(made);
    try {
      await made.client;
    } catch (error) {
      warm.delete(made);
      throw error;
    }
    return made;
  }

  /** @throws SandboxError where nothing was called */
  async function ask(server: Warm, args: CallArgs, pin: Server, signal: AbortSignal): Promise<Called> {
    const client = await server.client;
    const listed = await toolsOf(client, signal).catch(async (error: unknown) => {
      await drop(server);
      signal.throwIfAborted();
      throw new SandboxError(
        `it did not say what it has, so nothing was called: ${messageOf(error).slice(0, 300)}`,
      );
    });
    const why = differenceOf(pin, args, eraOf(client), listed);
    if (why) return { end: 'changed', why };
    signal.throwIfAborted();
    const ours = [...ofResources].find(([, item]) => item.name === args.tool && listed.includes(item));
    const asked = ours
      ? { method: ours[0], params: args.params }
      : { method: 'tools/call', params: { name: args.tool, arguments: args.params } };
    // Its time is the signal's.
    const result = await client.request(asked, whole, { signal, timeout: 2 ** 31 - 1 });
    return { end: 'answered', result };
  }

  /** The id of an image that may be started. @throws SandboxError where it may not */
  async function idOf(image: string): Promise<string> {
    const found = await docker.getImage(image).inspect().catch(ignoring(404));
    if (!found)
      throw new SandboxError(
        `the engine has no image ${image}: pull or build it on the machine, then say the same again; nothing was run`,
      );
    const volumes = Object.keys(found.Config.Volumes ?? {});
    if (volumes.length > 0)
      throw new SandboxError(
        `the image ${image} has volumes, which would lie on this machine without a limit: build one without; nothing was run`,
      );
    return found.Id;
  }

  return {
    /** Starts or reaches it, asks who it is and what it has, and ends it. @throws SandboxError where that can't be pinned */
    async look(id: string, args: LookArgs | OutwardArgs | ReachArgs): Promise<Look> {
      const { signal, stop, done } = under(id, lookTime);
      let client: Client | undefined;
      try {
        const image = 'url' in args ? undefined : { image: await idOf(args.image) };
        client = await begin('url' in args ? args : { ...args, from: args.image, ...image }, signal);
        const tools = await toolsOf(client, signal);
        const fault = toolsFault(args.name, tools);
        if (fault) throw new SandboxError(`it can't be pinned: ${fault}`);
        return { ...image, era: eraOf(client), tools: tools as Look['tools'] };
      } catch (error) {
        if (stop.aborted) throw new SandboxError('it was stopped');
        if (closing.signal.aborted || error instanceof SandboxError) throw error;
        throw new SandboxError(`it did not say what it has: ${messageOf(error).slice(0, 300)}`);
      } finally {
        done();
        await client?.close();
      }
    },

    /** Calls a tool once, where its server still is what was pinned. @throws SandboxError where it was not called */
    async call(id: string, name: TaskName, args: CallArgs, pin: Server, seconds: number): Promise<Called> {
      const { signal, stop, done } = under(id, seconds * 1000);
      let server: Warm | undefined;
      try {
        server = await reach(name, pin, signal);
        // One that was there before may have forgotten us meanwhile: nothing was called then, and once another is begun.
        return await ask(server, args, pin, signal).catch(async (error: unknown) => {
          if (isOut(pin) || !(error instanceof SandboxError)) throw error;
          server = await reach(name, pin, signal);
          return ask(server, args, pin, signal);
        });
      } catch (error) {
        closing.signal.throwIfAborted();
        if (signal.aborted) {
          if (server) await drop(server); // whatever it still does nobody waits for
          return { end: stop.aborted ? 'stopped' : 'timeout' };
        }
        if (!server || error instanceof SandboxError) throw error;
        const lost = server.over || (error as { code?: number }).code === lostCode;
        return lost ? { end: 'gone' } : { end: 'refused', why: messageOf(error).slice(0, 4000) };
      } finally {
        done();
        if (server && isOut(pin)) await drop(server);
      }
    },
    /** Ends what is under way for this action. @returns false where nothing is */
    end(id: string): boolean {
      ends.get(id)?.();
      return ends.has(id);
    },
    endOf: (name: TaskName): void => ofTask(name).forEach(drop),
    /** The tasks that have one. */
    standing: (): TaskName[] => [...warm].map(({ name }) => name),
    /** Takes away what an earlier process left. */
    async sweep(): Promise<void> {
      const filters = { label: [`${label}.server=${place.project}`] };
      for (const { Id } of await docker.listContainers({ all: true, filters }))
        await docker.getContainer(Id).remove({ force: true, v: true }).catch(ignoring(404, 409));
    },
    close(): void {
      closing.abort();
      [...warm].forEach(drop);
    },
  };
}
