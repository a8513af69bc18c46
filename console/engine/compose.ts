/** Docker Compose: the machine's own plugin, else its release, kept in the state directory. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkout } from '../instance/paths.ts';
import type { Report } from '../report.ts';
import type { Engine } from './engine.ts';
import { ensureImage, fileOf } from './images.ts';
import { run } from './program.ts';

/** Runs compose with these arguments on this instance's project. */
export type Compose = (args: readonly string[], report: Pick<Report, 'progress'>) => Promise<string>;

/** Not the snap's: its command line may not read the state directory. */
const plugin = 'case $(command -v docker) in */snap/*) exit 1 ;; *) docker compose version --short ;; esac';
const hasPlugin = (): Promise<boolean> =>
  promisify(execFile)('sh', ['-c', plugin], { timeout: 10_000 }).then(
    ({ stdout }) => Number.parseInt(stdout.replace(/^v/, ''), 10) >= 2,
    () => false,
  );

const ownIn = (home: string): string => join(home, 'bin', 'docker-compose-v5.6.1');

/** Which compose a start would use; '' where it would have to build one first. */
export const composeOf = async (home: string): Promise<string> =>
  existsSync(ownIn(home)) ? 'its release, v5.6.1' : (await hasPlugin()) ? "Docker's own plugin" : '';

/** Finds compose or makes it; `home` is where it is kept. */
export async function ensureCompose(engine: Engine, home: string, report: Report): Promise<Compose> {
  const own = ownIn(home);
  if (!existsSync(own) && !(await hasPlugin())) {
    report.progress('this Docker has no compose: fetching it, once');
    const image = await ensureImage('compose', engine.docker, report);
    mkdirSync(join(home, 'bin'), { recursive: true });
    writeFileSync(`${own}.new`, await fileOf(engine.docker, image, '/docker-compose'), { mode: 0o755 });
    renameSync(`${own}.new`, own);
  }
  return findCompose(engine, home);
}

/** Compose as it is there already; for commands after the first start. */
export async function findCompose(engine: Engine, home: string): Promise<Compose> {
  const own = ownIn(home);
  const [file, first] = existsSync(own) ? ([own, []] as const) : (['docker', ['compose']] as const);
  const common = ['--file', join(checkout, 'docker-compose.yml'), '--env-file', join(home, 'compose.env')];
  const env = { DOCKER_HOST: engine.host, COMPOSE_ANSI: 'never', COMPOSE_PROGRESS: 'quiet' };
  return (args, report) => run(file, [...first, ...common, ...args], report, env);
}
