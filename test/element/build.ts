/**
 * Builds the phone with Element X's engine where a current cargo is found. The result is kept outside of the checkout, under
 * a name made of what it was built from, so that a build of some minutes happens once.
 *
 * By itself (`node test/element/build.ts`) it says in one sentence what there is now.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { alone } from '../../console/instance/alone.ts';
import { until } from '../harness/wait.ts';

/** The program's path, or a sentence that says why it cannot be built here. */
export type Program = { path: string } | { missing: string };

const here = import.meta.dirname;
const manifest = readFileSync(join(here, 'Cargo.toml'), 'utf8');
const name = 'element-phone';
/** Seconds for whoever waits for another run's build, on a machine that never built it and has other work. */
const patience = 1800;

function keyOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(join(here, file)));
  return hash.digest('hex').slice(0, 16);
}

/** Whether version `a.b.c` is at least `b`, number by number. */
function isAtLeast(a: string, b: string): boolean {
  return a.localeCompare(b, 'en', { numeric: true }) >= 0;
}

/** The first cargo on the path, or where rustup puts it. */
function findCargo(): { cargo: string; version: string } | undefined {
  for (const cargo of ['cargo', join(homedir(), '.cargo/bin/cargo')]) {
    const version = /^cargo (\d+\.\d+\.\d+)/.exec(
      spawnSync(cargo, ['--version'], { encoding: 'utf8' }).stdout ?? '',
    )?.[1];
    if (version) return { cargo, version };
  }
  return undefined;
}

/** Builds it, unless that was done. Others that want it meanwhile wait. @throws Error with cargo's words where it does not compile */
export async function buildPhone(say: (text: string) => void = () => {}): Promise<Program> {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'pocketcoder/element');
  const files = ['Cargo.toml', 'Cargo.lock', ...globSync('src/**/*.rs', { cwd: here }).sort()];
  const path = join(cache, `${name}-${keyOf(files)}`);
  if (existsSync(path)) return { path };

  const needed = /^rust-version = "(.*)"$/m.exec(manifest)?.[1] ?? '';
  const found = findCargo();
  if (!found)
    return {
      missing: `there is no cargo on this machine, and it takes Rust ${needed} to build Element X's engine`,
    };
  if (!isAtLeast(found.version, needed))
    return {
      missing: `cargo ${found.version} is too old: it takes Rust ${needed} to build Element X's engine`,
    };

  function build(): { failed?: string } {
    if (existsSync(path)) return {};
    say(`Building Element X's engine with cargo ${found?.version}: some minutes, once.`);
    const target = join(cache, 'target');
    mkdirSync(target, { recursive: true });
    const { status } = spawnSync(found?.cargo ?? '', ['build', '--locked', '--quiet'], {
      cwd: here,
      env: { ...process.env, CARGO_TARGET_DIR: target },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (status !== 0) return { failed: `cargo build ended with ${status}` };
    // Under its name it is either whole or not there.
    copyFileSync(join(target, 'debug', name), `${path}.new`);
    renameSync(`${path}.new`, path);
    return {};
  }
  const { failed } = await until(
    'the build of the phone by another run',
    () => alone(cache, async () => build()),
    {
      seconds: patience,
      every: 1000,
    },
  );
  if (failed) throw new Error(failed);
  return { path };
}

if (import.meta.main) {
  const program = await buildPhone((text) => console.log(text));
  console.log(
    'path' in program
      ? "The phone with Element X's engine is built."
      : `Its stories are skipped: ${program.missing}.`,
  );
}
