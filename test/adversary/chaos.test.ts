/** What runs is killed at any step, on real parts: nothing is lost, and nothing runs twice. `npm run chaos` is the long form. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roundsOf } from '../chaos/plan.ts';
import { type Outcome, playRounds } from '../chaos/rounds.ts';
import { storyText, tableOf } from '../chaos/table.ts';

/** With the rounds that went wrong, so that a seed and a story are there to begin with. */
const told = (seed: number, { rounds, ...outcome }: Outcome): string => {
  const wrong = rounds.filter(({ stories }) => stories.some(({ lost }) => lost));
  return [`seed ${seed}`, JSON.stringify(outcome), ...wrong.map(storyText)].join('\n');
};

test('attack-42 one part is killed at a random step in each of 40 rounds: what was approved ends once, told in the room, and is there again by itself', async () => {
  const seed = 7; // others are played by `npm run chaos`
  const outcome = await playRounds(seed, roundsOf(seed, 40), { kills: true });
  const { lost, twice, late, audit } = outcome;
  assert.deepEqual(
    { lost, twice, late, audit },
    { lost: [], twice: [], late: [], audit: '' },
    told(seed, outcome),
  );
  assert.ok(outcome.rounds.filter(({ up }) => up !== undefined).length >= 36, tableOf(outcome));
});

test('the twin: the same stories with nothing killed all succeed, each exactly once', async () => {
  const outcome = await playRounds(1, roundsOf(1, 10), { kills: false });
  const { lost, twice, audit } = outcome;
  assert.deepEqual({ lost, twice, audit }, { lost: [], twice: [], audit: '' }, told(1, outcome));
  const ends = outcome.rounds.flatMap(({ stories }) => stories.map(({ kinds }) => kinds.at(-1)));
  assert.ok(ends.length > 15 && ends.every((end) => end === 'succeeded'), ends.join(' '));
});
