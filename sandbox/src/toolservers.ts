/** Tool servers: looked at once, and, once pinned, called. Each task has its own of each, from its first call on until it ends. */
import { Client, type StandardSchemaV1 } from '@modelcontextprotocol/client';
import type Docker from 'dockerode';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { itemHash, client as ours, toolsFault } from '../../ledger/rules/servers.cjs';
import type { Server } from '../../ledger/rules/state.cjs';
import { type CallArgs, type Item, type LookArgs, sha256 } from '../../ledger/src/action.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { contained, serverOptions } from './contained.ts';
import { ignoring, label, type Place, SandboxError, type TaskName } from './container.ts';

/** What a look tells: the image's id, the protocol's version, and every tool as it came. */
export type Look = { image: string; era: string; tools: Item[] };
/** What came of a call. `changed`: in what its server is not what was pinned, so that nothing was called. `gone`: it ended meanwhile. */
export type Called =
  | { end: 'answered'; result: Record<string, unknown> }
  | { end: 'refused' | 'changed'; why: string }
  | { end: 'timeout' | 'stopped' | 'gone' };

type Warm = { name: TaskName; pin: Server; client: Promise<Client>; over: boolean };

/** Milliseconds for a server that was just started to say who it is, and for a list. */
const patience = 10_000;
const mostTools = 1000;

/** Takes a result as it is: what is pinned is pinned whole. */
const validate = (value: unknown) => ({ value: value as Record<string, unknown> });
const whole: StandardSchemaV1<unknown, Record<string, unknown>> = {
  '~standard': { version: 1, vendor: 'pocketcoder', validate },
};

/** All that it lists, of which nothing is known yet. */
async function toolsOf(client: Client): Promise<unknown[]> {
  const tools: unknown[] = [];
  for (let params = {}; tools.length <= mostTools; ) {
    const page = await client.request({ method: 'tools/list', params }, whole, { timeout: patience });
    const some = page['tools'];
    if (!Array.isArray(some) || some.length === 0) break;
    tools.push(...some);
    const cursor = page['nextCursor'];
    if (typeof cursor !== 'string') break;
    params = { cursor };
  }
  return tools;
}

const eraOf = (client: Client): string => client.getNegotiatedProtocolVersion() ?? '';

/** In what a server is not what was pinned, for one tool; '' where it is. */
function differenceOf(
  pin: Server,
  { tool, hash }: CallArgs,
  era: string,
  listed: readonly unknown[],
): string {
  const found = (listed as (Item | null)[]).find((item) => item?.name === tool);
  if (found && itemHash({ ...pin, era }, found, sha256) === hash) return '';
  if (era !== pin.era) return `it speaks ${era}; ${pin.era} was pinned`;
  if (!found) return `it has no tool ${tool} any more`;
  const was = pin.tools.find(({ item }) => item.name === tool)?.item;
  const keys = Object.keys({ ...was, ...found }).filter(
    (key) => canonical(was?.[key] ?? null) !== canonical(found[key] ?? null),
  );
  return `of its tool ${tool} these differ: ${keys.join(', ').slice(0, 300)}`;
}

export function makeToolServers(docker: Docker, place: Place) {
  const closing = new AbortController();
  const warm = new Set<Warm>();
  /** Ends what is under way for the action of that id. */
  const ends = new Map<string, () => void>();

  /** Starts one. @throws SandboxError where it does not begin to speak */
  async function begin(image: string, command: readonly string[]): Promise<Client> {
    const client = new Client(ours, { capabilities: {} });
    try {
      await client.connect(contained(docker, serverOptions(place, image, command)), { timeout: patience });
      return client;
    } catch (error) {
      await client.close();
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
  async function reach(name: TaskName, pin: Server): Promise<Warm> {
    const there = ofTask(name).find((one) => one.pin.name === pin.name);
    if (there && there.pin.id === pin.id && !there.over) return there;
    if (there) await drop(there);
    const made: Warm = { name, pin, client: begin(pin.image, pin.command), over: false };
    warm.add(made);
    try {
      (await made.client).onclose = () => {
        made.over = true;
      };
    } catch (error) {
      warm.delete(made);
      throw error;
    }
    return made;
  }

  async function ask(client: Client, args: CallArgs, pin: Server, signal: AbortSignal): Promise<Called> {
    const why = differenceOf(pin, args, eraOf(client), await toolsOf(client));
    if (why) return { end: 'changed', why };
    signal.throwIfAborted();
    const params = { name: args.tool, arguments: args.params };
    // Its time is the signal's.
    const result = await client.request({ method: 'tools/call', params }, whole, {
      signal,
      timeout: 2 ** 31 - 1,
    });
    return { end: 'answered', result };
  }

  return {
    /** Starts it, asks who it is and what it has, and ends it. @throws SandboxError where that can't be pinned */
    async look(id: string, { name, image, command }: LookArgs): Promise<Look> {
      const found = await docker.getImage(image).inspect().catch(ignoring(404));
      if (!found)
        throw new SandboxError(
          `the engine has no image ${image}: pull or build it on the machine, then say the same again; nothing was run`,
        );
      const client = await begin(found.Id, command);
      ends.set(id, () => void client.close());
      try {
        const tools = await toolsOf(client);
        const fault = toolsFault(name, tools);
        if (fault) throw new SandboxError(`it can't be pinned: ${fault}`);
        return { image: found.Id, era: eraOf(client), tools: tools as Item[] };
      } catch (error) {
        if (closing.signal.aborted || error instanceof SandboxError) throw error;
        throw new SandboxError(`it did not say what it has: ${messageOf(error).slice(0, 300)}`);
      } finally {
        ends.delete(id);
        await client.close();
      }
    },

    /** Calls a tool once, where its server still is what was pinned. @throws SandboxError where it was not called */
    async call(id: string, name: TaskName, args: CallArgs, pin: Server, seconds: number): Promise<Called> {
      const stop = new AbortController();
      const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(seconds * 1000), closing.signal]);
      ends.set(id, () => stop.abort());
      try {
        const server = await reach(name, pin);
        return await ask(await server.client, args, pin, signal).catch(
          async (error: unknown): Promise<Called> => {
            closing.signal.throwIfAborted();
            if (server.over) return { end: 'gone' };
            if (!signal.aborted) return { end: 'refused', why: messageOf(error).slice(0, 4000) };
            await drop(server); // whatever it still does nobody waits for
            return { end: stop.signal.aborted ? 'stopped' : 'timeout' };
          },
        );
      } finally {
        ends.delete(id);
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
