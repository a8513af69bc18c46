/** Runs test files through Node's own runner, with one last line of its counts. */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { checkout } from '../console/instance/paths.ts';
import { keptVariable } from './harness/instance.ts';

type Counts = { passed: number; failed: number; skipped: number };

type Group = { folders: readonly string[]; concurrency: number };
/**
 * Whatever starts containers mostly waits: for them, for a homeserver, for a time to be over. So two of those files run at a
 * time; everything that they make has a name, a port and addresses of its own. Folders with long files come first.
 */
const groups: readonly Group[] = [
  { folders: ['model', 'unit'], concurrency: 2 },
  { folders: ['element', 'integration', 'connection', 'adversary'], concurrency: 2 },
];
/**
 * They hold to a time by the clock, which a file beside them would lengthen, or stop an instance and start it again: meanwhile
 * one beside them would be given its port.
 */
const alone =
  /\/(integration\/(egress-ends|ledger-live|setup-[a-z]+|care-doctor|reach-[a-z]+)|connection\/[a-z-]+|element\/day)\.test\.ts$/;
/** What is built before the tests of a folder, with no limit of time. */
const builds: Record<string, string> = { element: 'test/element/build.ts' };

/** Once its tests are over a file ends, whatever it left open; one that hangs in a test ends here. In milliseconds. */
const longestFile = 600_000;
/** For the process of each test file. */
export const fileArguments = ['--import', join(checkout, 'test/harness/end.ts')];

/** Each failure in short, by the file and the test's name: the whole of it stands far above. */
const failures: string[] = [];
const seconds = new Map<string, number>();

async function runFiles(files: readonly string[], concurrency: number): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const stream = run({ files: [...files], concurrency, timeout: longestFile, execArgv: fileArguments });
  // The runner says its counts once a file, and once for all of them: that one names no file.
  stream.on('test:fail', ({ file, name, details: { error } }) => {
    const why =
      error.cause instanceof Error ? (error.cause.stack ?? '') : String(error.cause ?? error.message);
    failures.push(
      `${relative(checkout, file ?? '')}: ${name}\n${why.slice(0, 1500).replaceAll(/^/gm, '  ')}`,
    );
  });
  stream.on('test:summary', ({ file, counts: all, duration_ms }) => {
    if (file !== undefined) seconds.set(relative(checkout, file), Math.round(duration_ms / 1000));
    if (file === undefined)
      Object.assign(counts, {
        passed: all.passed,
        failed: all.tests - all.passed - all.skipped - all.todo,
        skipped: all.skipped + all.todo,
      });
  });
  for await (const text of stream.compose(spec)) process.stdout.write(text as string);
  return counts;
}

/** Runs the named test files, or all of them. @returns whether some ran and none failed */
export async function runTests(words: readonly string[]): Promise<boolean> {
  const named = words.map((word) => resolve(word));
  const filesOf = (folder: string) =>
    globSync(`test/${folder}/**/*.test.ts`, { cwd: checkout })
      .map((file) => join(checkout, file))
      .filter((file) => named.length === 0 || named.includes(file))
      .sort();
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const kept = mkdtempSync(join(tmpdir(), 'pocketcoder-kept-'));
  process.env[keptVariable] = kept;
  try {
    for (const { folders, concurrency } of groups) {
      const files = folders.flatMap(filesOf);
      if (files.length === 0) continue;
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
        const counts = await runFiles(some, at);
        for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += counts[key];
      }
    }
  } finally {
    rmSync(kept, { recursive: true, force: true });
  }
  const longest = [...seconds].sort(([, a], [, b]) => b - a).slice(0, 25);
  if (named.length === 0)
    process.stdout.write(`${longest.map(([file, s]) => `${s} s ${file}`).join('\n')}\n`);
  if (failures.length > 0) process.stdout.write(`\n${failures.join('\n')}\n`);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
  if (total.passed + total.failed === 0) process.stderr.write('No test ran.\n');
  return total.failed === 0 && total.passed > 0;
}
