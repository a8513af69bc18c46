/** Taps too quick to have read anything, decoys and floods: what they ask of the next card. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAttention } from '../../bot/src/desk/attention.ts';
import type { Entry } from '../../ledger/src/entry.ts';

function scene(quick = 2) {
  const attention = createAttention(quick);
  let now = Date.parse('2026-01-01T00:00:00Z');
  let actions = 0;
  let seq = 0;
  const put = (kind: string, action: string, body: object, brain: boolean) => {
    const entry = {
      seq: ++seq,
      kind,
      action,
      at: new Date(now).toISOString(),
      body: JSON.stringify(body),
    } as Entry;
    for (let again = 0; again < 2; again++) attention.read(entry, brain);
  };
  /** A card that is decided so many seconds later. */
  const decide = (
    kind: 'approved' | 'denied',
    seconds: number,
    o: { reason?: string; brain?: boolean } = {},
  ) => {
    const action = `a${++actions}`;
    put('posted', action, {}, o.brain ?? false);
    now += seconds * 1000;
    put(kind, action, o.reason ? { reason: o.reason } : {}, o.brain ?? false);
  };
  const wait = (seconds: number) => {
    now += seconds * 1000;
  };
  return { attention, decide, now: () => now, wait };
}
const decoy = { reason: 'the decoy was tapped' };

test('five of six approvals in no time make the next cards signed, until some took their time', () => {
  const { attention, decide } = scene();
  for (let i = 0; i < 4; i++) decide('approved', 1);
  assert.ok(!attention.asksSigned());
  decide('approved', 1);
  assert.ok(attention.asksSigned());
  decide('approved', 5);
  assert.ok(attention.asksSigned());
  decide('approved', 5);
  assert.ok(!attention.asksSigned());
});

test('careful answers, denials in no time, and quick ones where nothing counts as quick ask for no more', () => {
  const careful = scene();
  for (let i = 0; i < 20; i++) careful.decide('approved', 2);
  for (let i = 0; i < 20; i++) careful.decide('denied', 0.1);
  assert.ok(!careful.attention.asksSigned());
  const off = scene(0);
  for (let i = 0; i < 20; i++) off.decide('approved', 0);
  assert.ok(!off.attention.asksSigned());
});

test('one decoy is a slip; two among six decisions ask for a signed answer, until they are past', () => {
  const { attention, decide } = scene();
  decide('denied', 5, decoy);
  assert.ok(!attention.asksSigned());
  decide('denied', 5, decoy);
  assert.ok(attention.asksSigned());
  for (let i = 0; i < 4; i++) decide('approved', 9);
  assert.ok(attention.asksSigned());
  decide('approved', 9);
  assert.ok(!attention.asksSigned());
});

test('attack-28 a brain that floods, or asks again after three denials, is held; the owner’s words let it go on', () => {
  const flood = scene();
  for (let i = 0; i < 19; i++) flood.decide('approved', 1, { brain: true });
  assert.equal(flood.attention.hold(flood.now()), '');
  flood.decide('approved', 1, { brain: true });
  assert.match(flood.attention.hold(flood.now()), /20 cards were shown within a minute/);
  flood.wait(60);
  assert.equal(flood.attention.hold(flood.now()), '');

  const denied = scene();
  for (let i = 0; i < 3; i++) denied.decide('denied', 9, { brain: true });
  assert.match(denied.attention.hold(denied.now()), /wait for the owner’s words/);
  denied.attention.heard();
  assert.equal(denied.attention.hold(denied.now()), '');

  // Genuine twin: a person's own asking is never held, and an approval in between starts the count anew.
  const own = scene();
  for (let i = 0; i < 20; i++) own.decide('denied', 1);
  assert.equal(own.attention.hold(own.now()), '');
  const mixed = scene();
  for (const kind of ['denied', 'denied', 'approved', 'denied'] as const)
    mixed.decide(kind, 9, { brain: true });
  assert.equal(mixed.attention.hold(mixed.now()), '');
});

test('what it says of itself names figures and what follows from them', () => {
  const { attention, decide } = scene();
  assert.match(attention.describe(), /Nothing was decided yet/);
  decide('denied', 5, decoy);
  for (let i = 0; i < 5; i++) decide('approved', 1);
  assert.match(attention.describe(), /5 of the last 6 were approvals in under 2 s, 1 decoys tapped/);
  assert.match(attention.describe(), /the last 5 in a row were approvals/);
  assert.match(attention.describe(), /a vote for now/);
});
