/** A real engine's task containers for tests: an image built once, a project of its own, all of it removed at the end. */
import { PassThrough, Readable } from 'node:stream';
import type Docker from 'dockerode';
import { findEngine } from '../../console/engine/engine.ts';
import { ensureImage } from '../../console/engine/images.ts';
import { newId, type RunArgs } from '../../ledger/src/action.ts';
import { type Limits, type Place, strongestRuntime } from '../../sandbox/src/container.ts';
import { type Script, scriptOf } from '../../sandbox/src/script.ts';
import { makeTasks, type Outcome, type Output, type Tasks } from '../../sandbox/src/tasks.ts';

export type Ran = { how: string; number: number; output: Buffer; text: string; sha256: string };
export type Sandbox = {
  docker: Docker;
  place: Place;
  tasks: Tasks;
  /** A task and workspace that no other test uses. */
  name: { task: string; workspace: string };
  container: Docker.Container;
  /** Runs a bash script to its end. */
  bash(script: string, o?: { cwd?: string; env?: Record<string, string>; timeout?: number }): Promise<Ran>;
  /** Runs a command as the container's root, past the runner. */
  root(...command: string[]): Promise<{ code: number; text: string }>;
  /** Runs a command as root on the workspace's files, in a container of its own: executors take those of tasks away. */
  beside(...command: string[]): Promise<string>;
  stop(): Promise<void>;
};

export const bashScript = (
  script: string,
  o: { cwd?: string; env?: Record<string, string>; timeout?: number } = {},
): Script =>
  scriptOf({
    id: newId(),
    kind: 'bash',
    args: { script, cwd: o.cwd ?? '', env: o.env ?? {}, timeout: o.timeout ?? 30 },
    workspace: 'w',
    task: 't',
    requester: '@owner:test',
    class: 'exec',
    grade: 'sealed',
    decide_within: 60,
    execute_within: 60,
    grace: 0,
    approvers: 1,
    devices: 1,
  });

/** What an outcome of `startSandbox`'s tasks says, or a throw that says why there is none. */
export function ran(outcome: Outcome): Ran {
  if (outcome.end !== 'done') throw new Error(`outcome ${outcome.end}: ${outcome.why}`);
  const output = Buffer.from(outcome.output.bytes ?? []);
  const { how, number } = outcome.status;
  return { how, number, output, text: output.toString('utf8'), sha256: outcome.output.sha256 };
}

/** Carries out an action on a file in the sandbox's own task. @param sent the bytes of a `put_file` */
export async function fileIn<K extends keyof RunArgs>(
  { tasks, name }: Sandbox,
  kind: K,
  args: RunArgs[K],
  sent?: Uint8Array,
): Promise<Ran> {
  const rest = { workspace: 'w', task: 't', requester: 'brain', class: 'write', grade: 'sealed' } as const;
  const action = { id: newId(), kind, args, decide_within: 60, execute_within: 60, ...rest };
  return ran(await tasks.run(name, newId(), scriptOf(action as never, { sent }), () => {}));
}

/** The same tasks, with the whole output in each outcome, where it is no larger than a test looks at. */
function gathering(tasks: Tasks): Tasks {
  async function whole(running: Promise<Outcome>): Promise<Outcome> {
    const outcome = await running;
    if (outcome.end === 'unknown' || outcome.output.size > 128 << 20) return outcome;
    const output: Output = {
      ...outcome.output,
      bytes: Buffer.concat(await Array.fromAsync(outcome.output.read())),
    };
    return { ...outcome, output };
  }
  return {
    ...tasks,
    run: (...args) => whole(tasks.run(...args)),
    adopt: (...args) => whole(tasks.adopt(...args)),
  };
}

/** Removes every container and volume of a project. */
export async function removeProject(docker: Docker, project: string): Promise<void> {
  const filters = { label: [`org.pocketcoder=${project}`] };
  for (const { Id } of await docker.listContainers({ all: true, filters }))
    await docker.getContainer(Id).remove({ force: true });
  const { Volumes } = await docker.listVolumes({ filters });
  for (const { Name } of Volumes) await docker.getVolume(Name).remove();
}

export async function startSandbox(
  limits: Limits = { memory_mb: 512, pids: 256, cpus: 2 },
  ownImage?: string,
): Promise<Sandbox> {
  const { docker } = findEngine();
  const runtime = strongestRuntime(await docker.info());
  const project = `test-${newId()}`;
  const git = { name: 'T"e\\s;t', email: 'test@localhost' };
  const image = ownImage ?? (await ensureImage('task'));
  const place = { project, images: { '': image }, limits, git, ...(runtime ? { runtime } : {}) };
  const tasks = gathering(makeTasks(docker, place));
  const name = { task: newId(), workspace: newId() };
  await tasks.warm(name);
  const container = docker.getContainer(`${project}-task-${name.task}`);
  return {
    docker,
    place,
    tasks,
    name,
    container,
    bash: async (script, o) => ran(await tasks.run(name, newId(), bashScript(script, o), () => {})),
    async root(...Cmd) {
      const exec = await container.exec({ Cmd, AttachStdout: true, AttachStderr: true, Tty: true });
      const stream = await exec.start({ Tty: true });
      const parts: Buffer[] = [];
      for await (const part of Readable.from(stream)) parts.push(Buffer.from(part));
      return { code: (await exec.inspect()).ExitCode ?? -1, text: Buffer.concat(parts).toString('utf8') };
    },
    async beside(...command) {
      const out = new PassThrough();
      const text = Array.fromAsync(out.setEncoding('utf8'));
      const files = `${project}-ws-${name.workspace}`;
      const HostConfig = {
        NetworkMode: 'none',
        AutoRemove: true,
        Mounts: [{ Type: 'volume' as const, Source: files, Target: '/workspace' }],
      };
      await docker.run(image, command, out, { Entrypoint: [], Tty: true, HostConfig });
      out.end();
      return (await text).join('');
    },
    async stop() {
      tasks.close();
      await removeProject(docker, project);
    },
  };
}
