/** Copies of workspaces, in which an action that waits is tried: each has volumes, a container and a keeper of its own, and ends with the trial. */
import type Docker from 'dockerode';
import {
  ensure,
  ignoring,
  keeperOptions,
  label,
  names,
  type Place,
  SandboxError,
  type TaskName,
} from './container.ts';

/** What the names of all copies begin with: that of a workspace has no dot. */
const copies = 'try.';
/** The copy of a workspace that an action is tried in. */
export const copyFor = (id: string, workspace: string): TaskName => ({
  ...{ task: `${copies}${id}`, workspace: `${copies}${id}`, copyOf: workspace },
});
/** Its bytes are needed twice: for the copy, and for a snapshot of that. What was made once is filled by nobody: a keeper that still makes it is waited for. */
const fill = `exec 9< /snapshots && flock 9 && [ ! -e /snapshots/base ] || exit 29
find /workspace -mindepth 1 -delete || exit 1
need=$(du -sk /from | cut -f 1); free=$(df -k --output=avail /workspace | tail -n 1)
[ $((free - 2 * need)) -gt 1048576 ] || exit 28
exec timeout 120 cp -a /from/. /workspace/`;

/** Copies the workspace, which is read-only to what does that. @throws SandboxError where it cannot be had whole */
export async function fillCopy(docker: Docker, place: Place, name: TaskName): Promise<void> {
  const { HostConfig = {}, ...options } = keeperOptions(place, name.workspace);
  const Source = names(place, { ...name, workspace: name.copyOf ?? '' }).files;
  const [own, ...kept] = HostConfig.Mounts?.slice(0, 2) ?? [];
  const from = { ...own, Type: 'volume' as const, Source, Target: '/from', ReadOnly: true };
  const filler = {
    ...{ ...options, name: `${options.name}-fill`, Entrypoint: ['bash', '-c', fill] },
    HostConfig: { ...HostConfig, Mounts: [from, ...(own ? [own] : []), ...kept] },
  };
  const container = await ensure(docker, place, filler, name.workspace);
  const { StatusCode } = (await container.wait()) as { StatusCode: number };
  await container.remove({ force: true });
  if (StatusCode === 28)
    throw new SandboxError('a copy would leave less than 1 GiB of the disk; nothing was run');
  if (StatusCode === 29) throw new SandboxError('there is a copy already; nothing was run, say it again');
  if (StatusCode !== 0)
    throw new SandboxError('the workspace changed while it was copied; nothing was run, say it again');
}

/** Takes away all that a copy was made of, or, without its name, what any of this instance was in which something was tried. */
export async function removeCopies(docker: Docker, place: Place, workspace?: string): Promise<void> {
  const isOne = (name = '') => (workspace ? name === workspace : name.startsWith(copies));
  const filters = { label: [`${label}=${place.project}`] };
  for (const { Id, Labels } of await docker.listContainers({ all: true, filters }))
    if (isOne(Labels[`${label}.workspace`]))
      await docker.getContainer(Id).remove({ force: true }).catch(ignoring(404, 409));
  for (const { Name } of (await docker.listVolumes({ filters })).Volumes)
    if (isOne(/^-(?:ws|snap|out)-(.+)$/.exec(Name.slice(place.project.length))?.[1]))
      await docker.getVolume(Name).remove().catch(ignoring(404, 409));
}
