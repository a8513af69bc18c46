/** Docker Compose: the machine's own plugin, else its release, kept in the state directory. */
import { execFile } from 'node:child_process';
import { existsSync, globSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkout } from '../instance/paths.ts';
import type { Report } from '../report.ts';
import type { Engine } from './engine.ts';
import { ensureImage, fileOf } from './images.ts';
import { run } from './program.ts';

/** Runs compose with these arguments on this instance's project. */
export type Compose = (args: readonly string[], report: Pick<Report, 'progress'>) => Promise<string>;

async function hasPlugin(): Promise<boolean> {
  try {
    const { stdout } = await promisify(execFile)('docker', ['compose', 'version', '--short'], {
      timeout: 10_000,
    });
    return Number.parseInt(stdout.replace(/^v/, ''), 10) >= 2;
  } catch {
    return false;
  }
}

const ownIn = (home: string): string => join(home, 'bin', 'docker-compose-v5.6.1');

/** Which compose a start would use; '' where it would have to build one first. */
export const composeOf = async (home: string): Promise<string> =>
  existsSync(ownIn(home)) ? 'its release, v5.6.1' : (await hasPlugin()) ? "Docker's own plugin" : '';

/** Finds compose or makes it; `home` is where it is kept. */
export async function ensureCompose(engine: Engine, home: string, report: Report): Promise<Compose> {
  const own = ownIn(home);
  const plugin = !existsSync(own) && (await hasPlugin());
  if (!plugin && !existsSync(own)) {
    report.progress('this Docker has no compose: fetching it, once');
    const image = await ensureImage('compose', engine.docker, report);
    mkdirSync(join(home, 'bin'), { recursive: true });
    const half = join(home, 'bin', 'compose.new');
    writeFileSync(half, await fileOf(engine.docker, image, '/docker-compose'), { mode: 0o755 });
    renameSync(half, own);
  }
  return composeAt(engine, home, plugin ? null : own);
}

/** Compose as it is there already, be it an earlier release's; for commands after the first start. */
export async function findCompose(engine: Engine, home: string): Promise<Compose> {
  const [last] = globSync('bin/docker-compose-v*', { cwd: home }).toSorted().reverse();
  return composeAt(engine, home, last ? join(home, last) : null);
}

function composeAt(engine: Engine, home: string, own: string | null): Compose {
  const common = ['--file', join(checkout, 'docker-compose.yml'), '--env-file', join(home, 'compose.env')];
  const env = { DOCKER_HOST: engine.host, COMPOSE_ANSI: 'never', COMPOSE_PROGRESS: 'quiet' };
  return (args, report) =>
    own
      ? run(own, [...common, ...args], report, env)
      : run('docker', ['compose', ...common, ...args], report, env);
}
