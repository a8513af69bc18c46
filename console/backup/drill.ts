/**
 * `pocketcoder drill`: a backup restored beside the running instance, looked at, and taken away again. Of what was restored
 * the ledger alone is started, and nothing that has a key of the bot's has a network: so nobody hears of it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type Docker from 'dockerode';
import type { Looked } from '../../bot/src/drilled.ts';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { removeProject } from '../care/uninstall.ts';
import { ensureBase } from '../engine/base.ts';
import { findEngine, requireEngine } from '../engine/engine.ts';
import { ensureImage } from '../engine/images.ts';
import { Fault, fault } from '../fault.ts';
import { alone } from '../instance/alone.ts';
import type { Instance } from '../instance/instance.ts';
import { ledgerAs } from '../instance/ledger.ts';
import { interruptible } from '../instance/new-file.ts';
import { choosePort } from '../instance/ports.ts';
import { readSettings } from '../instance/settings-file.ts';
import type { State } from '../instance/state.ts';
import { writeServiceFiles } from '../instance/volumes.ts';
import { type Report, silent } from '../report.ts';
import { waitReady } from '../start/ready.ts';
import { placeOf, root } from './archive.ts';
import { keepLast, lastOf } from './remembered.ts';
import { type Opened, opened, unpack } from './restore.ts';

/** As compose labels what belongs together. */
const label = 'com.docker.compose.project';
const confined = { CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges:true'], ReadonlyRootfs: true };

/** Has the bot's image look at the volumes, as their root and without a network. */
async function look(docker: Docker, Image: string, project: string, { archive }: Opened): Promise<Looked> {
  const Binds = archive.manifest.volumes.map(({ name }) => `${project}${name}:${placeOf(name)}`);
  const container = await docker.createContainer({
    ...{ Image, User: '0:0', Labels: { [label]: project }, Tty: true },
    Cmd: ['node', '--disable-warning=ExperimentalWarning', 'bot/src/drilled.ts', root],
    HostConfig: { ...confined, CapAdd: ['DAC_OVERRIDE'], NetworkMode: 'none', Binds },
  });
  await container.start();
  await container.wait();
  const said = await text(await container.logs({ stdout: true, follow: true }));
  const found = JSON.parse(said || '{"wrong":"nothing was said of it"}') as Looked | { wrong: string };
  if ('wrong' in found) throw fault.failed(`What was restored is not whole: ${found.wrong}.`);
  for (const [place, had] of archive.files)
    if ((found.files[place] ?? 0) < had)
      throw fault.failed(`Of ${had} files in ${place} only ${found.files[place] ?? 0} came back.`);
  return found;
}

/** Starts the ledger on its restored data, as compose does but on a network of its own, which nothing gets out by either. */
async function startLedger(docker: Docker, Image: string, base: string, instance: Instance): Promise<void> {
  const { project, ports, passwords } = instance.state;
  const file = { service: 'ledger', name: 'ledger.json', uid: 10001 };
  await writeServiceFiles(docker, project, base, [{ ...file, content: JSON.stringify(passwords.ledger) }]);
  const [Name, Labels] = [`${project}_console`, { [label]: project, 'com.docker.compose.service': 'ledger' }];
  const Options = { 'com.docker.network.bridge.enable_ip_masquerade': 'false' };
  await docker.createNetwork({ Name, Labels, Options });
  const container = await docker.createContainer({
    ...{ Image, Labels, Env: ['LEDGER_IDENTITIES=/run/pocketcoder/ledger.json'] },
    ExposedPorts: { '8090/tcp': {} },
    HostConfig: {
      ...{ ...confined, Tmpfs: { '/tmp': '' }, Memory: 512 * 2 ** 20, Dns: ['127.0.0.1'], NetworkMode: Name },
      Binds: [`${project}_ledger_config:/run/pocketcoder:ro`, `${project}_ledger_data:/data`],
      PortBindings: { '8090/tcp': [{ HostIp: '127.0.0.1', HostPort: String(ports.ledger) }] },
      RestartPolicy: { Name: 'on-failure' },
    },
  });
  await container.start();
  await waitReady(docker, instance, ['ledger']).catch(async () => {
    const said = String(await container.logs({ stdout: true, stderr: true })).slice(-600);
    throw fault.failed(`No ledger comes up from that backup. It says:\n${said}`);
  });
}

/** All that is looked at, in phases; what it makes is the caller's to take away. @param step runs one @returns what was seen */
async function tried(docker: Docker, step: Report['phase'], backup: Opened, project: string, home: string) {
  const [base, bot, image] = await step('images', 'finding what the parts are made of', async () => [
    (await ensureBase(docker, silent)).ref,
    await ensureImage('bot', docker),
    await ensureImage('ledger', docker),
  ]);
  const state = await step('restore', 'writing volumes and settings, beside the running ones', () =>
    unpack(docker, base, backup, home, project),
  );
  const ports = { ...state.ports, ledger: await choosePort([]) };
  const instance: Instance = { home, settings: readSettings(home), state: { ...state, ports } };
  const { files, pins, ...keys } = await step('contents', "counting files, reading the bot's keys", () =>
    look(docker, bot, project, backup),
  );
  await step('ledger', 'starting the one that was restored', () =>
    startLedger(docker, image, base, instance),
  );
  const { off, entries, head } = await step('audit', 'reading all of it', async () =>
    auditLedger(await ledgerAs(instance, 'auditor'), pins),
  );
  if (off) throw fault.failed(`The ledger in it is not whole: entry ${off.seq}: ${off.why}.`);
  const { volumes } = backup.archive.manifest;
  const workspaces = volumes.filter(({ name }) => name.startsWith('-ws-'));
  const count = workspaces.reduce((sum, { name }) => sum + (files[`volumes/${name}`] ?? 0), 0);
  return { ...keys, volumes: volumes.length, workspaces: workspaces.length, files: count, entries, head };
}

/** Restores it beside the instance and takes that away again. */
async function beside(instance: Instance, report: Report, file: string): Promise<void> {
  const { docker } = await requireEngine(findEngine());
  const backup = await opened(report, file);
  const { manifest, home } = backup.archive;
  const its = JSON.parse(home.get('secrets.json')?.toString() ?? '') as State;
  // The one secret that is made once and goes with an instance wherever it is restored.
  if (its.homeserver.macaroon !== instance.state.homeserver.macaroon)
    throw fault.config(
      `${file} is a backup of another instance (${its.project}, ${its.server_name}): it was not tried, and nothing was changed.`,
    );
  const project = instance.state.project.replace(/^pocketcoder-/, 'pocketcoder-drill-');
  const scratch = mkdtempSync(join(tmpdir(), 'pocketcoder-drill-'));
  const remove = () => removeProject(docker, project);
  await interruptible((signal) =>
    alone(project, async () => {
      await remove(); // what a drill that was killed had left
      const step: Report['phase'] = (...phase) => {
        if (signal.aborted)
          throw fault.temporary('The drill was interrupted: what it had made is gone again.');
        return report.phase(...phase);
      };
      const seen = await tried(docker, step, backup, project, scratch).finally(() =>
        report.phase('remove', 'taking away what was made for it', remove),
      );
      report.event(
        { event: 'drill', file, at: manifest.at, seconds: report.seconds(), ...seen },
        `${file} comes back whole, as of ${manifest.at}: ${seen.volumes} volumes, of ${seen.workspaces} workspaces ${seen.files} files, a ` +
          `ledger of ${seen.entries} entries whose chain holds (head ${seen.head.slice(0, 12)}), ` +
          `${seen.identity ? `the bot's identity and ${seen.roomKeys} room keys` : 'no identity of the bot yet'}. What runs was not touched.`,
      );
    }),
  ).finally(() => rmSync(scratch, { recursive: true, force: true }));
}

/**
 * Throws a Fault where the backup would not come back: `failed`, which `doctor` tells of until a drill succeeds.
 * @param named the backup; the newest that was made here without it
 */
export async function drill(instance: Instance, report: Report, named?: string): Promise<void> {
  const name = named ?? lastOf(instance.home, 'backup')?.file;
  if (name === undefined)
    throw fault.unavailable(
      'No backup was made here yet, so none was tried: ./pocketcoder backup FILE, then drill.',
    );
  const last = { at: new Date().toISOString(), file: resolve(name) };
  try {
    await beside(instance, report, last.file);
    keepLast(instance.home, 'drill', last);
  } catch (error) {
    if (error instanceof Fault && error.exit === 'failed')
      keepLast(instance.home, 'drill', { ...last, why: error.message.split('\n')[0] ?? '' });
    throw error;
  }
}
