/** The list, the tests in the tree and the published page say the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import { assurancePage } from './assurance.ts';
import { attacks } from './list.ts';
import { attackTests } from './tree.ts';

const standing = attackTests();

test('every attack that the list calls tested or partial has a test, and no planned one has', () => {
  for (const { number, state, open } of attacks) {
    const has = standing.some((t) => t.number === number);
    assert.equal(has, state !== 'planned', `attack ${number} is ${state} in test/adversary/list.ts`);
    assert.equal(
      open !== undefined,
      state === 'partial',
      `attack ${number}: what is open is named, or nothing is`,
    );
  }
});

test('the attacks of sessions, of what the person sees, and of devices have their tests', () => {
  const promised = (n: number) => n <= 29 || (n >= 45 && n <= 51);
  for (const { number, state } of attacks.filter((a) => promised(a.number)))
    assert.notEqual(state, 'planned', `attack ${number} has no test`);
});

test('no attack test is skipped, put off, or the only one that runs', () => {
  for (const file of new Set(standing.map((t) => t.file)))
    assert.doesNotMatch(readFileSync(join(checkout, file), 'utf8'), /\b(skip|todo|only)(\(|: )/, file);
});

test('the numbers are complete, each once, and every attack test has a row', () => {
  const numbers = attacks.map((a) => a.number);
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, i) => i + 1),
  );
  for (const { number, name } of standing) assert.ok(numbers.includes(number), name);
});

test('the published page is what a run in which everything passed writes', () => {
  const passed = new Map(standing.map((t) => [`${t.file} ${t.name}`, true]));
  const published = readFileSync(join(checkout, 'docs/assurance.md'), 'utf8');
  assert.equal(published, assurancePage(passed), 'run: node test/adversary/assurance.ts');
});
