/**
 * `node test/adversary/assurance.ts`: runs every attack test and writes docs/assurance.md from what happened. A guarantee
 * is proven when all its tests passed and list.ts names nothing open; partial when something is open; failed when a
 * test failed; missing when there is none. Exits 1 where a test failed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import { fileArguments } from '../files.ts';
import { type Attack, attacks } from './list.ts';
import { attackTests, type Standing } from './tree.ts';

/** From file and test name to whether it passed. */
export type Results = ReadonlyMap<string, boolean>;
const keyOf = ({ file, name }: Pick<Standing, 'file' | 'name'>): string => `${file} ${name}`;
const two = (n: number): string => String(n).padStart(2, '0');

function statusOf(attack: Attack, tests: readonly Standing[], results: Results): string {
  if (tests.length === 0) return 'missing';
  if (!tests.every((t) => results.get(keyOf(t)))) return '**failed**';
  return attack.state === 'tested' ? 'proven' : `partial: ${attack.open ?? 'not shown whole yet'}`;
}

/** The page, from results alone: no date and no duration, so the same results make the same bytes. */
export function assurancePage(results: Results): string {
  const standing = attackTests();
  const lines = attacks.map((attack) => {
    const tests = standing.filter((t) => t.number === attack.number);
    const files = [...new Set(tests.map((t) => `\`${t.file.replace(/^test\//, '')}\``))].join(', ');
    const status = statusOf(attack, tests, results);
    return `| ${two(attack.number)} | ${attack.attack} | ${attack.guarantee} | ${files || '–'} | ${status} |`;
  });
  const count = (start: string) => lines.filter((l) => l.includes(`| ${start}`)).length;
  return `# Assurance

Written by \`node test/adversary/assurance.ts\`, which runs the tests and reports what happened; not edited by hand. Each
test is named \`attack-NN\` and has its genuine twin. On the real parts the attack must end with nothing claimed and
nothing run, and the twin must run exactly once; a unit test shows the judgement alone.

${count('proven')} proven, ${count('partial')} partial, ${count('missing')} missing, ${count('**failed')} failed.

| # | attack | guarantee | tests (in \`test/\`) | status |
|---|---|---|---|---|
${lines.join('\n')}
`;
}

async function runAll(): Promise<Results> {
  const results = new Map<string, boolean>();
  const files = [...new Set(attackTests().map((t) => t.file))].map((file) => join(checkout, file));
  const stream = run({ files, concurrency: 1, execArgv: fileArguments });
  stream.on('test:pass', ({ name, file, skip, todo }) => {
    // What was skipped showed nothing.
    const ran = skip === undefined && todo === undefined;
    if (file) results.set(keyOf({ file: relative(checkout, file), name }), ran);
  });
  stream.on('test:fail', ({ name, file, details }) => {
    if (file) results.set(keyOf({ file: relative(checkout, file), name }), false);
    process.stderr.write(`failed: ${name}\n${String(details.error.cause ?? details.error)}\n`);
  });
  for await (const _ of stream);
  return results;
}

if (import.meta.main) {
  const page = assurancePage(await runAll());
  const path = join(checkout, 'docs/assurance.md');
  writeFileSync(path, page);
  process.stdout.write(`${/^\d+ proven.*$/m.exec(readFileSync(path, 'utf8'))?.[0]}\n`);
  process.exit(page.includes('**failed**') ? 1 : 0);
}
