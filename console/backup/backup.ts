/** `pocketcoder backup`: all that an instance is, in one encrypted file. */
import {
  closeSync,
  createWriteStream,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type Docker from 'dockerode';
import { messageOf } from '../../ledger/src/retry.ts';
import { botVolume, type Manifest, places, volumesOf, writeArchive } from '../engine/archive.ts';
import { serviceStates } from '../engine/containers.ts';
import { findEngine, requireEngine } from '../engine/engine.ts';
import { ensureImage } from '../engine/images.ts';
import { servicesOf } from '../engine/services.ts';
import { Fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import { alone } from '../instance/lock.ts';
import { checkout } from '../instance/paths.ts';
import { volumeContainer } from '../instance/volumes.ts';
import type { Report } from '../report.ts';
import { waitReady } from '../start/ready.ts';
import { encrypterFor, through } from './age.ts';

/** Made anew on every machine, and run or believed there. */
export const made = /^(bin\/.*|compose\.env|dockerd\.log|.*\.new)$/;

/** The ledger's migrations that this release knows. */
export const migrations = (): string[] =>
  readdirSync(join(checkout, 'ledger/pb_migrations')).filter((name) => name.endsWith('.js'));

/** Nothing is written while `work` runs: services are stopped, what runs in tasks' containers is held. */
async function standingStill<T>(docker: Docker, instance: Instance, work: () => Promise<T>): Promise<T> {
  const { project } = instance.state;
  const states = await serviceStates(docker, project);
  const running = servicesOf(instance).filter((service) => states.get(service)?.running);
  const container = (service: string) => docker.getContainer(states.get(service)?.id ?? '');
  const tasks = await docker.listContainers({
    filters: { label: [`org.pocketcoder=${project}`], status: ['running'] },
  });
  const held: Docker.Container[] = [];
  try {
    // The executor first, so that it sees none of its containers held; the ledger and the homeserver last.
    for (const service of running.toReversed()) await container(service).stop();
    for (const { Id } of tasks) {
      const task = docker.getContainer(Id);
      await task.pause();
      held.push(task);
    }
    return await work();
  } finally {
    for (const task of held) await task.unpause().catch(() => {}); // somebody removed it: the services start all the same
    for (const service of running) await container(service).start();
    await waitReady(docker, instance, running);
  }
}

/** The bot's stores without its key store, and its keys as a backup holds them: put together in a container of their own. */
async function botPart(docker: Docker, image: string, project: string): Promise<Docker.Container> {
  const state = '/var/lib/pocketcoder';
  const container = await docker.createContainer({
    Image: image,
    Cmd: ['node', 'bot/src/backup.ts', state, places.bot],
    Labels: { 'com.docker.compose.project': project },
    HostConfig: { NetworkMode: 'none', Binds: [`${project}${botVolume}:${state}:ro`] },
  });
  await container.start();
  const { StatusCode } = (await container.wait()) as { StatusCode: number };
  if (StatusCode === 0) return container;
  const said = (await container.logs({ stderr: true })) as unknown as Buffer;
  await container.remove({ force: true });
  throw new Fault(
    'failed',
    `The bot's keys could not be read, so there is no backup:\n${said.toString().slice(-600)}`,
  );
}

const archived = async (container: Docker.Container, path: string): Promise<Readable> =>
  (await container.getArchive({ path })) as Readable;

function content(docker: Docker, image: string, { home, state }: Instance, manifest: Manifest): Readable {
  const { project } = state;
  return writeArchive(async (add, addPart) => {
    await add('manifest.json', Buffer.from(JSON.stringify(manifest)));
    for (const entry of readdirSync(home, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const name = relative(home, path);
      if (entry.isFile() && !made.test(name)) await add(`home/${name}`, readFileSync(path));
    }
    const names = manifest.volumes.map(({ name }) => name);
    if (names.includes(botVolume)) {
      const bot = await botPart(docker, image, project);
      await archived(bot, places.bot)
        .then((stream) => addPart('bot', stream))
        .finally(() => bot.remove({ force: true }));
    }
    const others = names.filter((name) => name !== botVolume);
    const binds = others.map((name) => `${project}${name}:${places.volumes}/${name}:ro`);
    const container = await volumeContainer(docker, image, project, binds);
    await archived(container, places.volumes)
      .then((stream) => addPart('volumes', stream))
      .finally(() => container.remove({ force: true }));
  });
}

/** Written whole or not at all, for its owner alone, and on the disk before it has its name. */
async function write(file: string, stream: Readable, signal: AbortSignal): Promise<void> {
  const part = `${file}.part`;
  try {
    await pipeline(stream, createWriteStream(part, { mode: 0o600 }), { signal });
    const descriptor = openSync(part, 'r');
    fsyncSync(descriptor);
    closeSync(descriptor);
    renameSync(part, file);
  } catch (error) {
    rmSync(part, { force: true });
    if (error instanceof Fault) throw error;
    throw new Fault('cannotCreate', `There is no backup: ${messageOf(error)}. The instance is as it was.`);
  }
}

/**
 * Writes the backup. Services stand still for as long as the copy takes and run again when this returns or throws.
 * @param to an age recipient, in place of a passphrase
 */
export async function backup(instance: Instance, report: Report, name: string, to?: string): Promise<void> {
  const { home, state } = instance;
  const file = resolve(name);
  if (existsSync(file))
    throw new Fault('cannotCreate', `${file} is there already, and nothing was done: give another name.`);
  if (!existsSync(dirname(file)))
    throw new Fault('cannotCreate', `There is no directory ${dirname(file)}. Nothing was done.`);
  if (!relative(home, file).startsWith('..'))
    throw new Fault(
      'usage',
      `${file} lies in the state directory and would be lost with it. Nothing was done.`,
    );
  const { docker } = await requireEngine(findEngine());
  const image = await ensureImage('bot', docker, report);
  const encrypter = await encrypterFor(to, report);
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error('it was interrupted'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
  try {
    await alone(home, () =>
      report.phase('backup', 'services stand still while they are copied', () =>
        standingStill(docker, instance, async () => {
          const volumes = await volumesOf(docker, state.project);
          const at = new Date().toISOString();
          const manifest = { at, version: state.version, migrations: migrations(), volumes };
          const plain = content(docker, image, instance, manifest);
          await write(file, await through(encrypter, plain), interrupted.signal);
        }),
      ),
    );
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
  }
  report.event(
    { event: 'backup', file, seconds: report.seconds()['backup'] },
    `${file} holds all of this instance. What ran before runs again. ./pocketcoder restore ${name} brings it back, here or on ` +
      'another machine.',
  );
}
