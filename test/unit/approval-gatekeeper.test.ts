import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { Person } from '../../bot/src/approval/book.ts';
import { pollAnswers } from '../../bot/src/approval/card.ts';
import { type Gate, judge } from '../../bot/src/approval/gatekeeper.ts';
import { type Card, cardStore } from '../../bot/src/approval/store.ts';
import type { Enrolled, Matrix, Taken } from '../../bot/src/matrix/types.ts';

/**
 * The way from an event to a verdict, without a network: real card store, real judgement. The six rules on the crypto
 * state are tested on real clients elsewhere; here the machine answers as it would for a clean owner, or for nobody.
 */
const dir = mkdtempSync(join(tmpdir(), 'gatekeeper-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const owner = '@owner:x' as Enrolled['user'];
const room = '!r:x' as Taken['room'];
const device = {
  user: owner,
  role: 'owner',
  master: 'M',
  device: 'PHONE',
  ed25519: 'E',
  curve25519: 'C',
} as Person;

let files = 0;
function gate(over: Partial<Gate> = {}): Gate {
  const cards = cardStore(join(dir, `cards-${files++}.sqlite`), pollAnswers);
  const seen = new Map<string, string>();
  const matrix = {
    user: '@bot:x',
    forceQuery: async () => {},
    deviceNow: async () => ({ ...device, crossSigned: true, blacklisted: false, dehydrated: false }),
    identityNow: async () => ({ verified: true, violation: false, master: 'M' }),
    replay: (r: string, session: string, index: number, event: string) => {
      const key = `${r} ${session} ${index}`;
      if (!seen.has(key)) seen.set(key, event);
      return seen.get(key) === event;
    },
  } as unknown as Matrix;
  return {
    matrix,
    cards,
    people: () => [device],
    answeredBy: () => undefined,
    trouble: () => '',
    now: () => 1000,
    ...over,
  };
}
const card = (n: number, over: Partial<Card> = {}): Card => ({
  action: `action${n}`,
  number: n,
  room,
  digest: String(n).padStart(64, 'a'),
  form: 'chip',
  key: `🦊 4F7KQ2Z${n}`,
  decoy: `🌵 M2XT9QR${n}`,
  nonce: `NONCE${n}`,
  code: `AAAA-BBB${n}`,
  word: '',
  event: `$card${n}`,
  poll: `$poll${n}`,
  notice: '',
  chips: '',
  decideBy: 5000,
  dropped: false,
  open: true,
  ended: false,
  approval: '',
  ...over,
});
let events = 0;
const event = (type: string, content: Record<string, unknown>, over: Partial<Taken> = {}): Taken =>
  ({
    room,
    encrypted: false,
    type,
    content,
    ...over,
    wire: {
      type: over.encrypted ? 'm.room.encrypted' : type,
      event_id: `$e${++events}`,
      sender: owner,
      content,
      origin_server_ts: 0,
      ...over.wire,
    },
  }) as Taken;
const tap = (on: string, key: string, over: Partial<Taken> = {}) =>
  event('m.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: on, key } }, over);
let index = 0;
const sealed = (type: string, content: Record<string, unknown>, over: Partial<Taken> = {}) =>
  event(type, content, {
    encrypted: true,
    evidence: {
      sender: owner,
      device: 'PHONE',
      claimedEd25519: 'E',
      curve25519: 'C',
      session: 'S',
      index: index++,
    } as NonNullable<Taken['evidence']>,
    ...over,
  });
const vote = (answers: unknown[], over: Partial<Taken> = {}) =>
  sealed('org.matrix.msc3381.poll.response', { 'org.matrix.msc3381.poll.response': { answers } }, over);
const text = (body: string, over: Partial<Taken> = {}) =>
  sealed('m.room.message', { msgtype: 'm.text', body }, over);
const verdict = async (t: Taken, g: Gate) => {
  const v = await judge(t, g);
  return 'card' in v ? `${v.do} ${v.card.action}` : v.do;
};

test('attack-01 a plain approving reaction allows nothing; the sealed chip of this very card does', async () => {
  const g = gate();
  g.cards.add(card(1));
  for (const key of ['✅', '👍', '🦊', 'yes', '', '🦊 ', '✔️'])
    assert.equal(await verdict(tap('$card1', key), g), 'ignore', key);
  assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), g), 'approve action1');
});

test('attack-21 a guessed key drops the card to signed; a spent one only explains itself', async () => {
  const g = gate();
  g.cards.add(card(1));
  assert.equal(await verdict(tap('$card1', '🦊 00000000'), g), 'suspect action1');
  g.cards.set('action1', { dropped: true });
  assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), g), 'explain action1');
  const { ok } = pollAnswers(card(1));
  assert.equal(await verdict(vote([ok]), g), 'approve action1', 'a vote still counts');
  g.cards.set('action1', { open: false });
  assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), g), 'explain action1');
});

test('attack-46 a key tapped under another card does nothing; the decoy denies', async () => {
  const g = gate();
  g.cards.add(card(1));
  g.cards.add(card(2));
  assert.equal(await verdict(tap('$card2', '🦊 4F7KQ2Z1'), g), 'explain action1');
  assert.equal(await verdict(tap('$card1', '🌵 M2XT9QR1'), g), 'deny action1');
  assert.equal(await verdict(tap('$card2', '🦊 4F7KQ2Z2'), g), 'approve action2');
});

test('attack-09 a vote names its action inside; the relation outside decides nothing', async () => {
  const g = gate();
  g.cards.add(card(1));
  g.cards.add(card(2));
  const { ok, no } = pollAnswers(card(1));
  const grafted = vote([ok]);
  grafted.wire.content = { 'm.relates_to': { rel_type: 'm.reference', event_id: '$poll2' } };
  assert.equal(await verdict(grafted, g), 'approve action1');
  assert.equal(await verdict(vote([no]), g), 'deny action1');
  assert.equal(await verdict(vote([ok, no]), g), 'ignore', 'two answers');
  assert.equal(await verdict(vote([]), g), 'ignore', 'no answer');
});

test('a vote or a code in the clear, undecrypted, or from an unenrolled device approves nothing', async () => {
  const g = gate();
  g.cards.add(card(1));
  const { ok } = pollAnswers(card(1));
  assert.equal(await verdict(vote([ok], { encrypted: false, evidence: undefined }), g), 'ignore');
  assert.equal(await verdict(vote([ok], { failed: 'no session', evidence: undefined }), g), 'ignore');
  const other = gate({ people: () => [{ ...device, ed25519: 'OTHER' }] });
  other.cards.add(card(1));
  assert.equal(await verdict(vote([ok]), other), 'ignore');
  assert.equal(await verdict(text('AAAA-BBB1'), other), 'ignore');
  assert.equal(await verdict(text('hello'), other), 'ignore');
  assert.equal(await verdict(text('AAAA-BBB1'), g), 'approve action1');
  assert.equal(await verdict(text('hello'), g), 'hear');
});

test('no answer from the homeserver for the owner’s keys: no signed approval', async () => {
  const g = gate();
  g.cards.add(card(1));
  const { ok } = pollAnswers(card(1));
  const dead = {
    ...g,
    matrix: {
      ...g.matrix,
      forceQuery: async () => {
        throw new Error('no keys');
      },
    } as unknown as Matrix,
  };
  assert.equal(await verdict(vote([ok]), dead), 'ignore');
  assert.equal(await verdict(vote([ok]), g), 'approve action1');
});

test('attack-19 the bot’s own events, and a stranger’s, never count', async () => {
  const g = gate();
  g.cards.add(card(1));
  const from = (sender: string) => tap('$card1', '🦊 4F7KQ2Z1', { wire: { sender } as Taken['wire'] });
  assert.equal(await verdict(from('@bot:x'), g), 'ignore');
  assert.equal(await verdict(from('@stranger:x'), g), 'ignore');
  assert.equal(await verdict(from(owner), g), 'approve action1');
});

test('attack-04 a reset identity approves nothing, by a tap as by a vote, until it is paired again', async () => {
  for (const identity of [
    undefined,
    { verified: false, violation: true, master: 'OTHER' },
    { verified: true, violation: false, master: 'OTHER' },
  ]) {
    const g = gate();
    g.cards.add(card(1));
    const reset = { ...g, matrix: { ...g.matrix, identityNow: async () => identity } as unknown as Matrix };
    assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), reset), 'explain action1');
    assert.equal(await verdict(vote([pollAnswers(card(1)).ok]), reset), 'ignore');
    assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), g), 'approve action1', 'the pinned one does');
  }
});

test('who reads is not heard, who asks is heard and decides nothing, who approves decides', async () => {
  const { ok, no } = pollAnswers(card(1));
  const deciding: [() => Taken, string][] = [
    [() => tap('$card1', '🦊 4F7KQ2Z1'), 'approve action1'],
    [() => vote([ok]), 'approve action1'],
    [() => text('AAAA-BBB1'), 'approve action1'],
    [() => vote([no]), 'deny action1'],
    [() => tap('$card1', '🌵 M2XT9QR1'), 'deny action1'],
    [() => tap('$card1', '❌'), 'deny action1'],
    [() => tap('$card1', '🛑'), 'stop'],
    [() => tap('$card1', '🦊 00000000'), 'suspect action1'],
    [() => event('m.room.redaction', { redacts: '$card1' }), 'deny action1'],
  ];
  for (const role of ['none', 'reads', 'asks', 'approves', 'owner'] as const) {
    const g = gate({ people: () => [{ ...device, role }] });
    g.cards.add(card(1));
    const decides = role === 'approves' || role === 'owner';
    for (const [answer, means] of deciding)
      assert.equal(await verdict(answer(), g), decides ? means : 'ignore', `${role}: ${means}`);
    assert.equal(await verdict(text('hello'), g), decides || role === 'asks' ? 'hear' : 'ignore', role);
  }
});

test('an answer in another room than its card’s counts for nothing there', async () => {
  const g = gate();
  g.cards.add(card(1, { room: '!other:x' as Card['room'] }));
  const { ok, no } = pollAnswers(card(1));
  for (const answer of [
    tap('$card1', '🦊 4F7KQ2Z1'),
    tap('$card1', '🌵 M2XT9QR1'),
    tap('$card1', '❌'),
    vote([ok]),
    vote([no]),
    text('AAAA-BBB1'),
  ])
    assert.equal(await verdict(answer, g), 'ignore');
  const there = { room: '!other:x' as Taken['room'] };
  assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1', there), g), 'approve action1');
  assert.equal(await verdict(vote([ok], there), g), 'approve action1');
  assert.equal(await verdict(text('AAAA-BBB1', there), g), 'approve action1');
});

test('a card that asks for a word takes its code with that word alone, and one that asks for none takes none', async () => {
  const g = gate();
  g.cards.add(card(1, { word: 'build' }));
  g.cards.add(card(2));
  for (const [body, means] of [
    ['AAAA-BBB1', 'explain action1'],
    ['AAAA-BBB1 Build', 'explain action1'],
    ['AAAA-BBB1 build', 'approve action1'],
    ['AAAA-BBB2 build', 'explain action2'],
    ['AAAA-BBB2', 'approve action2'],
  ])
    assert.equal(await verdict(text(body as string), g), means, body);
});

test('what is no plain text, a state event, or approved already, decides nothing', async () => {
  const g = gate();
  g.cards.add(card(1));
  for (const msgtype of ['m.notice', 'm.emote', undefined])
    assert.equal(await verdict(sealed('m.room.message', { msgtype, body: 'AAAA-BBB1' }), g), 'ignore');
  const unsealed = sealed('m.room.message', { msgtype: 'm.file', body: 'AAAA-BBB1' });
  assert.equal(await verdict(unsealed, g), 'tell');
  const state = tap('$card1', '🦊 4F7KQ2Z1', { wire: { state_key: '' } as Taken['wire'] });
  assert.equal(await verdict(state, g), 'ignore');
  const again = tap('$card1', '🦊 4F7KQ2Z1');
  g.cards.set('action1', { approval: again.wire.event_id });
  assert.equal(await verdict(again, g), 'ignore');
  assert.equal(await verdict(text('AAAA-BBB1'), g), 'approve action1');
});

test('late, decided or in a troubled room: nothing is approved, and it is explained', async () => {
  for (const over of [{ now: () => 5001 }, { trouble: () => 'somebody joined' }] as Partial<Gate>[]) {
    const g = gate(over);
    g.cards.add(card(1));
    assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), g), 'explain action1');
    assert.equal(await verdict(vote([pollAnswers(card(1)).ok]), g), 'explain action1');
    assert.equal(await verdict(text('AAAA-BBB1'), g), 'explain action1');
  }
});

test('❌ denies, 🛑 stops, a removed tap or card denies', async () => {
  const g = gate();
  g.cards.add(card(1));
  g.cards.set('action1', { approval: '$tap' });
  for (const key of ['❌', '👎', '⛔', '⛔️'])
    assert.equal(await verdict(tap('$card1', key), g), 'deny action1', key);
  assert.equal(await verdict(tap('$anything', '🛑'), g), 'stop');
  assert.equal(await verdict(event('m.room.redaction', { redacts: '$tap' }), g), 'deny action1');
  assert.equal(await verdict(event('m.room.redaction', { redacts: '$card1' }), g), 'deny action1');
  assert.equal(await verdict(event('m.room.redaction', { redacts: '$else' }), g), 'ignore');
});

test('whatever an event holds, judging it neither throws nor approves', async () => {
  const g = gate();
  g.cards.add(card(1));
  const types = ['m.reaction', 'm.room.redaction', 'm.room.message', 'org.matrix.msc3381.poll.response', 'x'];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...types),
      fc.dictionary(
        fc.constantFrom('m.relates_to', 'redacts', 'body', 'msgtype', 'org.matrix.msc3381.poll.response'),
        fc.jsonValue(),
      ),
      fc.boolean(),
      async (type, content, encrypted) => {
        const v = await judge((encrypted ? sealed : event)(type, content), g);
        assert.notEqual(v.do, 'approve');
      },
    ),
    { numRuns: 2000 },
  );
});
