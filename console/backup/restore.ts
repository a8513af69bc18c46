/** `pocketcoder restore`: an instance from a backup, in a state directory that is empty. */
import {
  accessSync,
  constants,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import type { Readable } from 'node:stream';
import type { Decrypter } from 'age-encryption';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';
import { messageOf } from '../../ledger/src/retry.ts';
import { ensureBase } from '../engine/base.ts';
import { ensureDocker } from '../engine/docker.ts';
import { findEngine } from '../engine/engine.ts';
import { Fault, fault } from '../fault.ts';
import { alone } from '../instance/alone.ts';
import { choosePort } from '../instance/ports.ts';
import { projectOf, type State, stateHome, version, writeState } from '../instance/state.ts';
import { volumeContainer } from '../instance/volumes.ts';
import type { Report } from '../report.ts';
import { decrypterAsked, through } from './age.ts';
import { made, migrations, placeOf, readArchive, volumesOf } from './archive.ts';

const nothing = 'Nothing was changed';

/** A backup whose file is not what was written. */
export class Damaged extends Fault {}

/** What age says, for a person. @param done what was to be done with the file */
function refusal(file: string, done: string, error: unknown): Fault {
  const message = messageOf(error);
  const not = `${file} was not ${done}`;
  if (/no identity matched/.test(message))
    return fault.failed(`${not}: that passphrase or key does not open it. ${nothing}.`);
  const why = /no backup of/.test(message) ? message : `it is cut off, damaged or no backup (${message})`;
  return new Damaged('failed', `${not}: ${why}. ${nothing}.`);
}

type Archive = Awaited<ReturnType<typeof readArchive>>;
/** A backup that was read to its end, with its instance's state; `again` reads it once more, from its beginning. */
export type Opened = { archive: Archive; state: State; again(): Promise<Readable> };

const open = (file: string, decrypter: Decrypter) => through(decrypter, createReadStream(file));

/** Reads all of it, so that what follows meets no bad end half-way. */
async function checked(file: string, decrypter: Decrypter, done: string): Promise<Archive> {
  let archive: Archive;
  try {
    archive = await readArchive(await open(file, decrypter));
  } catch (error) {
    throw refusal(file, done, error);
  }
  const { manifest } = archive;
  const known = migrations();
  if (manifest.version > version || !manifest.migrations.every((name) => known.includes(name)))
    throw fault.config(
      `${file} was not ${done}: it was written by a newer release than this one. ${nothing}: take that release.`,
    );
  return archive;
}

/**
 * As the engine labels what it made for the old project, for the new one. Without the hash of the old configuration, which compose would
 * compare, and ask whether to lose the data.
 */
function labelsFor(labels: Record<string, string>, old: string, project: string): Record<string, string> {
  const { 'com.docker.compose.config-hash': _, ...rest } = labels;
  return Object.fromEntries(Object.entries(rest).map(([key, v]) => [key, v === old ? project : v]));
}

/** Its start looks for a file that says so. */
const homeserverVolume = '_homeserver_data';

/** Fills the volumes of the project with what the tar has for each. */
async function fill(
  docker: Docker,
  image: string,
  project: string,
  volumes: readonly { name: string }[],
  tar: NodeJS.ReadableStream,
): Promise<void> {
  const binds = volumes.map(({ name }) => `${project}${name}:${placeOf(name)}`);
  const container = await volumeContainer(docker, image, project, binds);
  try {
    await container.putArchive(tar, { path: '/' });
    if (!volumes.some(({ name }) => name === homeserverVolume)) return;
    const mark = pack();
    mark.entry({ name: 'restored', uid: 10004, gid: 10004 }, '');
    mark.finalize();
    await container.putArchive(mark, { path: placeOf(homeserverVolume) });
  } finally {
    await container.remove({ force: true });
  }
}

/**
 * Asks for what opens a backup, and reads all of it. Throws a Fault where that cannot be.
 * @param done what is to be done with it, as in "it was not restored"
 */
export async function opened(report: Report, file: string, done: string): Promise<Opened> {
  try {
    accessSync(file, constants.R_OK); // before a passphrase is asked for
    if (!statSync(file).isFile()) throw new Error('it is no file');
  } catch (error) {
    throw fault.failed(`${file} was not ${done}: ${messageOf(error)}. ${nothing}.`);
  }
  const decrypter = await decrypterAsked();
  const archive = await report.phase('check', 'reading the whole file', () => checked(file, decrypter, done));
  const state = JSON.parse(archive.home.get('secrets.json')?.toString() ?? '') as State;
  return { archive, state, again: () => open(file, decrypter) };
}

/**
 * Writes a backup's volumes, its files into `home`, and the state there. What it began is the caller's to take back where it fails.
 * @param image that of the container through which volumes are written, which never starts
 */
export async function unpack(
  docker: Docker,
  image: string,
  { archive: { manifest, home: files }, state, again }: Opened,
  home: string,
  project: string,
): Promise<State> {
  for (const { name, labels } of manifest.volumes) {
    const Labels = labelsFor(labels, state.project, project);
    await docker.createVolume({ Name: `${project}${name}`, Labels });
  }
  await fill(docker, image, project, manifest.volumes, await again());
  for (const [written, bytes] of files) {
    const name = normalize(`/${written}`).slice(1);
    if (made.test(name)) continue;
    const path = join(home, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (name !== 'secrets.json') writeFileSync(path, bytes, { mode: 0o600 });
  }
  const ports = {
    homeserver: await choosePort([state.ports.homeserver]),
    ledger: await choosePort([state.ports.ledger]),
  };
  const { subnet: _subnet, reach: _reach, ...kept } = state;
  const restored = { ...kept, version, project, ports, restored: manifest.at };
  writeState(home, restored);
  return restored;
}

/**
 * Restores a backup without starting anything. It is read twice: the first time changes nothing.
 * Throws a Fault where it cannot be read or something is in the way; what was begun is taken back then.
 */
export async function restore(report: Report, file: string): Promise<void> {
  const home = stateHome();
  if (existsSync(home) && readdirSync(home).length > 0)
    throw fault.cannotCreate(
      `${home} is not empty. ${nothing}: ./pocketcoder uninstall removes the instance that is there, or name another ` +
        'directory by POCKETCODER_HOME.',
    );
  const backup = await opened(report, file, 'restored');
  const { manifest } = backup.archive;
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const engine = findEngine();
  const { docker } = engine;
  const project = projectOf(home);
  await alone(home, async () => {
    await ensureDocker(engine, home, report);
    if ((await volumesOf(docker, project)).length > 0)
      throw fault.cannotCreate(
        `Volumes of an earlier instance in ${home} are there still (${project}…). ${nothing}: name another POCKETCODER_HOME.`,
      );
    const base = await ensureBase(docker, report);
    let state: State;
    try {
      state = await report.phase('restore', 'writing volumes and settings', () =>
        unpack(docker, base.ref, backup, home, project),
      );
    } catch (error) {
      for (const { name } of manifest.volumes)
        await docker
          .getVolume(`${project}${name}`)
          .remove({ force: true })
          .catch(() => {});
      rmSync(home, { recursive: true, force: true });
      throw fault.temporary(`The restore broke off and was taken back: ${messageOf(error)}.`);
    }
    report.event(
      { event: 'restored', at: manifest.at, server_name: state.server_name, project, home },
      `Restored as of ${manifest.at}. See to it that the old instance never runs again, look over ${home}/pocketcoder.yaml, then ` +
        './pocketcoder start.',
    );
  });
}
