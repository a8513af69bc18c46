/** The first phase: an engine that answers. On Debian as root it is installed and started; elsewhere the way is said. */
import { spawn } from 'node:child_process';
import { existsSync, globSync, openSync, readFileSync, rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { fault } from '../fault.ts';
import type { Report } from '../report.ts';
import { ask, type Engine } from './engine.ts';
import { fitnessOf } from './fitness.ts';
import { run } from './program.ts';

const install =
  'sudo apt-get update && sudo apt-get install -y --no-install-recommends docker.io iptables && ' +
  'sudo usermod -aG docker $USER';

/** An engine that was killed leaves its pid file, and the next one refuses to start while it names anything alive. */
function removeStalePid(path = '/var/run/docker.pid'): void {
  if (!existsSync(path)) return;
  const command = `/proc/${readFileSync(path, 'utf8').trim()}/comm`;
  if (!existsSync(command) || readFileSync(command, 'utf8').trim() !== 'dockerd') rmSync(path);
}

async function startEngine(home: string, report: Report): Promise<void> {
  report.progress('starting the Docker engine');
  if (existsSync('/run/systemd/system')) {
    await run('systemctl', ['enable', '--now', 'docker'], report);
    return;
  }
  removeStalePid();
  const log = openSync(join(home, 'dockerd.log'), 'a');
  spawn('dockerd', { detached: true, stdio: ['ignore', log, log] }).unref();
}

/** Where engines listen that are not root's own: people's rootless ones, Docker Desktop's, that of a snap. */
const others = [
  'run/user/*/docker.sock',
  '{home/*,root}/.docker/{run,desktop}/docker.sock',
  'var/snap/docker/*/{,run/}docker.sock',
];

/** The socket of an engine that answers elsewhere; `root` is where to look for one. */
export async function engineElsewhere(root = '/'): Promise<string | undefined> {
  for (const socketPath of globSync(others, { cwd: root }).map((name) => join(root, name)))
    if ((await ask({ docker: new Docker({ socketPath, timeout: 5000 }) })) === 'up') return socketPath;
  return undefined;
}

/**
 * Throws a Fault unless an engine answers on which PocketCoder runs: `unavailable` without one, `noPermission` when its socket may
 * not be opened, `config` for one that is unfit.
 */
export async function ensureDocker(engine: Engine, home: string, report: Report): Promise<void> {
  await ensureAnswer(engine, home, report);
  const { version, refusal, lacks } = await fitnessOf(engine.docker);
  if (refusal) throw fault.config(`${refusal}. Nothing was started.`);
  for (const line of [`engine ${version} at ${engine.host}${engine.by && `, by ${engine.by}`}`, ...lacks])
    report.progress(line);
}

async function ensureAnswer(engine: Engine, home: string, report: Report): Promise<void> {
  const state = await ask(engine);
  if (state === 'up') return;
  const me = userInfo().username;
  if (state === 'denied')
    throw fault.noPermission(
      `${me} may not open Docker's socket (${engine.host}). Nothing was started. Run this, sign in again, then ` +
        `start again:\n  sudo usermod -aG docker ${me}`,
    );
  const mayInstall =
    process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (engine.by || !mayInstall)
    throw fault.unavailable(
      `No Docker engine answers at ${engine.host}. Nothing was started. ${
        engine.by
          ? `Start it, or choose another: it is chosen by ${engine.by}.`
          : process.platform === 'darwin'
            ? 'Install and start Docker Desktop, then start again.'
            : `Start it (sudo systemctl start docker), or install it:\n  ${install}`
      }`,
    );
  const elsewhere = await engineElsewhere();
  if (elsewhere)
    throw fault.unavailable(
      `No Docker engine answers at ${engine.host}, but one does at ${elsewhere}. Nothing was installed or started, for a second ` +
        `would take its networks away. Use that one, or start the other yourself:\n  DOCKER_HOST=unix://${elsewhere} ./pocketcoder start`,
    );
  if (!existsSync('/usr/sbin/dockerd')) {
    report.progress('installing Docker');
    await run('apt-get', ['update', '-q'], report);
    await run('apt-get', ['install', '-qy', '--no-install-recommends', 'docker.io', 'iptables'], report);
  }
  if ((await ask(engine)) !== 'up') await startEngine(home, report);
  for (let tries = 0; (await ask(engine)) !== 'up'; tries++) {
    if (tries > 120)
      throw fault.temporary(
        `Docker was started but does not answer after 30 s: its log is ${join(home, 'dockerd.log')}. Nothing else was done.`,
      );
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
