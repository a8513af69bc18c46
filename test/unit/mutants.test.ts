/** Each mutant finds its place: `npm run mutants` is run by hand, and what moved on is seen here. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import { attacks } from '../adversary/list.ts';
import { mutants, mutated } from '../mutants/mutant.ts';

test('every mutant changes its file, at places that are there exactly once', () => {
  assert.ok(mutants().length > 50);
  for (const { name, file, changes, takesOut } of mutants()) {
    const text = readFileSync(join(checkout, file), 'utf8');
    assert.doesNotThrow(
      () => assert.notEqual(mutated(text, changes), text),
      `${name} in ${file}: ${takesOut}`,
    );
  }
});

test('every mutant is of an attack that has a test', () => {
  for (const { name, number, takesOut } of mutants())
    assert.ok(takesOut && attacks.some((a) => a.number === number && a.state !== 'planned'), name);
});
