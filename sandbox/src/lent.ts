/**
 * What a lease of the network is made of in the engine: a proxy in a container and network of its own, a volume for one socket, and
 * helpers that are gone before it begins. The task's container stays without a network.
 */
import { text } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { imageOf, type Place, SandboxError } from './container.ts';
import { type Held, heldBy, runIn } from './exec.ts';

const label = 'org.pocketcoder.egress';
const uid = 10009;
/** Where a helper hands the listener over, in the volume that only helper and proxy have. */
export const socket = '/s/lend';
/** Where the task's root, which no script is, keeps the lease's CA: the file system around it is read-only. */
export const caFile = '/run/egress.pem';

/** As root of a container of the task's, in a directory that is root's alone. */
export async function placeCa(container: Docker.Container, pem: string): Promise<void> {
  const Cmd = ['sh', '-c', `umask 022; printf %s "$1" > ${caFile}`, 'sh', pem];
  const { exit } = await runIn(container, Cmd);
  if (exit !== 0) throw new SandboxError('the certificate could not be given to the task; ask again');
}

export function makeLent(docker: Docker, place: Place) {
  const Labels = { 'org.pocketcoder': place.project, [label]: place.project };

  /** @param volumes what it may write to besides */
  const confined = (network: string, ...volumes: string[]): Docker.ContainerCreateOptions => ({
    ...{ Image: place.egress?.image ?? '', User: `${uid}:${uid}`, Labels },
    HostConfig: {
      ...{ NetworkMode: network, ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'] },
      Mounts: volumes.map((Source) => ({ Type: 'volume', Source, Target: '/s' })),
      ...{ Memory: 128 << 20, MemorySwap: 128 << 20, PidsLimit: 128 },
      ...{ LogConfig: { Type: 'none', Config: {} }, RestartPolicy: { Name: 'no' } },
    },
  });

  const ignored = (_: unknown): undefined => undefined;
  const remove = (container: string) => docker.getContainer(container).remove({ force: true }).catch(ignored);

  /** Runs one of the image's helpers to its end. @returns what it printed @throws SandboxError with `failed` where it fails */
  async function helped(options: Docker.ContainerCreateOptions, failed: string): Promise<string> {
    const { container, out } = await heldBy(docker, options);
    try {
      await container.start();
      const printed = await text(out);
      // Asked for once it is over: on a busy machine the question could come after the exit that it was to wait for.
      const { StatusCode } = (await container.wait()) as { StatusCode: number };
      if (StatusCode !== 0) throw new SandboxError(`${failed}; ask again`);
      return printed;
    } finally {
      await remove(container.id);
    }
  }

  return {
    /** The proxy, made and not started, and the stream that it is held by. @param own the name of all that belongs to the lease */
    async proxy(own: string): Promise<Held> {
      const Options = { 'com.docker.network.bridge.enable_icc': 'false' };
      await docker.createNetwork({ Name: own, Labels, Options });
      const DriverOpts = { type: 'tmpfs', device: 'tmpfs', o: `size=1m,mode=700,uid=${uid},gid=${uid}` };
      await docker.createVolume({ Name: own, Labels, DriverOpts });
      return heldBy(docker, { ...confined(own, own), name: own, OpenStdin: true, StdinOnce: true });
    },

    /** Holds a network namespace that has nothing, and at /run what is believed there, for a tool server. @param own the name of both */
    async holder(own: string): Promise<void> {
      await docker.createVolume({
        Name: own,
        Labels,
        DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,mode=755' },
      });
      const { HostConfig, ...options } = confined('none');
      const { container } = await heldBy(docker, {
        ...{ ...options, name: own, Image: imageOf(place, ''), User: '0:0', Entrypoint: ['cat'] },
        ...{ OpenStdin: true, StdinOnce: true },
        HostConfig: { ...HostConfig, Mounts: [{ Type: 'volume', Source: own, Target: '/run' }] },
      });
      await container.start();
    },

    /** Every address of the machine that the engine is on, and what its networks have: nothing comes in again by the outside. */
    async addresses(own: string): Promise<string[]> {
      const options = { ...confined('host'), name: `${own}-addresses`, Cmd: ['addresses'] };
      const printed = await helped(options, 'the addresses of this machine could not be had');
      const pools = (await docker.listNetworks()).flatMap(({ IPAM }) => IPAM?.Config ?? []);
      return [...(JSON.parse(printed) as string[]), ...pools.flatMap(({ Subnet }) => Subnet ?? [])];
    },

    /** Makes the listener in the task's network namespace. @throws SandboxError where somebody stands on its port */
    async lend(own: string, task: Docker.Container, port: number): Promise<void> {
      const Cmd = ['lend', `127.0.0.1:${port}`, socket];
      const options = { ...confined(`container:${task.id}`, own), name: `${own}-lend`, Cmd };
      await helped(options, 'the way to its proxy could not be made');
    },

    /** Ends the proxy and who brings it the listener, whether or not they are there. */
    kill: (own: string): Promise<unknown> => Promise.all([own, `${own}-lend`].map(remove)),

    /** Takes away all that a lease was made of, or, without a name, what any lease of this instance left. Never throws. */
    async sweep(own?: string): Promise<void> {
      const filters = { label: [`${label}=${place.project}`], ...(own && { name: [own] }) };
      const containers = await docker.listContainers({ all: true, filters }).catch(ignored);
      for (const { Id } of containers ?? []) await remove(Id);
      for (const { Id } of (await docker.listNetworks({ filters }).catch(ignored)) ?? [])
        await docker.getNetwork(Id).remove().catch(ignored);
      for (const { Name } of (await docker.listVolumes({ filters }).catch(ignored))?.Volumes ?? [])
        await docker.getVolume(Name).remove().catch(ignored);
    },
  };
}
