/** Which containers are kept: never less than what is open, never more than what somebody may come back to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeUse } from '../../sandbox/src/use.ts';

const hour = 3_600_000;
const a = { task: 'a', workspace: 'w' };
const b = { task: 'b', workspace: 'w' };
const other = { task: 'c', workspace: 'v' };

test('a task is over once another of its workspace has begun, and idle after an hour; open actions keep both', () => {
  const use = makeUse();
  use.seen(a, 0);
  use.seen(other, 0);
  assert.equal(use.of(a, false, hour), 'kept');
  assert.equal(use.of(a, false, hour + 1), 'idle');
  assert.equal(use.of(a, true, 10 * hour), 'kept');
  use.seen(b, 10);
  assert.equal(use.of(a, false, 20), 'ended');
  assert.equal(use.of(a, true, 20), 'kept');
  assert.deepEqual([use.of(b, false, 20), use.of(other, false, 20)], ['kept', 'kept']);
  use.seen(a, 30); // what ends in the old task does not make it the newest
  assert.deepEqual([use.of(a, false, 40), use.of(b, false, 40)], ['ended', 'kept']);
  use.seen(b, hour);
  assert.equal(use.of(b, false, 2 * hour), 'kept');
});

test('what the ledger never heard of is idle, and keeps what it has written', () => {
  assert.equal(makeUse().of(a, false, 2 * hour), 'idle');
});
