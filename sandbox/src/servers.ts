/** Tool servers: looked at once, and, once pinned, called. Each task has its own of each, from its first call on until it ends. */
import { Client, type StandardSchemaV1 } from '@modelcontextprotocol/client';
import type Docker from 'dockerode';
import { itemHash, client as ours, toolsFault } from '../../ledger/rules/servers.cjs';
import type { Server } from '../../ledger/rules/state.cjs';
import { type CallArgs, type Item, type LookArgs, sha256 } from '../../ledger/src/action.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { contained, serverOptions } from './contained.ts';
import { ignoring, label, type Place, SandboxError, type TaskName } from './container.ts';

/** What a look tells: the image's id, the protocol's version, and every tool as it came. */
export type Look = { image: string; era: string; tools: Item[] };
/**
 * What came of a call. `changed`: in what its server is not what was pinned, so that nothing was called. `gone`: it ended meanwhile.
 */
export type Called =
  | { end: 'answered'; result: Record<string, unknown> }
  | { end: 'refused' | 'changed'; why: string }
  | { end: 'timeout' | 'stopped' | 'gone' };

type Connection = { pin: string; client: Client; over: boolean };
type Started = Pick<Server, 'image' | 'command'>;

/** Milliseconds for a server that was just started to say who it is, and for a list. */
const patience = 10_000;
/** The version of those that no longer know how the others begin. */
const newer = '2026-07-28';

/** Takes a result as it is: what is pinned is pinned whole. */
const whole: StandardSchemaV1<unknown, Record<string, unknown>> = {
  '~standard': {
    version: 1,
    vendor: 'pocketcoder',
    validate: (value) => ({ value: value as Record<string, unknown> }),
  },
};

async function toolsOf(client: Client): Promise<unknown[]> {
  const tools: unknown[] = [];
  let cursor: unknown;
  do {
    const params = typeof cursor === 'string' ? { cursor } : {};
    const page = await client.request({ method: 'tools/list', params }, whole, { timeout: patience });
    const { tools: some = [] } = page;
    if (!Array.isArray(some) || some.length === 0) break;
    tools.push(...some);
    cursor = page['nextCursor'];
  } while (cursor && tools.length < 1000);
  return tools;
}

/** In what a server differs from its pin, for the tool of this name. */
function differenceOf(pin: Server, tool: string, era: string, found: Item | undefined): string {
  if (era !== pin.era) return `it speaks ${era}; ${pin.era} was pinned`;
  if (!found) return `it has no tool ${tool} any more`;
  const was = pin.tools.find(({ item }) => item.name === tool)?.item;
  const keys = [...new Set([...Object.keys(was ?? {}), ...Object.keys(found)])];
  const differ = keys.filter((key) => JSON.stringify(was?.[key]) !== JSON.stringify(found[key]));
  return `of its tool ${tool} these differ: ${differ.slice(0, 20).join(', ').slice(0, 300)}`;
}

export function makeServers(docker: Docker, place: Place) {
  const closing = new AbortController();
  const connections = new Map<string, { name: TaskName; server: string; is: Promise<Connection> }>();
  /** Ends what is under way for the action of that id. */
  const ends = new Map<string, () => void>();
  const keyOf = ({ task, workspace }: TaskName, server: string) => `${workspace} ${task} ${server}`;

  async function speak({ image, command }: Started, mode: 'legacy' | { pin: string }): Promise<Client> {
    const client = new Client(ours, { capabilities: {}, versionNegotiation: { mode } });
    try {
      await client.connect(contained(docker, serverOptions(place, image, command)), { timeout: patience });
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** @throws SandboxError where it does not begin to speak */
  async function begin(started: Started, era?: string): Promise<Client> {
    const silent = (error: unknown) => {
      throw new SandboxError(`the server did not begin to speak: ${messageOf(error).slice(0, 300)}`);
    };
    if (era !== undefined) return speak(started, era === newer ? { pin: era } : 'legacy').catch(silent);
    return speak(started, 'legacy').catch((error: unknown) =>
      /unsupported protocol version/i.test(messageOf(error))
        ? speak(started, { pin: newer }).catch(silent)
        : silent(error),
    );
  }

  const closed = (at: { is: Promise<Connection> } | undefined) =>
    at?.is.then(
      ({ client }) => client.close(),
      () => {},
    );

  /** The task's own server, warm where it was called before and is the one that is pinned now. */
  async function reach(name: TaskName, pin: Server): Promise<Connection> {
    const key = keyOf(name, pin.name);
    const there = await connections.get(key)?.is.catch(() => undefined);
    if (there && !there.over && there.pin === pin.id) return there;
    await closed(connections.get(key));
    const is = begin(pin, pin.era).then((client) => {
      const made: Connection = { pin: pin.id, client, over: false };
      client.onclose = () => {
        made.over = true;
      };
      return made;
    });
    connections.set(key, { name, server: pin.name, is });
    is.catch(() => connections.delete(key));
    return is;
  }

  async function ask(at: Connection, args: CallArgs, pin: Server, seconds: number, signal: AbortSignal) {
    const { client } = at;
    const era = client.getNegotiatedProtocolVersion() ?? '';
    const listed = (await toolsOf(client)) as (Item | undefined)[];
    const found = listed.find((item) => item?.name === args.tool);
    if (!found || itemHash({ ...pin, era }, found, sha256) !== args.hash)
      return { end: 'changed' as const, why: differenceOf(pin, args.tool, era, found) };
    signal.throwIfAborted();
    const params = { name: args.tool, arguments: args.params };
    const o = { timeout: seconds * 1000, signal };
    return {
      end: 'answered' as const,
      result: await client.request({ method: 'tools/call', params }, whole, o),
    };
  }

  return {
    /** Starts it, asks who it is and what it has, and ends it. @throws SandboxError where that can't be pinned */
    async look(id: string, { name, image, command }: LookArgs, seconds: number): Promise<Look> {
      const found = await docker.getImage(image).inspect().catch(ignoring(404));
      if (!found)
        throw new SandboxError(
          `the engine has no image ${image}: pull or build it on the machine, then say the same again; nothing was run`,
        );
      const client = await begin({ image: found.Id, command });
      const late = setTimeout(() => client.close(), seconds * 1000);
      ends.set(id, () => void client.close());
      try {
        const tools = await toolsOf(client);
        const fault = toolsFault(name, tools);
        if (fault) throw new SandboxError(`it can't be pinned: ${fault}`);
        return {
          image: found.Id,
          era: client.getNegotiatedProtocolVersion() ?? '',
          tools: tools as Item[],
        };
      } catch (error) {
        if (closing.signal.aborted || error instanceof SandboxError) throw error;
        throw new SandboxError(`it did not say what it has: ${messageOf(error).slice(0, 300)}`);
      } finally {
        clearTimeout(late);
        ends.delete(id);
        await client.close();
      }
    },

    /** Calls a tool once, where its server still is what was pinned. @throws SandboxError where it was not called */
    async call(id: string, name: TaskName, args: CallArgs, pin: Server, seconds: number): Promise<Called> {
      const stop = new AbortController();
      ends.set(id, () => stop.abort());
      const connection = await reach(name, pin).catch((error: unknown) => {
        ends.delete(id);
        throw error;
      });
      const time = AbortSignal.timeout(seconds * 1000);
      const signal = AbortSignal.any([stop.signal, time, closing.signal]);
      try {
        return await ask(connection, args, pin, seconds + 5, signal);
      } catch (error) {
        closing.signal.throwIfAborted();
        if (connection.over) return { end: 'gone' };
        if (!signal.aborted) return { end: 'refused', why: messageOf(error).slice(0, 4000) };
        await connection.client.close(); // whatever it still does is not what anybody waits for
        return { end: stop.signal.aborted ? 'stopped' : 'timeout' };
      } finally {
        ends.delete(id);
      }
    },
    /** Ends what is under way for this action. @returns false where nothing is */
    end(id: string): boolean {
      ends.get(id)?.();
      return ends.has(id);
    },
    endOf(name: TaskName): void {
      for (const [key, at] of connections)
        if (keyOf(name, at.server) === key) {
          connections.delete(key);
          void closed(at);
        }
    },
    /** The tasks that have one. */
    standing: (): TaskName[] => [...connections.values()].map(({ name }) => name),
    /** Takes away what an earlier process left. */
    async sweep(): Promise<void> {
      const filters = { label: [`${label}.server=${place.project}`] };
      for (const { Id } of await docker.listContainers({ all: true, filters }))
        await docker.getContainer(Id).remove({ force: true, v: true }).catch(ignoring(404, 409));
    },
    close(): void {
      closing.abort();
      for (const at of connections.values()) void closed(at);
    },
  };
}
