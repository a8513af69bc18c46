/** `pocketcoder uninstall`: everything of one instance goes, and nothing of another one beside it. */
import { existsSync, globSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { findEngine, requireEngine, unless } from '../engine/engine.ts';
import { fault } from '../fault.ts';
import { alone } from '../instance/alone.ts';
import type { Instance } from '../instance/instance.ts';
import { checkout } from '../instance/paths.ts';
import { drillOf } from '../instance/state.ts';
import { projectVolumes } from '../instance/volumes.ts';
import { question } from '../question.ts';
import type { Report } from '../report.ts';
import { unserve } from '../start/tailnet.ts';
import { seen } from './logs.ts';

/** What an instance keeps in its state directory. Whatever else is there is somebody's. */
const own = [
  'bin/docker-compose-*',
  'compose.env',
  'dockerd.log',
  'pocketcoder.yaml',
  '{secrets,last-backup,last-drill}.json{,.new}',
];

/** Removes the instance's files and, where nothing else stands in it, their directory. @returns what is left */
export function removeHome(home: string): string[] {
  for (const name of globSync(own, { cwd: home })) rmSync(join(home, name));
  rmSync(join(home, 'drill'), { recursive: true, force: true }); // what a drill that was killed left
  for (const folder of [join(home, 'bin'), home])
    if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
  return existsSync(home) ? readdirSync(home) : [];
}

/** Removes everything the engine has of a project: containers, networks, volumes. */
export async function removeProject(docker: Docker, project: string): Promise<void> {
  const filters = { label: [`com.docker.compose.project=${project}`] };
  // Tasks' containers and leases of the network are the executor's: compose knows nothing of them, their names begin with the project's.
  const tasks = await docker.listContainers({ all: true, filters: { name: [`^/${project}-`] } });
  const containers = [...(await docker.listContainers({ all: true, filters })), ...tasks];
  for (const id of new Set(containers.map((one) => one.Id)))
    await docker.getContainer(id).remove({ force: true, v: true });
  const leases = { label: [`org.pocketcoder=${project}`] };
  for (const label of [filters, leases])
    for (const { Id } of await docker.listNetworks({ filters: label })) await docker.getNetwork(Id).remove();
  for (const { Name } of await projectVolumes(docker, project)) await docker.getVolume(Name).remove();
}

/** Removes the images with this label, but for those that a container still uses. @returns how many went */
export async function removeImages(docker: Docker, label: string): Promise<number> {
  let removed = 0;
  for (const { Id } of await docker.listImages({ filters: { label: [label] } }))
    await docker
      .getImage(Id)
      .remove()
      .then(() => removed++, unless(404, 409));
  return removed;
}

/** Images are shared by all instances of an engine, and a stopped one may have no container left that holds them. A drill is none. */
export async function others(docker: Docker): Promise<boolean> {
  const volumes = (await docker.listVolumes()).Volumes ?? [];
  return volumes.some(({ Labels }) =>
    /^pocketcoder-(?!drill-)/.test(Labels?.['com.docker.compose.project'] ?? ''),
  );
}

async function confirm({ home, state }: Instance, yes: boolean): Promise<void> {
  if (yes) return;
  const nothing = 'Nothing was removed.';
  if (!process.stdin.isTTY)
    throw fault.usage(`${nothing} Without a terminal to confirm at, uninstall takes --yes.`);
  const typed = await question(
    `This removes ${state.project} for ever: its ledger, rooms, accounts, workspaces and secrets, and its files in ${home}. ` +
      `./pocketcoder backup would keep them.\nType ${state.project} to go on: `,
  );
  if (typed !== state.project) throw fault.failed(`${nothing} That was not ${state.project}.`);
}

/** Removes the instance once a person typed its name, or at once with `yes`. Throws a Fault before anything is removed. */
export async function uninstall(instance: Instance, report: Report, yes: boolean): Promise<void> {
  const { home, state } = instance;
  const { docker } = await requireEngine(findEngine());
  await confirm(instance, yes);
  const drill = drillOf(state.project);
  const remove = async () => {
    if (state.reach?.way === 'tailnet') await unserve();
    for (const project of [drill, state.project]) await removeProject(docker, project);
    const count = (await others(docker)) ? 0 : await removeImages(docker, 'org.pocketcoder.part');
    return { images: count, left: removeHome(home) };
  };
  const { images, left } = await alone(home, () => alone(drill, remove));
  report.event(
    { event: 'uninstalled', project: state.project, home, images, left },
    `${state.project} is gone: its containers, networks and volumes, and its files in ${home}. ` +
      `${images > 0 ? `${images} images went with it` : 'Images stay, which another instance may use'}. ` +
      `What stays: Docker itself, the base image, ${checkout}, a unit that you gave to systemd, backups that you made` +
      `${state.bot ? `, and the account ${state.bot} with its rooms` : ''}` +
      `${left.length > 0 ? `, and in ${home} what is none of its: ${left.map((name) => seen(name)).join(', ')}` : ''}.`,
  );
}
