/** `pocketcoder backup`: all that an instance is, in one encrypted file. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';
import { serviceStates } from '../engine/containers.ts';
import { findEngine, requireEngine } from '../engine/engine.ts';
import { ensureImage } from '../engine/images.ts';
import { backupFile, servicesOf } from '../engine/services.ts';
import { fault } from '../fault.ts';
import { alone } from '../instance/alone.ts';
import type { Instance } from '../instance/instance.ts';
import { interruptible, newFile, writeNew } from '../instance/new-file.ts';
import { writeServiceFiles } from '../instance/volumes.ts';
import type { Report } from '../report.ts';
import { waitReady } from '../start/ready.ts';
import { encrypterFor, through } from './age.ts';
import { type Manifest, made, migrations, placeOf, root, volumesOf } from './archive.ts';
import { keepLast } from './remembered.ts';

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

/** The manifest and the state directory's files, below a directory in which the bot's own program can make its part. */
function tarOf(home: string, manifest: Manifest): Readable {
  const tar = pack();
  tar.entry({ name: 'backup', type: 'directory', mode: 0o700, uid: 10002, gid: 10002 }, '');
  tar.entry({ name: 'backup/manifest.json', mode: 0o600 }, JSON.stringify(manifest));
  for (const entry of readdirSync(home, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(home, path);
    if (entry.isFile() && !made.test(name))
      tar.entry({ name: `backup/home/${name}`, mode: 0o600 }, readFileSync(path));
  }
  tar.finalize();
  return tar;
}

/**
 * Puts all of it together in a container and has `work` read its tar. The bot's own program copies the bot's stores, but
 * for its key store.
 */
async function withContent(
  docker: Docker,
  image: string,
  { home, state: { project } }: Instance,
  manifest: Manifest,
  work: (tar: Readable) => Promise<void>,
): Promise<void> {
  const source = '/var/lib/pocketcoder';
  const bot = placeOf('_bot_data');
  const places = manifest.volumes.map(({ name }) => ({ name, place: placeOf(name) }));
  const binds = places.map(({ name, place }) => `${project}${name}:${place === bot ? source : place}:ro`);
  const container = await docker.createContainer({
    Image: image,
    Cmd: ['node', 'bot/src/backup.ts', source, bot],
    Labels: { 'com.docker.compose.project': project },
    HostConfig: { NetworkMode: 'none', Binds: binds },
  });
  try {
    await container.putArchive(tarOf(home, manifest), { path: '/' });
    if (places.some(({ place }) => place === bot)) {
      await container.start();
      const { StatusCode } = (await container.wait()) as { StatusCode: number };
      if (StatusCode !== 0) {
        const said = String(await container.logs({ stderr: true })).slice(-600);
        throw fault.failed(`The bot's keys could not be read, so there is no backup:\n${said}`);
      }
    }
    await work((await container.getArchive({ path: root })) as Readable);
  } finally {
    await container.remove({ force: true });
  }
}

/**
 * Writes the backup. Services stand still for as long as the copy takes and run again when this returns or throws.
 * @param to an age recipient, in place of a passphrase @param setting where that was given
 */
export async function backup(
  instance: Instance,
  report: Report,
  name: string,
  to?: string,
  setting?: string,
): Promise<void> {
  const { home, state } = instance;
  const file = newFile(name);
  if (!relative(home, file).startsWith('..'))
    throw fault.usage(`${file} lies in the state directory and would be lost with it. Nothing was done.`);
  const { docker } = await requireEngine(findEngine());
  const image = await ensureImage('bot', docker, report);
  const encrypter = await encrypterFor(to, report, setting);
  await interruptible((signal) =>
    alone(home, () =>
      report.phase('backup', 'services stand still while they are copied', () =>
        standingStill(docker, instance, async () => {
          const volumes = await volumesOf(docker, state.project);
          const at = new Date().toISOString();
          const manifest = { at, version: state.version, migrations: migrations(), volumes };
          await withContent(docker, image, instance, manifest, async (tar) =>
            writeNew(file, await through(encrypter, tar), 'There is no backup', signal),
          );
          keepLast(home, 'backup', { at, file }, report);
          await writeServiceFiles(docker, state.project, image, [backupFile(home)]).catch(() => {}); // a start does
        }),
      ),
    ),
  );
  report.event(
    { event: 'backup', file, seconds: report.seconds()['backup'] },
    `${file} holds all of this instance. What ran before runs again. ./pocketcoder restore ${name} brings it back, here or on ` +
      'another machine.',
  );
}
