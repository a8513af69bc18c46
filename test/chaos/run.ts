/**
 * `npm run chaos -- --rounds 1000 [--seed N]`: random stories on real parts, one of which is killed at a random moment in each round.
 * What was approved has an end that the room tells, and its mark stands in the sandbox once. A seed plays the same rounds again, as
 * far as the machine's own order of things allows.
 */
import { parseArgs } from 'node:util';
import { roundsOf } from './plan.ts';
import { race, startRace, unfair } from './races.ts';
import { type Outcome, type Played, playRounds } from './rounds.ts';
import { storyText, tableOf } from './table.ts';

/** A world's room and chain grow, and with them what each look costs; so it has so many rounds at most. */
const perWorld = 50;

const { values } = parseArgs({ options: { rounds: { type: 'string' }, seed: { type: 'string' } } });
const count = Number(values.rounds ?? 1000);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (!Number.isInteger(count) || count < 1 || !Number.isInteger(seed)) {
  process.stderr.write('chaos takes --rounds and --seed, both whole numbers. Nothing was started.\n');
  process.exit(64);
}
console.log(`chaos: ${count} rounds, seed ${seed}`);
const rounds = roundsOf(seed, count);
const all: Outcome = { rounds: [], lost: [], twice: [], late: [], audit: '' };
const note = (played: Played) => {
  if (played.stories.some(({ lost }) => lost)) console.log(storyText(played));
};
for (let from = 0; from < count; from += perWorld) {
  const one = await playRounds(seed + from, rounds.slice(from, from + perWorld), note);
  all.rounds.push(...one.rounds);
  for (const what of ['lost', 'twice', 'late'] as const) all[what].push(...one[what]);
  all.audit ||= one.audit;
  console.log(`${all.rounds.length} rounds: ${all.lost.length} lost, ${all.twice.length} twice`);
}
console.log(tableOf(all));
const server = await startRace();
const raced = await race(server, count, seed).finally(server.stop);
const { actions, refused, crashes } = raced;
const well = actions.filter(({ kinds }) => kinds.at(-1) === 'succeeded').length;
console.log(
  `${actions.length} races of two executors, ${refused} claims refused, ${crashes} crashes: succeeded ${well}, unknown ${actions.length - well}, not one claim and one run ${unfair(raced).length}`,
);
const faults = [...all.lost, ...all.twice, ...all.late, all.audit, ...unfair(raced)].filter(Boolean);
for (const fault of faults) console.log(fault);
process.exit(faults.length === 0 ? 0 : 1);
