import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBook } from '../../bot/src/approval/view.ts';
import { newId, sha256 } from '../../ledger/src/action.ts';
import { enrol, memoryLedger, someAction, wayOf } from '../harness/ledger-chain.ts';

test('pages of what is over long ago are dropped, but for what the room was not told yet and what still waits', () => {
  const untold = new Set<string>();
  const book = createBook(sha256, (action) => !untold.has(action));
  const ledger = memoryLedger();
  ledger.put(enrol);
  const asks = Array.from({ length: 300 }, () => someAction({ id: newId() }));
  const [first, waiting, second] = asks;
  const last = asks.at(-1);
  assert.ok(first && second && waiting && last);
  untold.add(first.id);
  for (const action of asks) {
    const way = wayOf(action).slice(0, action === waiting ? 2 : undefined);
    for (const wanted of way) assert.equal(ledger.put(wanted), '');
  }
  for (const entry of ledger.entries) book.read(entry);
  assert.equal(book.page(second.id), undefined);
  assert.equal(book.state(second.id), '');
  assert.equal(book.state(first.id), 'succeeded', 'its card has not ended');
  assert.deepEqual(
    book.unfinished().map((page) => [page.number, page.action.id]),
    [[2, waiting.id]],
  );
  assert.equal(book.page(last.id)?.number, 300);
  const kept = asks.filter((action) => book.page(action.id)).length;
  assert.equal(kept, 101, 'the last hundred that are over, and the one that waits');
  const over = asks.filter((action) => action !== waiting && book.page(action.id));
  assert.deepEqual(
    book.over().map((page) => page.action.id),
    over.map((action) => action.id),
    'oldest first',
  );
  assert.deepEqual([book.number(last.id), book.number(second.id)], [300, undefined]);
  untold.clear();
  const next = someAction({ id: newId() });
  for (const entry of wayOf(next)) ledger.put(entry);
  for (const entry of ledger.entries) book.read(entry);
  assert.equal(book.page(first.id), undefined, 'told, it goes too');
});
