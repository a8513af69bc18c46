/**
 * `npm run model -- --mutants`: takes one rule after the other out of a copy of the tree, and says which chain the model then finds.
 * Ends badly where it finds none.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mutated } from '../mutants/mutant.ts';
import { ruleMutants } from './mutants.ts';

const tree = join(import.meta.dirname, '../..');

/** What the rules are, and what the model needs of the rest. */
function copied(): string {
  const copy = mkdtempSync(join(tmpdir(), 'model-'));
  for (const part of ['ledger', 'test/model', 'test/mutants', 'package.json'])
    cpSync(join(tree, part), join(copy, part), {
      recursive: true,
      filter: (path) => !path.includes('node_modules'),
    });
  symlinkSync(join(tree, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** @param words what the model's own program is told besides @returns how many survived */
export function killMutants(words: readonly string[]): number {
  const copy = copied();
  let survived = 0;
  try {
    for (const { takesOut, module, find, replace } of ruleMutants) {
      const file = join(copy, 'ledger/rules', `${module}.cjs`);
      const before = readFileSync(file, 'utf8');
      writeFileSync(file, mutated(before, [{ find, replace }]));
      const args = [...process.execArgv, join(copy, 'test/model/run.ts'), '--first', ...words];
      const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: copy });
      writeFileSync(file, before);
      const broken = /\n\n(.*: .*)\n/.exec(stdout)?.[1];
      if (!broken) survived++;
      console.log(`${module}: ${takesOut}: ${broken ? `killed. ${broken}` : 'SURVIVED'}`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  console.log(`${ruleMutants.length - survived} killed, ${survived} survived`);
  return survived;
}
