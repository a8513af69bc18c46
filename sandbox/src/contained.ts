/** A tool server as a container that is spoken to over its stdin and stdout alone: it has nothing but what its image brings, or is the way to a URL. */
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client';
import type Docker from 'dockerode';
import { label, limitsOf, type Place } from './container.ts';
import type { Held } from './exec.ts';
import { strike } from './secrets.ts';

/** A user that no other container has. */
const uid = 10010;
/**
 * Characters of one message, and of all that comes after it was told something; messages of a connection that are no answers, and
 * are looked at.
 */
const most = { line: 4 << 20, atOnce: 16 << 20, unasked: 1000 };

/**
 * @param image its id @param env what it has besides, as `NAME=VALUE`
 * @param beside the container that lends it its network, and the volume that it has at /run
 */
export function serverOptions(
  place: Place,
  image: string,
  command: readonly string[],
  env: readonly string[] = [],
  beside?: string,
): Docker.ContainerCreateOptions {
  return {
    Image: image,
    ...(command.length > 0 && { Cmd: [...command] }),
    User: `${uid}:${uid}`,
    Env: ['HOME=/tmp', ...env],
    Healthcheck: { Test: ['NONE'] },
    ...{ OpenStdin: true, StdinOnce: true, Tty: false },
    Labels: { [label]: place.project, [`${label}.server`]: place.project },
    HostConfig: {
      NetworkMode: beside ? `container:${beside}` : 'none',
      ...(beside && { Mounts: [{ Type: 'volume', Source: beside, Target: '/run', ReadOnly: true }] }),
      ...{ ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'] },
      Tmpfs: { '/tmp': 'rw,noexec,nosuid,nodev,size=64m,mode=1777' },
      ...limitsOf(place),
      ...{ IpcMode: 'private', LogConfig: { Type: 'none', Config: {} }, AutoRemove: true },
      ...(place.runtime && { Runtime: place.runtime }),
    },
  };
}

/** What a server is spoken to by. */
export type Way = {
  /** Its container, which is not started yet. */
  hold(): Promise<Held>;
  /** What is told it before anything else. */
  begin?(wire: NodeJS.ReadWriteStream): void;
  /** Takes away what belongs to it besides its container. Never rejects. */
  away?(): Promise<void>;
  /** Of what it says, what nobody may hear: taken out before anything is made of it. */
  unheard?: readonly string[];
};

/** Its lines as messages. A server's own requests and notifications beyond a number, and what is none, are passed over. */
function messagesOf(
  take: (message: JSONRPCMessage) => void,
  tooMuch: () => void,
  unheard: readonly string[] = [],
) {
  /** The pieces of the line that is not over: joined once, however small they are. */
  let pieces: string[] = [];
  let [held, since, unasked] = [0, 0, 0];
  return {
    told(): void {
      since = 0;
    },
    read(text: string) {
      const lines = text.split('\n');
      const rest = lines.pop() ?? '';
      if (lines.length > 0) {
        lines[0] = pieces.join('') + lines[0];
        [pieces, held] = [[], 0];
      }
      pieces.push(rest);
      held += rest.length;
      since += text.length;
      if (held > most.line || since > most.atOnce) return tooMuch();
      for (const line of lines) {
        try {
          const message = JSON.parse(strike(unheard, line)) as JSONRPCMessage;
          if (!('method' in message) || ++unasked <= most.unasked) take(message);
        } catch {} // it was no message
      }
    },
  };
}

/**
 * Starts with the connection, and is taken away, with all that it wrote, when either ends: by the engine where this process is gone.
 * @param signal aborted before it is started, it never is
 */
export function contained(way: Way, signal: AbortSignal): Transport {
  let held: Held | undefined;
  let over: Promise<void> | undefined;
  const end = (): Promise<void> => {
    over ??= (async () => {
      held?.out.destroy();
      await held?.container.remove({ force: true, v: true }).catch(() => {}); // the next start takes it away
      await way.away?.();
      transport.onclose?.();
    })();
    return over;
  };
  const messages = messagesOf((message) => transport.onmessage?.(message), end, way.unheard);
  const transport: Transport = {
    async start() {
      signal.addEventListener('abort', end);
      held = await way.hold().finally(() => signal.removeEventListener('abort', end));
      if (over || signal.aborted) {
        await held.container.remove({ force: true, v: true }).catch(() => {}); // the next start takes it away
        throw new Error('it was ended before it was started');
      }
      held.out.setEncoding('utf8').on('data', messages.read);
      for (const event of ['end', 'close', 'error']) held.wire.on(event, end);
      await held.container.start();
      way.begin?.(held.wire);
    },
    async send(message) {
      messages.told();
      held?.wire.write(`${JSON.stringify(message)}\n`);
    },
    close: end,
  };
  return transport;
}
