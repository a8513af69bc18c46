/** The small worlds walked in the time of a test: nothing that the rules take breaks the promise of docs/approvals.md. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import { mutated } from '../mutants/mutant.ts';
import { ruleMutants } from './mutants.ts';
import { counterexample } from './print.ts';
import { walk } from './walk.ts';
import { worlds } from './worlds.ts';

let states = 0;

function hold(attack?: number): void {
  for (const world of worlds.filter((one) => one.attack === attack)) {
    const seen = walk(world, world.most, world.enough);
    assert.equal(counterexample(world, seen), '');
    for (const kind of world.reaches) assert.ok(seen.kinds.get(kind), `${world.name}: no chain has ${kind}`);
    states += seen.states;
  }
}

test('what begins was answered as the policy asks, in time, after the last denial, freeze and loss', () =>
  hold());

test('attack-34 in every chain of small worlds a lease, a plan or reads let begin what they say, while they stand', () =>
  hold(34));

test('attack-38 in every chain of small worlds the network opens by a signed answer to a card of its own alone', () =>
  hold(38));

test('attack-45 in every chain of small worlds a message decides what it asks for itself, once, and nothing else', () =>
  hold(45));

test('a million positions were walked', () => assert.ok(states >= 1_000_000, `${states} positions`));

test('every mutant of the rules finds its place', () => {
  for (const { takesOut, module, find, replace } of ruleMutants) {
    const text = readFileSync(join(checkout, 'ledger/rules', `${module}.cjs`), 'utf8');
    assert.doesNotThrow(() => mutated(text, [{ find, replace }]), `${module}: ${takesOut}`);
  }
});
