/**
 * Leases of the network. Each is one proxy container that this process holds by its stdin: it ends with the process, with the beat, by
 * its own count and clock, or because it is ended here. The task's container stays without a network: a helper that is gone
 * before the lease begins makes a listener in there and hands the socket to the proxy.
 */
import { randomInt } from 'node:crypto';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import type Docker from 'dockerode';
import type { EgressArgs } from '../../ledger/src/action.ts';
import { type Place, SandboxError, type TaskName } from './container.ts';

/** How a lease ended: bytes as the proxy counted them on the outside, and why. */
export type Lease = { up: number; down: number; why: string };
export type Egress = ReturnType<typeof makeEgress>;

type Open = { name: TaskName; env: Record<string, string>; end(why: string): void };
/** What the proxy prints, a JSON object a line. */
type Line = { ready?: string; up?: number; down?: number; refused?: string; end?: string };

const label = 'org.pocketcoder.egress';
const user = '10009:10009';
const socket = '/s/lend';
/** Where the task's root, which no script is, keeps the lease's CA: the file system around it is read-only. */
const caFile = '/run/egress.pem';
const beatEvery = 3000;
/** Milliseconds for a proxy to be ready. */
const patience = 20_000;

/** What finds its way by these goes by the lease; each tool has a name of its own for the file with the CA. */
const variables = (port: number): Record<string, string> => ({
  HTTPS_PROXY: `http://127.0.0.1:${port}`,
  https_proxy: `http://127.0.0.1:${port}`,
  NODE_USE_ENV_PROXY: '1',
  GOPROXY: 'https://proxy.golang.org',
  ...Object.fromEntries(
    [
      ...['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'PIP_CERT', 'REQUESTS_CA_BUNDLE'],
      ...['CURL_CA_BUNDLE', 'GIT_SSL_CAINFO', 'CARGO_HTTP_CAINFO'],
    ].map((name) => [name, caFile]),
  ),
});

/** What the proxy is told, from the approved arguments alone. @param now milliseconds since 1970, of the claim */
export const orderOf = ({ rules, up, down, seconds }: EgressArgs, now: number): string =>
  `${JSON.stringify({ rules, up, down, until: new Date(now + seconds * 1000).toISOString(), socket })}\n`;

export function makeEgress(docker: Docker, place: Place, containerOf: (name: TaskName) => Docker.Container) {
  const leases = new Map<string, Open>();
  const closing = new AbortController();
  const of = ({ task, workspace }: TaskName): [string, Open][] =>
    [...leases].filter(([, { name }]) => name.task === task && name.workspace === workspace);

  function confined(volume: string, network: string): Docker.ContainerCreateOptions {
    return {
      ...{ Image: String(place.egress), User: user },
      Labels: { 'org.pocketcoder': place.project, [label]: place.project },
      HostConfig: {
        ...{
          NetworkMode: network,
          ReadonlyRootfs: true,
          CapDrop: ['ALL'],
          SecurityOpt: ['no-new-privileges'],
        },
        Mounts: [{ Type: 'volume', Source: volume, Target: '/s' }],
        ...{ Memory: 128 << 20, MemorySwap: 128 << 20, PidsLimit: 128 },
        ...{ LogConfig: { Type: 'none', Config: {} }, RestartPolicy: { Name: 'no' } },
      },
    };
  }

  /** Makes the listener in the task's network namespace. @throws SandboxError where somebody stands on its port */
  async function lend(task: Docker.Container, volume: string, port: number): Promise<void> {
    const options = confined(volume, `container:${task.id}`);
    const helper = await docker.createContainer({ ...options, Cmd: ['lend', `127.0.0.1:${port}`, socket] });
    try {
      await helper.start();
      const { StatusCode } = (await helper.wait()) as { StatusCode: number };
      if (StatusCode !== 0) throw new SandboxError('the way to the proxy could not be made; ask again');
    } finally {
      await helper.remove({ force: true }).catch(() => {});
    }
  }

  /** As root of the task's container, in a directory that is root's alone. */
  async function placeCa(task: Docker.Container, pem: string): Promise<void> {
    const Cmd = ['sh', '-c', `umask 022; printf %s "$1" > ${caFile}`, 'sh', pem];
    const exec = await task.exec({ Cmd, AttachStdout: true, AttachStderr: true });
    await finished((await exec.start({})).resume());
    const { ExitCode } = await exec.inspect();
    if (ExitCode !== 0) throw new SandboxError('the certificate could not be given to the task; ask again');
  }

  /** Takes away all that a lease was made of, or, without a name, what any lease of this instance left. */
  async function sweep(name?: string): Promise<void> {
    const filters = { label: [`${label}=${place.project}`], ...(name && { name: [name] }) };
    for (const { Id } of await docker.listContainers({ all: true, filters }))
      await docker
        .getContainer(Id)
        .remove({ force: true })
        .catch(() => {});
    for (const { Id } of await docker.listNetworks({ filters }))
      await docker
        .getNetwork(Id)
        .remove()
        .catch(() => {});
    const { Volumes } = await docker.listVolumes({ filters });
    for (const { Name } of Volumes ?? [])
      await docker
        .getVolume(Name)
        .remove()
        .catch(() => {});
  }

  return {
    /** What the task's scripts find in their environment while it has a lease. */
    env: (name: TaskName): Record<string, string> => Object.assign({}, ...of(name).map(([, { env }]) => env)),
    /** Ends the lease with this id. @returns false where there is none */
    end(id: string, why: string): boolean {
      leases.get(id)?.end(why);
      return leases.has(id);
    },
    endOf(name: TaskName, why: string): void {
      for (const [, lease] of of(name)) lease.end(why);
    },
    sweep,
    /** Ends every lease; `run` rejects then. */
    close(): void {
      closing.abort();
      for (const { end } of leases.values()) end('the executor stops');
    },

    /**
     * Opens the lease and resolves when it is over. A lease that its task has already is ended first.
     * @param onOpen called once, when scripts that begin from now on have a way out
     * @throws SandboxError where it could not be opened; nothing went out
     */
    async run(name: TaskName, id: string, args: EgressArgs, onOpen: () => void): Promise<Lease> {
      if (!place.egress)
        throw new SandboxError('this instance has no image for network leases; run the set-up again');
      if (place.runtime)
        throw new SandboxError('network leases are not tried under gVisor; nothing was opened');
      for (const [, other] of of(name)) other.end('another lease of its task took its place');
      const own = `${place.project}-egress-${id}`;
      const count: Lease = { up: 0, down: 0, why: '' };
      const over = new AbortController();
      const lease: Open = { name, env: {}, end };
      function end(why: string): void {
        count.why ||= why;
        lease.env = {};
        over.abort();
      }
      leases.set(id, lease);
      const timers: NodeJS.Timeout[] = [];
      const ended = new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve()));
      try {
        const Labels = { 'org.pocketcoder': place.project, [label]: place.project };
        await docker.createNetwork({
          Name: own,
          Labels,
          Options: { 'com.docker.network.bridge.enable_icc': 'false' },
        });
        const [uid, gid] = user.split(':');
        const DriverOpts = { type: 'tmpfs', device: 'tmpfs', o: `size=1m,mode=700,uid=${uid},gid=${gid}` };
        await docker.createVolume({ Name: own, Labels, DriverOpts });
        const held = { name: own, OpenStdin: true, StdinOnce: true };
        const proxy = await docker.createContainer({ ...confined(own, own), ...held });
        const wire = await proxy.attach({
          stream: true,
          hijack: true,
          stdin: true,
          stdout: true,
          stderr: true,
        });
        const out = new PassThrough();
        docker.modem.demuxStream(wire, out, new PassThrough().resume());
        for (const event of ['end', 'close', 'error']) wire.on(event, () => end('its proxy ended'));
        const ready = new Promise<string>((resolve) => {
          createInterface({ input: out }).on('line', (text) => {
            const line = parsed(text);
            if (line.ready) resolve(line.ready);
            count.up = line.up ?? count.up;
            count.down = line.down ?? count.down;
            if (line.end !== undefined) end(line.end);
          });
        });
        await proxy.start();
        wire.write(orderOf(args, Date.now()));
        timers.push(setInterval(() => wire.write('\n'), beatEvery));
        timers.push(setTimeout(() => end('its time was over'), (args.seconds + 15) * 1000));
        const task = containerOf(name);
        void task.wait().then(
          () => end('its task’s container ended'),
          () => end('its task’s container is not there'),
        );
        const port = randomInt(20_000, 32_000);
        await lend(task, own, port);
        const late = new Promise<undefined>((resolve) =>
          timers.push(setTimeout(() => resolve(undefined), patience)),
        );
        const ca = await Promise.race([ready, late, ended.then(() => undefined)]);
        if (!ca)
          throw new SandboxError(`the network was not opened: ${count.why || 'its proxy did not come up'}`);
        await placeCa(task, ca);
        if (over.signal.aborted) throw new SandboxError(`the network was not opened: ${count.why}`);
        lease.env = variables(port);
        onOpen();
        await ended;
        closing.signal.throwIfAborted();
        return count;
      } finally {
        leases.delete(id);
        for (const timer of timers) clearTimeout(timer);
        await sweep(own).catch(() => {});
      }
    },
  };
}

/** A line of the proxy's; what is none says nothing. */
function parsed(text: string): Line {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return {};
  }
}
