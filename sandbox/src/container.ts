/** The containers of tasks. Everything that confines a script is in `containerOptions`; there is no other way in. */
import type Docker from 'dockerode';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { originOf } from '../../ledger/rules/workspaces.cjs';
import { sha256 } from '../../ledger/src/action.ts';
import { environment } from './environment.ts';

/** `cpus`: 0 for no limit. */
export type Limits = { memory_mb: number; pids: number; cpus: number };
/** Who commits are by where a repository does not say. */
export type GitIdentity = { name: string; email: string };
/** The image of the proxies of network leases, certificate authorities (PEM) that they believe besides their own, and the file of secrets. */
export type Egress = { image: string; roots?: string; secrets?: string };
/** `copyOf`: the workspace is a copy of that one (copies.ts). */
export type TaskName = { task: string; workspace: string; copyOf?: string };
export type Place = {
  project: string;
  /** Of workspaces with an image of their own, and of all others under ''; best by their ids, which no tag moves. */
  images: Readonly<Record<string, string>>;
  limits: Limits;
  git: GitIdentity;
  /** Of network leases; without it there are none. */
  egress?: Egress;
  runtime?: 'runsc';
};

/** A container or volume cannot be had. `message` says what to do; nothing was run. */
export class SandboxError extends Error {}

/** Docker's own rule for names; nothing else may become a part of one. */
const plain = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
export const label = 'org.pocketcoder';
/** Uid and gid of scripts, which image/task.h argues for. */
const agent = 65525;

/** What a workspace's containers are made of. */
export const imageOf = ({ images }: Place, workspace: string): string =>
  images[originOf(workspace) || workspace] ?? images[''] ?? '';

export function names(place: Place, { task, workspace, copyOf = workspace }: TaskName) {
  for (const part of [place.project, task, workspace, copyOf])
    if (!plain.test(part))
      throw new SandboxError(`${JSON.stringify(part)} cannot name a container; nothing was run`);
  return {
    container: `${place.project}-task-${task}`,
    files: `${place.project}-ws-${workspace}`,
    base: `${place.project}-base-${originOf(copyOf) || copyOf}`,
    store: `${place.project}-out-${task}`,
    keeper: `${place.project}-keep-${workspace}`,
    snapshots: `${place.project}-snap-${workspace}`,
  };
}

/** Of a container that somebody else's program runs in. */
export function limitsOf({ limits: { memory_mb, pids, cpus }, runtime }: Place) {
  const Memory = memory_mb * 2 ** 20;
  // gVisor's own threads count too: there, the script's share is a limit inside.
  const PidsLimit = runtime ? Math.max(1024, 4 * pids) : pids;
  return { Memory, MemorySwap: Memory, PidsLimit, NanoCpus: Math.round(cpus * 1e9) };
}

/**
 * How the task's container is made. Root inside it (tmux and the runner) has three capabilities: to become the agent and
 * to end the agent's processes. Scripts have none, no network, and can write to /workspace, /tmp and their home alone. /base
 * holds the tree as it was imported, a bare git repository that what changed is told from; it is empty where none was. A task that
 * is apart reads at /main what the workspace is meanwhile.
 */
export function containerOptions(place: Place, name: TaskName): Docker.ContainerCreateOptions {
  const { container, files, base, store } = names(place, name);
  const { memory_mb, pids } = place.limits;
  const scratch = `rw,exec,nosuid,nodev,size=${Math.ceil(memory_mb / 2)}m`;
  const options: Docker.ContainerCreateOptions = {
    name: container,
    Image: imageOf(place, name.copyOf ?? name.workspace),
    User: '0:0',
    Hostname: 'task',
    // Of the first process, not of scripts.
    Env: [...environment, `GIT_NAME=${place.git.name}`, `GIT_EMAIL=${place.git.email}`],
    Labels: { [label]: place.project, [`${label}.task`]: name.task, [`${label}.workspace`]: name.workspace },
    HostConfig: {
      NetworkMode: 'none',
      ExtraHosts: ['task:127.0.0.1'], // programs look their own host's name up
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      CapAdd: ['SETUID', 'SETGID', 'KILL'],
      SecurityOpt: ['no-new-privileges'],
      Mounts: [
        { Type: 'volume', Source: files, Target: '/workspace' },
        { Type: 'volume', Source: base, Target: '/base', ReadOnly: true },
        ...mainOf(place, name.workspace, true),
        { Type: 'volume', Source: store, Target: '/var/lib/task' },
      ],
      Tmpfs: {
        '/home/agent': `${scratch},uid=${agent},gid=${agent},mode=700`,
        '/tmp': `${scratch},mode=1777`,
        '/run': 'rw,noexec,nosuid,nodev,mode=755,size=40m', // a file that a person sends lies here before it is written
      },
      ...limitsOf(place),
      IpcMode: 'private',
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no' },
      Ulimits: [
        { Name: 'core', Soft: 0, Hard: 0 },
        ...(place.runtime ? [{ Name: 'nproc', Soft: pids, Hard: pids }] : []),
      ],
      ...(place.runtime ? { Runtime: place.runtime } : {}),
    },
  };
  return marked(options);
}

/**
 * The container of a terminal: as the task's, whose loopback it shares, and without its outputs.
 * @param task the id of the task's container
 * @param seconds when it ends by itself, whoever lives
 */
export function terminalOptions(
  place: Place,
  name: TaskName,
  id: string,
  task: string,
  seconds: number,
  Env: string[],
): Docker.ContainerCreateOptions {
  const { Hostname: _, HostConfig = {}, Env: own = [], ...options } = containerOptions(place, name);
  const { ExtraHosts: __, Mounts = [], ...confined } = HostConfig;
  return {
    ...options,
    ...{ name: `${place.project}-terminal-${id}`, Env: [...own, ...Env], Cmd: [String(seconds)] },
    Labels: { [label]: place.project, [`${label}.workspace`]: name.workspace, [`${label}.terminal`]: id },
    HostConfig: { ...confined, NetworkMode: `container:${task}`, Mounts: Mounts.slice(0, -1) },
  };
}

/** Of a copy that a task works in: the files of the workspace itself. */
const mainOf = (place: Place, workspace: string, ReadOnly: boolean) => {
  const origin = originOf(workspace);
  if (!origin) return [];
  const { files } = names(place, { task: 'none', workspace: origin });
  return [{ Type: 'volume' as const, Source: files, Target: '/main', ReadOnly }];
};

/** With a label that says how it was made, so that one that was made otherwise is known. */
const marked = (options: Docker.ContainerCreateOptions): Docker.ContainerCreateOptions => ({
  ...options,
  Labels: { ...options.Labels, [`${label}.made`]: sha256(canonical(options)) },
});

/**
 * The container that keeps a workspace's snapshots, in a volume that no other container mounts. Its root reads and puts back files of
 * any mode and owner there; nothing that the agent wrote is run in it, and it has no network. That of a task's own copy brings what was done
 * there into the workspace itself, whose snapshots are there to be locked alone.
 */
export function keeperOptions(place: Place, workspace: string): Docker.ContainerCreateOptions {
  const { keeper, files, base, snapshots } = names(place, { task: 'none', workspace });
  const origin = originOf(workspace);
  const Source = origin && names(place, { task: 'none', workspace: origin }).snapshots;
  return marked({
    name: keeper,
    Image: imageOf(place, workspace),
    User: '0:0',
    Env: environment,
    Entrypoint: ['sleep', 'infinity'],
    Labels: { [label]: place.project, [`${label}.workspace`]: workspace },
    HostConfig: {
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      CapAdd: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID'],
      SecurityOpt: ['no-new-privileges'],
      Mounts: [
        { Type: 'volume', Source: files, Target: '/workspace' },
        { Type: 'volume', Source: snapshots, Target: '/snapshots' },
        ...mainOf(place, workspace, false),
        ...(origin ? [{ Type: 'volume' as const, Source, Target: '/main-snapshots', ReadOnly: true }] : []),
        { Type: 'volume', Source: base, Target: '/base' }, // for what an older release left there
      ],
      Memory: 512 * 2 ** 20,
      PidsLimit: 32,
      IpcMode: 'private',
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no' },
      ...(place.runtime ? { Runtime: place.runtime } : {}),
    },
  });
}

const code = (error: unknown): number => (error as { statusCode?: number }).statusCode ?? 0;

/** What an engine says of itself, of what counts here. */
export type EngineInfo = { ID: string; Runtimes?: Record<string, unknown>; CpuCfsQuota?: boolean };

/** `runsc` when the engine has it, else the engine's default. */
export const strongestRuntime = ({ Runtimes }: EngineInfo): 'runsc' | undefined =>
  Runtimes && Object.hasOwn(Runtimes, 'runsc') ? 'runsc' : undefined;

/** The limits as this engine takes them: a kernel without quotas of processors refuses every container that asks for one. */
export const limitsAt = ({ CpuCfsQuota }: EngineInfo, limits: Limits): Limits =>
  CpuCfsQuota === false ? { ...limits, cpus: 0 } : limits;

/**
 * The task's running container, made or started when it is not there. One that was made otherwise than
 * `containerOptions` says (by an older version, or by hand) is replaced; its volumes stay.
 * @throws SandboxError when the name is taken by something else, or the image is missing
 */
export const ensureContainer = (docker: Docker, place: Place, name: TaskName): Promise<Docker.Container> =>
  ensure(docker, place, containerOptions(place, name), name.workspace);

/** The same for the container that keeps a workspace's snapshots. */
export const ensureKeeper = (docker: Docker, place: Place, workspace: string): Promise<Docker.Container> =>
  ensure(docker, place, keeperOptions(place, workspace), workspace);

export async function ensure(
  docker: Docker,
  place: Place,
  options: Docker.ContainerCreateOptions,
  workspace: string,
): Promise<Docker.Container> {
  const container = docker.getContainer(String(options.name));
  const made = `${label}.made`;
  for (let attempt = 0; attempt < 3; attempt++) {
    const found = await container.inspect().catch(ignoring(404));
    const labels = found?.Config.Labels ?? {};
    if (found && (labels[label] !== place.project || labels[`${label}.workspace`] !== workspace))
      throw new SandboxError(
        `a container ${options.name} of something else is in the way; remove it, nothing was run`,
      );
    if (found && labels[made] === options.Labels?.[made]) {
      if (!found.State.Running) await container.start().catch(ignoring(304));
      return container;
    }
    if (found) await container.remove({ force: true }).catch(ignoring(404, 409));
    else await create(docker, place, options);
  }
  throw new SandboxError(`the container ${options.name} could not be made; nothing was run`);
}

/** The volumes first: one that a container makes by itself has no labels, and the set-up removes by label. */
async function create(docker: Docker, place: Place, options: Docker.ContainerCreateOptions): Promise<void> {
  for (const mount of options.HostConfig?.Mounts ?? [])
    await docker.createVolume({ Name: mount.Source, Labels: { [label]: place.project } });
  await docker.createContainer(options).catch((error: unknown) => {
    if (code(error) === 404)
      throw new SandboxError(`the image ${options.Image} is missing; build it and start again`);
    ignoring(409)(error);
  });
}

/** For a step that somebody else did meanwhile. */
export function ignoring(...codes: number[]): (error: unknown) => undefined {
  return (error) => {
    if (!codes.includes(code(error))) throw error;
  };
}

/** Ends the task's container with all that runs in it, and takes it away. Its volumes stay. */
export async function removeContainer(docker: Docker, place: Place, name: TaskName): Promise<void> {
  await docker.getContainer(names(place, name).container).remove({ force: true }).catch(ignoring(404, 409));
}

/** The task's container, whether or not it is there. */
export const containerFor = (docker: Docker, place: Place, name: TaskName): Docker.Container =>
  docker.getContainer(names(place, name).container);

/** The tasks of this instance that have a container. */
export async function tasksWithContainer(docker: Docker, place: Place): Promise<TaskName[]> {
  const filters = { label: [`${label}=${place.project}`, `${label}.task`] };
  const found = await docker.listContainers({ all: true, filters });
  return found.map(({ Labels }) => ({
    task: Labels[`${label}.task`] ?? '',
    workspace: Labels[`${label}.workspace`] ?? '',
  }));
}

/** Removes what the task's container has written of outputs. Of one that is still in use nothing is removed. */
export async function removeStore(docker: Docker, place: Place, name: TaskName): Promise<void> {
  await docker.getVolume(names(place, name).store).remove().catch(ignoring(404, 409));
}
