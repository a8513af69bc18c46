/** The attack tests that stand in the tree, by reading it. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkout } from '../../console/instance/paths.ts';
import { attackOf } from './list.ts';

export type Standing = { file: string; name: string; number: number };

/** Every test named attack-NN, in the order of files and lines. @returns paths relative to the checkout */
export function attackTests(): Standing[] {
  return globSync('test/{unit,model,integration,connection,adversary,chaos}/**/*.test.ts', { cwd: checkout })
    .sort()
    .flatMap((file) =>
      [...readFileSync(join(checkout, file), 'utf8').matchAll(/^test\('(attack-\d\d [^']+)'/gm)].flatMap(
        ([, name = '']) => {
          const number = attackOf(name);
          return number === undefined ? [] : [{ file, name, number }];
        },
      ),
    );
}
