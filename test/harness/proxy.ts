/** The proxy of a network lease without an executor: its order is the test's, and what is asked of it is written by hand. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { findEngine } from '../../console/engine/engine.ts';
import { ensureImage } from '../../console/engine/images.ts';
import { newId } from '../../ledger/src/action.ts';
import { makeLent, socket } from '../../sandbox/src/lent.ts';
import { type Origin, type Serve, startOrigin } from './origin.ts';
import { removeProject } from './sandbox.ts';
import { host, rule } from './tunnel.ts';
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
  rules: { host: string; port: number; class: string; path: string; secret?: string }[];
  secrets?: Record<string, { host: string; user: string; value: string }>;
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

async function makeProxies(docker: Docker, project: string) {
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

export type Leases = {
  docker: Docker;
  origin: Origin;
  /** A container that has this machine's network, so that attacks are written here. */
  here: Docker.Container;
  /** Starts a container that does nothing, as confined as a task's. */
  idle(network: 'none' | 'host'): Promise<Docker.Container>;
  /** A lease of all of the origin to read, of which the test says what is otherwise, for `here` or another container. */
  open(order?: Partial<Order>, names?: Names, task?: Docker.Container): Promise<LeaseProxy>;
  lend: Awaited<ReturnType<typeof makeProxies>>['lend'];
  /** Runs a script with what the tools of a task go by. @returns what it printed, both ways */
  runs(task: Docker.Container, proxy: LeaseProxy, script: string): Promise<string>;
  /** Ends all that are open. */
  end(): Promise<void>;
  stop(): Promise<void>;
};

/** An origin, and leases of it without an executor. */
export async function startLeases(serve?: Serve): Promise<Leases> {
  const { docker } = findEngine();
  const project = `test-${newId()}`;
  const origin = await startOrigin(docker, project, serve);
  const proxies = await makeProxies(docker, project);
  const opened: LeaseProxy[] = [];
  async function idle(NetworkMode: string): Promise<Docker.Container> {
    const container = await docker.createContainer({
      ...{ Image: await ensureImage('task'), Entrypoint: ['sleep'], Cmd: ['3600'], User: 'agent' },
      Labels: { 'org.pocketcoder': project },
      HostConfig: { NetworkMode, ReadonlyRootfs: true, CapDrop: ['ALL'], Tmpfs: { '/tmp': 'mode=1777' } },
    });
    await container.start();
    return container;
  }
  const here = await idle('host');
  return {
    ...{ docker, origin, here, idle, lend: proxies.lend },
    async open(order = {}, names = {}, task = here) {
      origin.seen.length = 0;
      const { address, egress } = origin;
      const known = { ExtraHosts: [`${host}:${address}`, `other.test:${address}`], ...names };
      const trusted = { allowed: [`${address}/32`], roots: egress.roots };
      const proxy = await proxies.start(task, { rules: [rule], ...trusted, ...order }, known);
      opened.push(proxy);
      return proxy;
    },
    async runs(task, { port, ca }, script) {
      const way = `http://127.0.0.1:${port}`;
      const files = ['NODE_EXTRA_CA_CERTS', 'PIP_CERT', 'CURL_CA_BUNDLE', 'GIT_SSL_CAINFO'];
      const Env = [
        `CA=${ca}`,
        `HTTPS_PROXY=${way}`,
        `https_proxy=${way}`,
        'HOME=/tmp',
        'GIT_TERMINAL_PROMPT=0',
      ];
      const exec = await task.exec({
        ...{ AttachStdout: true, AttachStderr: true, Tty: true, WorkingDir: '/tmp' },
        Env: [...Env, ...files.map((name) => `${name}=/tmp/ca`)],
        Cmd: ['bash', '-c', `printf %s "$CA" > /tmp/ca; { ${script}; } 2>&1 | cat`],
      });
      return (await text(await exec.start({ Tty: true }))).replaceAll('\r\n', '\n');
    },
    async end() {
      for (const proxy of opened.splice(0)) proxy.release();
      await proxies.stop();
    },
    async stop() {
      await origin.stop();
      await removeProject(docker, project);
    },
  };
}
