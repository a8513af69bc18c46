/**
 * `npm run model`: walks the small worlds and holds every chain that the rules take against the promise of docs/approvals.md.
 * `-- --between 3` lets so many things come in between in each world, `--states 1000000` ends each world's walk there,
 * `--world lease` walks those of that name, `--first` ends with the first counterexample, `--mutants` takes the rules out one by one.
 */
import { parseArgs } from 'node:util';
import { killMutants } from './kill.ts';
import { counterexample } from './print.ts';
import { walk } from './walk.ts';
import { worlds } from './worlds.ts';

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const { values } = parseArgs({
  options: { between: text, states: text, world: text, first: flag, mutants: flag },
});
const seconds = (): string => `${(process.cpuUsage().user / 1e6).toFixed(1)} s of a core`;
const asked = (word: string | undefined): number | undefined =>
  word === undefined ? undefined : Number(word);

function walkAll(): number {
  let total = 0;
  let failed = 0;
  for (const world of worlds.filter(({ name }) => name.includes(values.world ?? ''))) {
    const seen = walk(world, asked(values.between), asked(values.states));
    total += seen.states;
    const bound =
      seen.between < 0 ? 'some with nothing in between' : `all with up to ${seen.between} things in between`;
    console.log(`${String(seen.states).padStart(8)} states, ${seen.depth} deep, ${bound}: ${world.name}`);
    const chain = counterexample(world, seen);
    if (!chain) continue;
    failed++;
    console.log(`\n${chain}\n`);
    if (values.first) break;
  }
  console.log(`${total} states in ${seconds()}, ${failed} counterexamples`);
  return failed;
}

const enough = ['--states', values.states ?? '100000'];
process.exitCode = (values.mutants ? killMutants(enough) : walkAll()) > 0 ? 1 : 0;
