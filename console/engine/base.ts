/** The base image of all others: pulled by digest, made by debootstrap where nothing can be pulled, or named by the person. */
import { spawn } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { messageOf } from '../../ledger/src/retry.ts';
import { fault } from '../fault.ts';
import type { Report } from '../report.ts';
import { finished, unless } from './engine.ts';
import { run } from './program.ts';

/** The manifest list of debian:bookworm-slim, so each processor gets its own image of the same release. */
const pulled = 'debian@sha256:96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716';
const made = 'pocketcoder/base:bookworm';

export type Base = { ref: string; id: string };

/** The base image that is there already, or null. `POCKETCODER_BASE` names another than the usual ones. */
export async function findBase(docker: Docker, env: NodeJS.ProcessEnv = process.env): Promise<Base | null> {
  const named = env['POCKETCODER_BASE'];
  for (const ref of named ? [named] : [pulled, made]) {
    const image = await docker.getImage(ref).inspect().catch(unless(404));
    if (image) return { ref, id: image.Id };
  }
  return null;
}

/** apt's sources in the made image: what Debian's own image has. */
const sources = ['', '-updates']
  .map((suite) => `deb http://deb.debian.org/debian bookworm${suite} main\n`)
  .concat('deb http://deb.debian.org/debian-security bookworm-security main\n')
  .join('');

async function debootstrap(docker: Docker, report: Report): Promise<void> {
  const tree = join(tmpdir(), `pocketcoder-base-${process.pid}`);
  try {
    if (!existsSync('/usr/sbin/debootstrap')) {
      report.progress('installing debootstrap');
      await run('apt-get', ['update', '-q'], report);
      await run('apt-get', ['install', '-qy', '--no-install-recommends', 'debootstrap'], report);
    }
    report.progress('making a Debian base image with debootstrap (one to two minutes)');
    await run('/usr/sbin/debootstrap', ['--variant=minbase', 'bookworm', tree], report);
    writeFileSync(join(tree, 'etc/apt/sources.list'), sources);
    for (const waste of ['var/cache/apt', 'var/lib/apt/lists'])
      rmSync(join(tree, waste), { recursive: true, force: true });
    const tar = spawn('tar', ['-C', tree, '--numeric-owner', '--one-file-system', '-c', '.'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [repo, tag] = made.split(':');
    await finished(docker, await docker.importImage(tar.stdout, { repo, tag }));
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** Finds the base image or gets one. Throws a Fault that says what to do where neither way is open. */
export async function ensureBase(docker: Docker, report: Report): Promise<Base> {
  const there = await findBase(docker);
  if (there) return there;
  const named = process.env['POCKETCODER_BASE'];
  report.progress(`pulling ${named ?? pulled}`);
  const pull = async () => finished(docker, await docker.pull(named ?? pulled));
  const why = await pull().then(() => '', messageOf);
  if (why && !named && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    report.progress(`not to be pulled here: ${why}`);
    await debootstrap(docker, report);
  }
  const base = await findBase(docker);
  if (base) return base;
  throw fault.unavailable(
    `The base image ${named ?? pulled} is not there and could not be pulled: ${why}. Nothing was built. ` +
      'Set POCKETCODER_BASE to a Debian 12 image that this engine has, or run this once as root on Debian.',
  );
}
