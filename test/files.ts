/** Runs test files through Node's own runner, with one last line of its counts. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { checkout } from '../console/instance/paths.ts';
import { keptVariable } from './harness/instance.ts';
import { together } from './together.ts';

type Counts = { passed: number; failed: number; skipped: number };

type Group = { folders: readonly string[]; concurrency: number; again?: true; together?: true };
/**
 * Whatever starts containers mostly waits: for them, for a homeserver, for a time to be over. So two of those files run at a
 * time; everything that they make has a name, a port and addresses of its own. Folders with long files come first.
 */
const groups: readonly Group[] = [
  { folders: ['model', 'unit'], concurrency: 2, together: true },
  { folders: ['element', 'integration', 'connection', 'adversary'], concurrency: 2, again: true },
];
/** They hold to a time by the clock, which a file beside them would lengthen. */
const alone = /\/(integration\/(egress-ends|ledger-live|setup-start)|element\/day)\.test\.ts$/;
/** They mostly wait for a time to be over, with the machine at rest: one at a time of them is a third beside the two. */
const patient = /\/(integration\/care-(metrics|outages)|adversary\/late)\.test\.ts$/;

/** The ports that an instance takes first where they are free. */
const usual = [443, 8443, 80, 8080, 8008, 8090];

/**
 * Holds those, for as long as files run side by side: each instance then has ports that the kernel chose, and one that is stopped
 * and started again finds its own as it left them. What is taken, or not ours to take, is left.
 */
async function holdUsual(): Promise<() => void> {
  const addresses = Object.values(networkInterfaces())
    .flatMap((some) => some ?? [])
    .filter(({ family }) => family === 'IPv4')
    .map(({ address }) => address);
  const servers = addresses.flatMap((host) =>
    usual.map((port) => ({ server: createServer(), where: { host, port } })),
  );
  const held = await Promise.allSettled(
    servers.map(({ server, where }) => once(server.listen(where).unref(), 'listening').then(() => server)),
  );
  return () => {
    for (const one of held) if (one.status === 'fulfilled') one.value.close();
  };
}
/** What is built before the tests of a folder, with no limit of time. */
const builds: Record<string, string> = { element: 'test/element/build.ts' };

/** Once its tests are over a file ends, whatever it left open; one that hangs in a test ends here. In milliseconds. */
const longestFile = 600_000;
/** For the process of each test file. */
export const fileArguments = ['--import', join(checkout, 'test/harness/end.ts')];

/** What came of each file, and each failure in short: the whole of it stands far above. */
type Ran = { counts: Map<string, Counts>; failures: Map<string, string[]> };
/** Of one that a helper of the file's defines, `file` is the helper's. */
type Of = { file?: string | undefined; entryFile?: string };
const fileOf = ({ file = '', entryFile = file }: Of): string => entryFile;
const none = (): Counts => ({ passed: 0, failed: 0, skipped: 0 });
const seconds = new Map<string, number>();

async function runFiles(
  files: readonly string[],
  concurrency: number,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<Ran> {
  const ran: Ran = { counts: new Map(files.map((file) => [file, none()])), failures: new Map() };
  const countsOf = (file: string): Counts => {
    const counts = ran.counts.get(file) ?? none();
    ran.counts.set(file, counts);
    return counts;
  };
  const stream = run({ files: [...files], concurrency, timeout: longestFile, execArgv: fileArguments });
  stream.on('test:pass', ({ skip, todo, details, ...of }) => {
    if (details.type !== 'suite') countsOf(fileOf(of))[(skip ?? todo) === undefined ? 'passed' : 'skipped']++;
  });
  stream.on('test:fail', ({ name, details: { type, error }, ...of }) => {
    const file = fileOf(of);
    if (type !== 'suite') countsOf(file).failed++;
    const why =
      error.cause instanceof Error ? (error.cause.stack ?? '') : String(error.cause ?? error.message);
    const failure = `${relative(checkout, of.file ?? file)}: ${name}\n${why.slice(0, 1500).replaceAll(/^/gm, '  ')}`;
    ran.failures.set(file, [...(ran.failures.get(file) ?? []), failure]);
  });
  stream.on('test:summary', ({ file, duration_ms }) => {
    if (file !== undefined) seconds.set(relative(checkout, file), Math.round(duration_ms / 1000));
  });
  for await (const text of stream.compose(spec)) write(text as string);
  return ran;
}

/** Runs files side by side, with the patient ones beside them: what those say stands below the others. */
async function runBeside(files: readonly string[], concurrency: number): Promise<Ran> {
  const [waiting, busy] = [true, false].map((is) => files.filter((file) => patient.test(file) === is));
  const said: string[] = [];
  const [ran, beside] = await Promise.all([
    runFiles(busy ?? [], concurrency),
    runFiles(waiting ?? [], 1, (text) => said.push(text)),
  ]);
  process.stdout.write(said.join(''));
  return {
    counts: new Map([...ran.counts, ...beside.counts]),
    failures: new Map([...ran.failures, ...beside.failures]),
  };
}

/** More files than these fail for a reason of their own. */
const mostAgain = 3;

/**
 * What failed with another file beside it is run once more by itself: on two cores, or on a machine that others use as well, it
 * may have waited for what had no turn. It counts as it ends then, and how it failed at first is told all the same.
 * @returns what failed at first alone
 */
async function runAgain(first: Ran): Promise<string[]> {
  const files = [...first.failures.keys()].filter((file) => first.counts.has(file));
  if (files.length === 0 || files.length > mostAgain) return [];
  process.stdout.write(`\nOnce more, alone: ${files.map((file) => relative(checkout, file)).join(', ')}\n`);
  const again = await runFiles(files, 1);
  const at = files.flatMap((file) => (again.failures.has(file) ? [] : (first.failures.get(file) ?? [])));
  for (const file of files) {
    first.counts.set(file, again.counts.get(file) ?? none());
    first.failures.delete(file);
    const failures = again.failures.get(file);
    if (failures) first.failures.set(file, failures);
  }
  return at;
}

/** Runs the named test files, or all of them. @returns whether some ran and none failed */
export async function runTests(words: readonly string[]): Promise<boolean> {
  const named = words.map((word) => resolve(word));
  const filesOf = (folder: string) =>
    globSync(`test/${folder}/**/*.test.ts`, { cwd: checkout })
      .map((file) => join(checkout, file))
      .filter((file) => named.length === 0 || named.includes(file))
      .sort();
  const total = none();
  const [failures, atFirst]: [string[], string[]] = [[], []];
  const kept = mkdtempSync(join(tmpdir(), 'pocketcoder-kept-'));
  process.env[keptVariable] = kept;
  try {
    for (const { folders, concurrency, again, together: share } of groups) {
      const own = folders.flatMap(filesOf);
      if (own.length === 0) continue;
      const files = share && own.length > 2 ? together(own, kept, 2 * concurrency) : own;
      // Where it fails, the tests that need it say so.
      for (const [folder, program] of Object.entries(builds))
        if (folders.includes(folder) && filesOf(folder).length > 0)
          spawnSync(process.execPath, [join(checkout, program)], { stdio: 'inherit' });
      const isAlone = (file: string) => alone.test(file);
      for (const [some, at] of [
        [files.filter((file) => !isAlone(file)), concurrency],
        [files.filter(isAlone), 1],
      ] as const) {
        if (some.length === 0) continue;
        const release = at > 1 ? await holdUsual() : () => {};
        const ran = await (at > 1 ? runBeside(some, at) : runFiles(some, at)).finally(release);
        if (again && at > 1 && named.length === 0) atFirst.push(...(await runAgain(ran)));
        for (const counts of ran.counts.values())
          for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += counts[key];
        failures.push(...[...ran.failures.values()].flat());
      }
    }
  } finally {
    rmSync(kept, { recursive: true, force: true });
  }
  const longest = [...seconds].sort(([, a], [, b]) => b - a).slice(0, 25);
  if (named.length === 0)
    process.stdout.write(`${longest.map(([file, s]) => `${s} s ${file}`).join('\n')}\n`);
  if (atFirst.length > 0)
    process.stdout.write(`\nFailed beside another file, passed alone:\n${atFirst.join('\n')}\n`);
  if (failures.length > 0) process.stdout.write(`\nFailed:\n${failures.join('\n')}\n`);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
  if (total.passed + total.failed === 0) process.stderr.write('No test ran.\n');
  return total.failed === 0 && total.passed > 0;
}
