/** The proxy of a network lease without an executor: its order is the test's, and what is asked of it is written by hand. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import type Docker from 'dockerode';
import { ensureImage } from '../../console/engine/images.ts';
import { newId } from '../../ledger/src/action.ts';
import { makeLent, socket } from '../../sandbox/src/lent.ts';
import { until } from './wait.ts';

/** A line that a proxy printed. */
export type Line = {
  ready?: string;
  refused?: string;
  why?: string;
  end?: string;
  up?: number;
  down?: number;
};
export type Order = {
  rules: { host: string; port: number; class: string; path: string }[];
  up?: number;
  down?: number;
  until?: string;
  denied?: string[];
  allowed?: string[];
  roots?: string;
};
export type LeaseProxy = {
  port: number;
  /** The lease's own authority, PEM. */
  ca: string;
  lines: Line[];
  container: Docker.Container;
  /** Beats no more, and does not let go either. */
  silence(): void;
  /** Lets go of its stdin. */
  release(): void;
  /** Resolves to the last line that it printed, once it is gone. */
  over: Promise<Line | undefined>;
};

/** What is of the network a container is given: names with their addresses, or who to ask for them. */
type Names = Pick<Docker.HostConfig, 'ExtraHosts' | 'Dns'>;

export async function makeProxies(docker: Docker, project: string) {
  const image = await ensureImage('egress');
  const place = { project, egress: { image } } as Parameters<typeof makeLent>[1];
  const timers = new Set<NodeJS.Timeout>();
  const lentBy = (names: Names) => {
    const createContainer = (options: Docker.ContainerCreateOptions) =>
      docker.createContainer(
        options.OpenStdin ? { ...options, HostConfig: { ...options.HostConfig, ...names } } : options,
      );
    return makeLent(Object.assign(Object.create(docker) as Docker, { createContainer }), place);
  };
  return {
    /** Starts one whose listener is on the loopback of `task`. */
    async start(task: Docker.Container, order: Order, names: Names): Promise<LeaseProxy> {
      const own = `${project}-egress-${newId()}`;
      const lent = lentBy(names);
      const { container, wire, out } = await lent.proxy(own);
      const lines: Line[] = [];
      let rest = '';
      out.setEncoding('utf8').on('data', (text: string) => {
        const all = (rest + text).split('\n');
        rest = all.pop() ?? '';
        lines.push(...all.map((line) => JSON.parse(line) as Line));
      });
      const over = once(out, 'end').then(() => lines.at(-1));
      await container.start();
      const whole = { up: 1e6, down: 1e7, until: new Date(Date.now() + 120_000).toISOString(), ...order };
      wire.write(`${JSON.stringify({ socket, ...whole })}\n`);
      const beat = setInterval(() => wire.write('\n'), 3000);
      timers.add(beat);
      void over.then(() => clearInterval(beat));
      const port = randomInt(20_000, 32_000);
      await lent.lend(own, task, port);
      const ca = await until('it is ready', () => lines.find(({ ready }) => ready)?.ready);
      return {
        ...{ port, ca, lines, container, over },
        silence: () => clearInterval(beat),
        release: () => void wire.end(),
      };
    },
    /** Makes a listener as a further helper would, for the proxy `of`. */
    lend: (of: LeaseProxy, task: Docker.Container, port: number) =>
      of.container.inspect().then(({ Name }) => lentBy({}).lend(Name.slice(1), task, port)),
    async stop(): Promise<void> {
      for (const timer of timers) clearInterval(timer);
      await lentBy({}).sweep();
    },
  };
}

/** Where a request is sent: the tunnel, and the name that its TLS asks for (none, where it is empty). */
export type By = { tunnel?: string; name?: string; protocols?: string[] };

const host = 'origin.test';

/** Opens a tunnel from this machine. @returns the socket, once it was answered with 200 */
export async function tunnelOf(proxy: Pick<LeaseProxy, 'port'>, to = `${host}:443`): Promise<net.Socket> {
  const conn = net.connect(proxy.port, '127.0.0.1');
  await once(conn, 'connect');
  conn.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`);
  const [answer] = (await once(conn, 'data')) as [Buffer];
  if (!/^HTTP\/1\.1 200 /.test(answer.toString())) throw new Error(answer.toString());
  return conn;
}

/** Ends TLS with the proxy inside a tunnel, as a client that trusts the lease's authority alone. */
export async function secured(
  proxy: Pick<LeaseProxy, 'port' | 'ca'>,
  { tunnel, name = host, protocols }: By = {},
): Promise<tls.TLSSocket> {
  const within = await tunnelOf(proxy, tunnel);
  const options = {
    ...{ socket: within, ca: proxy.ca, ...(protocols && { ALPNProtocols: protocols }) },
    ...(name ? { servername: name } : { checkServerIdentity: () => undefined }),
  };
  const conn = tls.connect(options);
  await once(conn, 'secureConnect');
  return conn;
}

/** Sends the text, each line feed as CRLF, and reads until the other side has nothing more. */
export async function asks(
  proxy: Pick<LeaseProxy, 'port' | 'ca'>,
  text: string,
  by: By = {},
): Promise<string> {
  const conn = await secured(proxy, by);
  conn.write(text.replaceAll('\n', '\r\n'), 'latin1');
  return readOf(conn);
}

/** All that comes until the connection is over, however it ends. */
export async function readOf(conn: net.Socket): Promise<string> {
  const parts: Buffer[] = [];
  conn.on('data', (part) => parts.push(Buffer.from(part)));
  await new Promise((resolve) => conn.once('error', resolve).once('close', resolve));
  return Buffer.concat(parts).toString('latin1');
}
