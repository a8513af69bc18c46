/** Which containers are kept: never less than what is open, never more than what somebody may come back to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeUse } from '../../sandbox/src/use.ts';

const hour = 3_600_000;
const [a, b] = [{ task: 'a' }, { task: 'b' }];

test('each task of a workspace keeps its container until an hour after its last action; open actions keep it', () => {
  const use = makeUse();
  use.seen(a, 0);
  use.seen(b, 10);
  assert.deepEqual([use.of(a, false, hour), use.of(b, false, hour)], ['kept', 'kept'], 'side by side');
  assert.deepEqual([use.of(a, false, hour + 1), use.of(b, false, hour + 1)], ['idle', 'kept']);
  assert.equal(use.of(a, true, 10 * hour), 'kept');
  use.seen(a, hour);
  use.seen(a, 30); // what comes late makes it no older
  assert.equal(use.of(a, false, 2 * hour), 'kept');
});

test('what the ledger never heard of is not known, and keeps what it has written', () => {
  assert.equal(makeUse().of(a, false, 2 * hour), 'unknown');
});
