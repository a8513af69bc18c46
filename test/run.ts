/**
 * The developers' commands: `npm test`, `npm run demo`, `forge`, `projects`, `chaos`, `conformance`, `mutants`, `bench`. The launcher
 * hands their words over to this program; they are none of the user's.
 */
import { join } from 'node:path';
import { runTests } from './files.ts';
import { outliveReader } from './outlive.ts';

const benches = [
  'tap',
  'pair',
  'decide',
  'card',
  'cards',
  'growth',
  'undo',
  'idle',
  'many',
  'servers',
  'audit',
  'stream',
];
const [command = '', ...words] = process.argv.slice(2);

/** One of our programs, with its own words behind it. */
async function runProgram(path: string, own: readonly string[]): Promise<void> {
  process.argv.splice(1, process.argv.length, join(import.meta.dirname, path), ...own);
  await import(`./${path}`);
}

function usage(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 64;
}

outliveReader();
if (command === 'test') process.exitCode = (await runTests(words)) ? 0 : 1;
else if (command === 'demo') await runProgram('demo/demo.ts', words);
else if (command === 'forge') await runProgram('forge/forge.ts', words);
else if (command === 'projects') await runProgram('projects/run.ts', words);
else if (command === 'chaos') await runProgram('chaos/run.ts', words);
else if (command === 'conformance') await runProgram('conformance/run.ts', words);
else if (command === 'mutants') await runProgram('mutants/run.ts', words);
else if (command === 'bench' && benches.includes(words[0] ?? ''))
  await runProgram(`bench/${words[0]}.ts`, words.slice(1));
else usage(`bench takes the name of a measurement: ${benches.join(', ')}. Nothing was measured.`);
