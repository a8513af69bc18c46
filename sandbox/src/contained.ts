/** A tool server in a container of its own, which has nothing but what its image brings: it is spoken to over its stdin and stdout alone. */
import { PassThrough } from 'node:stream';
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client';
import type Docker from 'dockerode';
import { label, limitsOf, type Place } from './container.ts';

/** A user that no other container has. */
const uid = 10010;
/**
 * Characters of one message, and of all that comes after it was told something; messages of a connection that are no answers, and
 * are looked at.
 */
const most = { line: 4 << 20, atOnce: 16 << 20, unasked: 1000 };

/** @param image its id */
export function serverOptions(
  place: Place,
  image: string,
  command: readonly string[],
): Docker.ContainerCreateOptions {
  return {
    Image: image,
    ...(command.length > 0 && { Cmd: [...command] }),
    User: `${uid}:${uid}`,
    Env: ['HOME=/tmp'],
    Healthcheck: { Test: ['NONE'] },
    ...{ OpenStdin: true, StdinOnce: true, Tty: false },
    Labels: { [label]: place.project, [`${label}.server`]: place.project },
    HostConfig: {
      ...{ NetworkMode: 'none', ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'] },
      Tmpfs: { '/tmp': 'rw,noexec,nosuid,nodev,size=64m,mode=1777' },
      ...limitsOf(place),
      ...{ IpcMode: 'private', LogConfig: { Type: 'none', Config: {} }, AutoRemove: true },
      ...(place.runtime && { Runtime: place.runtime }),
    },
  };
}

/** Its lines as messages. A server's own requests and notifications beyond a number, and what is none, are passed over. */
function messagesOf(take: (message: JSONRPCMessage) => void, tooMuch: () => void) {
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
          const message = JSON.parse(line) as JSONRPCMessage;
          if (!('method' in message) || ++unasked <= most.unasked) take(message);
        } catch {} // it was no message
      }
    },
  };
}

/** Starts with the connection, and is taken away, with all that it wrote, when either ends: by the engine where this process is gone. */
export function contained(docker: Docker, options: Docker.ContainerCreateOptions): Transport {
  let container: Docker.Container | undefined;
  let wire: NodeJS.ReadWriteStream | undefined;
  let over: Promise<void> | undefined;
  const out = new PassThrough();
  const end = (): Promise<void> => {
    over ??= (async () => {
      out.destroy();
      await container?.remove({ force: true, v: true }).catch(() => {}); // the next start takes it away
      transport.onclose?.();
    })();
    return over;
  };
  const messages = messagesOf((message) => transport.onmessage?.(message), end);
  const transport: Transport = {
    async start() {
      container = await docker.createContainer(options);
      // What it says beside, on its stderr, goes nowhere.
      wire = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true });
      docker.modem.demuxStream(wire, out, new PassThrough().resume());
      out.setEncoding('utf8').on('data', messages.read);
      for (const event of ['end', 'close', 'error']) wire.on(event, end);
      await container.start();
    },
    async send(message) {
      messages.told();
      wire?.write(`${JSON.stringify(message)}\n`);
    },
    close: end,
  };
  return transport;
}
