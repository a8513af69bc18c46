/**
 * `pocketcoder drill`: a backup restored beside the running instance, looked at, and taken away again. Of what was restored
 * the ledger alone is started, and nothing of it has a network: so nobody hears of it.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type Docker from 'dockerode';
import type { Audited, Contents } from '../../bot/src/drilled.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { seen } from '../care/logs.ts';
import { removeProject } from '../care/uninstall.ts';
import { ensureBase } from '../engine/base.ts';
import { findEngine, requireEngine } from '../engine/engine.ts';
import { ensureImage } from '../engine/images.ts';
import { Fault, fault } from '../fault.ts';
import { alone } from '../instance/alone.ts';
import type { Instance } from '../instance/instance.ts';
import { interruptible } from '../instance/new-file.ts';
import { readSettings } from '../instance/settings-file.ts';
import { drillOf } from '../instance/state.ts';
import { writeServiceFiles } from '../instance/volumes.ts';
import type { Report } from '../report.ts';
import { placeOf, root } from './archive.ts';
import { keepLast, lastOf } from './remembered.ts';
import { Damaged, type Opened, opened, unpack } from './restore.ts';

/** Starts a container of a drill's: without a network, but where `host` says which. */
async function begin(
  docker: Docker,
  project: string,
  { HostConfig: host, ...options }: Docker.ContainerCreateOptions,
): Promise<Docker.Container> {
  const confined = { CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges:true'], ReadonlyRootfs: true };
  const HostConfig = { ...confined, NetworkMode: 'none', ...host };
  const Labels = { 'com.docker.compose.project': project };
  const container = await docker.createContainer({ ...options, Labels, HostConfig });
  await container.start();
  return container;
}

/** `step` runs a phase; the images are the base, the bot's and the ledger's. */
type Means = { docker: Docker; step: Report['phase']; base: string; bot: string; image: string };

/** The last words of a container, for a terminal. */
const endOf = (said: string): string => said.slice(-600).split(/\r?\n/).map(seen).join('\n');

/** What the bot's image saw. @param said all that it printed. Throws a Fault (`failed`) where something is wrong, or it broke off. */
export function foundIn(said: string): Contents & Audited {
  let found: Contents & Audited & { wrong?: string };
  try {
    found = JSON.parse(said) as typeof found;
  } catch {
    throw fault.failed(`Looking at what was restored broke off. It says:\n${endOf(said) || 'nothing'}`);
  }
  if (found.wrong !== undefined) throw fault.failed(`What was restored is not whole: ${found.wrong}.`);
  return found;
}

/** All that is looked at, in phases; what it makes is the caller's to take away. @returns what was seen */
async function tried(
  { docker, step, base, bot, image }: Means,
  backup: Opened,
  project: string,
  home: string,
) {
  const { volumes } = backup.archive.manifest;
  const config = `${project}_ledger_config:/run/pocketcoder:ro`;
  /** Has the bot's image look, as root of the volumes. */
  const look = async (what: 'contents' | 'audit', NetworkMode = 'none') => {
    const Binds = [...volumes.map(({ name }) => `${project}${name}:${placeOf(name)}`), config];
    const container = await begin(docker, project, {
      ...{ Image: bot, User: '0:0', Tty: true, HostConfig: { CapAdd: ['DAC_OVERRIDE'], NetworkMode, Binds } },
      Cmd: ['node', '--disable-warning=ExperimentalWarning', 'bot/src/drilled.ts', root, what],
    });
    await container.wait();
    return foundIn(await text(await container.logs({ stdout: true, follow: true })));
  };
  await step('restore', 'writing volumes and settings, beside the running ones', async () => {
    const { passwords } = await unpack(docker, base, backup, home, project);
    try {
      readSettings(home);
    } catch (error) {
      throw fault.failed(`The settings in it cannot be read: ${messageOf(error).split('. Nothing was')[0]}.`);
    }
    const file = { service: 'ledger', name: 'ledger.json', uid: 10001 };
    await writeServiceFiles(docker, project, base, [{ ...file, content: JSON.stringify(passwords.ledger) }]);
  });
  const { files, roomKeys, identity } = await step('contents', 'counting files, reading the keys', () =>
    look('contents'),
  );
  for (const [place, had] of backup.archive.files)
    if ((files[place] ?? 0) < had)
      throw fault.failed(`Of ${had} files in ${place} only ${files[place] ?? 0} came back.`);
  const ledger = await step('ledger', 'starting the one that was restored', () => {
    const Binds = [config, `${project}_ledger_data:/data`];
    const HostConfig = { Binds, Tmpfs: { '/tmp': '' }, Memory: 512 * 2 ** 20 };
    const Env = ['LEDGER_IDENTITIES=/run/pocketcoder/ledger.json'];
    return begin(docker, project, { Image: image, Env, HostConfig });
  });
  // It has no network but its loopback, in which the audit is run.
  const audit = () => look('audit', `container:${ledger.id}`);
  const { entries, head } = await step('audit', 'reading all of it', audit).catch(async (error: unknown) => {
    if ((await ledger.inspect()).State.Running) throw error;
    const said = String(await ledger.logs({ stdout: true, stderr: true }));
    throw fault.failed(`No ledger comes up from that backup. It says:\n${endOf(said)}`);
  });
  const own = volumes.filter(({ name }) => name.startsWith('-ws-'));
  const count = own.reduce((sum, { name }) => sum + (files[`volumes/${name}`] ?? 0), 0);
  const kept = { volumes: volumes.length, workspaces: own.length, files: count };
  return { ...kept, entries, head, roomKeys, identity };
}

/** The end that a signal made: it says nothing of the backup. */
class Interrupted extends Fault {}

/** Restores it beside the instance and takes that away again. */
async function beside(
  { home, state }: Instance,
  report: Report,
  docker: Docker,
  backup: Opened,
  file: string,
): Promise<void> {
  const base = (await ensureBase(docker, report)).ref;
  const bot = await ensureImage('bot', docker, report);
  const image = await ensureImage('ledger', docker, report);
  const project = drillOf(state.project);
  const scratch = join(home, 'drill');
  const remove = async () => {
    rmSync(scratch, { recursive: true, force: true });
    await removeProject(docker, project);
  };
  await interruptible(async (signal) => {
    await remove(); // what a drill that was killed had left
    mkdirSync(scratch, { mode: 0o700 });
    const step: Report['phase'] = (...phase) => {
      if (signal.aborted)
        throw new Interrupted('temporary', 'The drill was interrupted: what it had made is gone again.');
      return report.phase(...phase);
    };
    const found = await tried({ docker, step, base, bot, image }, backup, project, scratch).finally(() =>
      report.phase('remove', 'taking away what was made for it', remove),
    );
    const { at } = backup.archive.manifest;
    report.event(
      { event: 'drill', file, at, seconds: report.seconds(), ...found },
      `${file} comes back whole, as of ${at}: ${found.volumes} volumes, of ${found.workspaces} workspaces ${found.files} files, a ` +
        `ledger of ${found.entries} entries whose chain holds (head ${found.head.slice(0, 12)}), ` +
        `${found.identity ? `the bot's identity and ${found.roomKeys} room keys` : 'no identity of the bot yet'}. What runs was not touched.`,
    );
  });
}

/**
 * Throws a Fault where the backup would not come back. `doctor` tells of it until a drill succeeds: of a damaged file, and of whatever
 * failed once it was known to be a backup of this instance, but for an interrupt.
 * @param named the backup; the newest that was made here without it
 */
export async function drill(instance: Instance, report: Report, named?: string): Promise<void> {
  const { home, state } = instance;
  const name = named ?? lastOf(home, 'backup')?.file;
  if (name === undefined)
    throw fault.unavailable(
      'No backup was made here yet, so none was tried: ./pocketcoder backup FILE, then drill.',
    );
  const last = { at: new Date().toISOString(), file: resolve(name) };
  const failed = (error: unknown): never => {
    keepLast(home, 'drill', { ...last, why: messageOf(error).split('\n')[0] ?? '' }, report);
    throw error;
  };
  const { docker } = await requireEngine(findEngine());
  await alone(drillOf(state.project), async () => {
    const backup = await opened(report, last.file, 'tried').catch((error: unknown) => {
      if (error instanceof Damaged) failed(error);
      throw error;
    });
    const its = backup.state;
    // The one secret that is made once and goes with an instance wherever it is restored.
    if (its.homeserver.macaroon !== state.homeserver.macaroon)
      throw fault.config(
        `${last.file} is a backup of another instance (${its.project}, ${its.server_name}): it was not tried, and nothing was changed.`,
      );
    await beside(instance, report, docker, backup, last.file).catch((error: unknown) => {
      if (error instanceof Interrupted) throw error;
      failed(error);
    });
    keepLast(home, 'drill', last, report);
  });
}
