/**
 * `npm run mutants`, or `npm run mutants -- 05 07`: each mutant takes one defence out of a copy of this tree; then the
 * attack of its number must turn red and every other one stay green. One that no longer finds its place is a failure.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { run } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import { attackOf, attacks } from '../adversary/list.ts';
import { attackTests } from '../adversary/tree.ts';
import { fileArguments } from '../files.ts';
import { together } from '../together.ts';
import { type Mutant, mutants, mutated } from './mutant.ts';

/** By number of attack; `broken` where something failed that is no test, a file that can't be loaded for one. */
type Seen = { red: Set<number>; green: Set<number>; broken: string[] };

/** Mutants at once, each in a copy of its own: much of a run waits for a time to be over. */
const workers = 3;

/** Attack tests that start no container: seconds, all of them. */
const quick = [...new Set(attackTests().map((t) => t.file))].filter(
  (file) => file.startsWith('test/unit/') || file.endsWith('/owner.test.ts'),
);

/** The tree as it stands, with what is not committed yet; the modules are the same files on the disk. */
function copyTree(): string {
  const copy = realpathSync(mkdtempSync(join(tmpdir(), 'mutants-')));
  const listed = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const files = execFileSync('git', listed, { cwd: checkout, encoding: 'utf8' }).split('\0').filter(Boolean);
  for (const file of files) {
    mkdirSync(join(copy, dirname(file)), { recursive: true });
    copyFileSync(join(checkout, file), join(copy, file));
  }
  // Hard links; the links of the workspaces are relative, so they lead to the copy.
  execFileSync('cp', ['-al', join(checkout, 'node_modules'), copy]);
  for (const name of ['@pocketcoder/ledger', '@matrix-org/matrix-sdk-crypto-nodejs'])
    if (!realpathSync(join(copy, 'node_modules', name)).startsWith(`${copy}/`))
      throw new Error(`${name} of the copy is not the copy's`);
  return copy;
}

async function seenIn(copy: string, files: readonly string[]): Promise<Seen> {
  const seen: Seen = { red: new Set(), green: new Set(), broken: [] };
  const own = files.map((file) => join(copy, file));
  const paths = files === quick ? together(own, copy, 2) : own;
  const stream = run({
    files: paths,
    testNamePatterns: [/^attack-/],
    concurrency: 2,
    cwd: copy,
    timeout: 600_000,
    execArgv: fileArguments,
  });
  stream.on('test:pass', ({ name }) => seen.green.add(attackOf(name) ?? 0));
  stream.on('test:fail', ({ name }) => {
    const number = attackOf(name);
    if (number !== undefined) seen.red.add(number);
    else if (paths.includes(name)) seen.broken.push(name);
  });
  for await (const _ of stream);
  for (const number of seen.red) seen.green.delete(number);
  return seen;
}

/** Why it counts as survived, or '' where it was killed. */
function survived({ number, also, file }: Mutant, { red, green, broken }: Seen): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const expected = [number, ...also];
  if (broken.length > 0) return `${broken.map((b) => basename(b)).join(', ')} did not run at all`;
  const missing = expected.filter((n) => !red.has(n)).map(two);
  if (missing.length > 0) return `attack ${missing.join(', ')} still ends well`;
  // Where the rules are mutated the verifier, which reads them for itself, may see by chance that the two differ.
  const more = [...red]
    .filter((n) => !expected.includes(n) && !(n === 81 && file.startsWith('ledger/rules/')))
    .map(two);
  if (more.length > 0) return `attack ${more.join(', ')} turned red too`;
  return green.size > 0 ? '' : 'no other test ran';
}

async function judge(copy: string, mutant: Mutant): Promise<string> {
  const file = join(copy, mutant.file);
  const before = readFileSync(file, 'utf8');
  try {
    writeFileSync(file, mutated(before, mutant.changes));
    return survived(mutant, await seenIn(copy, mutant.tests.length > 0 ? mutant.tests : quick));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    writeFileSync(file, before);
  }
}

const asked = process.argv.slice(2);
const chosen = mutants().filter(({ name }) => asked.length === 0 || asked.includes(name));
const first = copyTree();
const copies = [first, ...Array.from({ length: Math.min(workers, chosen.length) - 1 }, copyTree)];
process.once('exit', () => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
});
process.once('SIGINT', () => process.exit(130));

const began = performance.now();
const since = (from: number) => `${((performance.now() - from) / 1000).toFixed(1)} s`;
const whole = await seenIn(first, quick);
if (whole.red.size + whole.broken.length > 0) {
  console.log(`Unchanged, attack ${[...whole.red, ...whole.broken].join(', ')} is red: no mutant was tried.`);
  process.exit(1);
}
const left = [...chosen];
const again: Mutant[] = [];
let killed = 0;
async function work(copy: string, todo: Mutant[], isLast: boolean): Promise<void> {
  for (let mutant = todo.shift(); mutant; mutant = todo.shift()) {
    const from = performance.now();
    const why = await judge(copy, mutant);
    if (!why) killed++;
    else if (!isLast) again.push(mutant);
    const end = why ? `${isLast ? 'SURVIVED' : 'to be tried alone'}: ${why}` : 'killed';
    console.log(`${mutant.name} ${since(from).padStart(7)}  ${mutant.takesOut}: ${end}`);
  }
}
await Promise.all(copies.map((copy) => work(copy, left, copies.length === 1)));
// Beside others on two cores a test may fail that waited for what had no turn.
await work(first, again, true);
if (asked.length === 0) {
  const without = attacks.filter((a) => a.state !== 'planned' && !chosen.some((m) => m.number === a.number));
  if (without.length > 0)
    console.log(`tested, but without a mutant: ${without.map((a) => a.number).join(' ')}`);
}
console.log(`${killed} killed, ${chosen.length - killed} survived in ${since(began)}`);
process.exit(killed === chosen.length && killed > 0 ? 0 : 1);
