import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBook } from '../../bot/src/approval/view.ts';
import { hashed } from '../../ledger/rules/judge.cjs';
import { newId, sha256 } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { enrol, memoryLedger, owner, someAction, type Wanted, wayOf } from '../harness/ledger-chain.ts';

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

test('attack-40 where the ledger took what it had to refuse, the bot goes on no further; the genuine entry in its place is read', () => {
  const book = createBook(sha256);
  const ledger = memoryLedger();
  const action = someAction();
  const way = wayOf(action);
  for (const wanted of [enrol, ...way.slice(0, 2)]) assert.equal(ledger.put(wanted), '');
  for (const entry of ledger.entries) book.read(entry);
  // Whoever has the ledger's file links what its rules refuse: an answer of a device that is not enrolled.
  const forger = memoryLedger();
  const thief = { user: owner.user, device: 'THIEF', event: '$tap', form: 'poll' };
  const { body, ...approved } = way[2] as Wanted;
  forger.state.people.devices.push({ ...owner, device: 'THIEF', seq: 1 });
  for (const entry of ledger.entries) forger.entries.push(entry);
  forger.state.people.roles.set(owner.user, 'owner');
  assert.equal(forger.put({ ...approved, body: { ...body, grade: 'signed', evidence: thief } }), '');
  const forged = forger.entries.at(-1) as Entry;
  assert.throws(() => book.read(forged), /entry 4, which it had to refuse: .*not_enrolled/);
  const next = { ...forged, seq: 5, prev: forged.hash };
  assert.throws(() => book.read({ ...next, hash: sha256(hashed(next)) }), /it is number 5, 4 was expected/);
  assert.equal(book.state(action.id), 'posted');
  assert.equal(ledger.put(way[2] as Wanted), '');
  book.read(ledger.entries.at(-1) as Entry);
  assert.equal(book.state(action.id), 'approved');
});
