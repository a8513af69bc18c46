/**
 * Something hostile in place of all of matrix/ and of the inbox: it hands over whatever it likes, in whatever order, as
 * often as it likes. What matters is decided behind it, so no more is approved than what the owner's device answered.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { Card } from '../../bot/src/approval/store.ts';
import type { RoomId, UserId, WireEvent } from '../../bot/src/types.ts';
import { brief, forged, react, say, tap, vote } from '../adversary/small/answers.ts';
import { type SmallWorld, smallWorld } from '../adversary/small/world.ts';

let w: SmallWorld;
before(async () => {
  w = await smallWorld();
});
after(() => w.stop());

/** An event that the stand-in holds: whose yes to which card it is, if it is one; or only by a reader of the card. */
type Held = { wire: WireEvent; yesTo?: Card; sealed?: true };
let cards = 0;

/** What the owner answered to one card, in every way, and what others made of three more. */
async function repertoire(): Promise<Held[]> {
  const [mine, plain, other, third] = [1, 2, 3, 4].map(() => w.card(++cards));
  assert.ok(mine && plain && other && third);
  const long = w.card(++cards, { form: 'code' });
  const thief = await w.device(w.owner.user, `THIEF${cards}`);
  await thief.signWith(await w.owner.secrets());
  const mallory = await w.device(`@mallory${cards}:x`, 'HERS');
  await mallory.newIdentity();
  const held: Held[] = [
    { wire: await vote(w.owner, mine), yesTo: mine },
    { wire: await say(w.owner, long.code), yesTo: long },
    { wire: await react(w.owner, mine.event, mine.key), yesTo: mine },
    { wire: tap(plain.event, plain.key), yesTo: plain, sealed: true },
    { wire: await say(w.owner, 'yes, go on') },
    { wire: tap(other.event, '✅') },
  ];
  for (const from of [thief, mallory])
    held.push(
      { wire: await vote(from, third) },
      { wire: await say(from, long.code) },
      { wire: await react(from, third.event, third.key) },
    );
  held.push({ wire: forged('m.room.message', { msgtype: 'm.text', body: long.code }) });
  await w.handKeysOver(); // what opens all of this has come to the bot
  return held;
}

const elsewhere = '!elsewhere:x' as RoomId;
const named = (wire: WireEvent, event_id = `$${randomUUID()}` as WireEvent['event_id']): WireEvent => ({
  ...wire,
  event_id,
});
/** What can be done to an event that passes through one's hands. `opens`: its ciphertext can be read; `kept`: it is the answer that it was. */
const twists: Record<
  string,
  { opens: boolean; kept: boolean; to(wire: WireEvent, all: readonly Held[]): WireEvent }
> = {
  none: { opens: true, kept: true, to: (wire) => wire },
  dated: { opens: true, kept: true, to: (wire) => ({ ...wire, origin_server_ts: 1 }) },
  'sent by another': {
    opens: false,
    kept: false,
    to: (wire) => ({ ...named(wire), sender: '@mallory1:x' as WireEvent['sender'] }),
  },
  'under the next one’s id': {
    opens: true,
    kept: false,
    to: (wire, all) => named(wire, all.at(-1)?.wire.event_id),
  },
  'with a relation of the server’s': {
    opens: true,
    kept: true,
    to: (wire) => ({
      ...wire,
      content: {
        ...wire.content,
        ...(wire.type === 'm.room.encrypted' && {
          'm.relates_to': { rel_type: 'm.thread', event_id: '$card9' },
        }),
      },
    }),
  },
  'as a state event': { opens: false, kept: false, to: (wire) => ({ ...named(wire), state_key: '' }) },
};
const step = fc.record({
  at: fc.nat(99),
  twist: fc.constantFrom(...Object.keys(twists)),
  again: fc.boolean(),
  room: fc.constantFrom(undefined, undefined, undefined, elsewhere),
});

test('in place of matrix/: in whatever order and form events are handed over, what is approved was answered', async () => {
  let approvals = 0;
  const held = await repertoire();
  /** Under which id each ciphertext was seen first: that is the event it is, for good. */
  const first = new Map<string, string>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      for (const { at, twist, again, room } of steps) {
        const one = held[at % held.length];
        const { opens, kept, to } = twists[twist] ?? assert.fail(twist);
        assert.ok(one);
        const wire = to(one.wire, held);
        const verdict = brief(await w.handOver(wire, room));
        const ciphertext = String(one.wire.content['ciphertext'] ?? '');
        if (room === undefined && opens && ciphertext)
          first.set(ciphertext, first.get(ciphertext) ?? wire.event_id);
        if (again) assert.equal(brief(await w.handOver(wire, room)), verdict, `${twist}, handed over twice`);
        if (!verdict.startsWith('approve')) continue;
        approvals++;
        assert.ok(one.yesTo, `${twist}: approved by what is no answer of the owner’s`);
        assert.equal(verdict, `approve ${one.yesTo.action}`, twist);
        assert.equal(room, undefined, 'an answer counts in its own room alone');
        if (!one.sealed)
          assert.equal(wire.event_id, first.get(ciphertext), 'a ciphertext is one event, for good');
        if (!one.sealed && !kept) assert.equal(wire.sender, w.owner.user, 'the sender is who encrypted it');
      }
    }),
    { numRuns: 25 },
  );
  assert.ok(approvals > 10, `${approvals} approvals: the stand-in hands genuine answers over as well`);
});

test('in place of matrix/: its genuine twin, each answer handed over once, counts', async () => {
  for (const { wire, yesTo } of await repertoire()) {
    const verdict = brief(await w.handOver(wire));
    if (yesTo) assert.equal(verdict, `approve ${yesTo.action}`);
    else assert.doesNotMatch(verdict, /^approve/);
  }
});

test('in place of matrix/: a verification that a stranger begins, let through to the library, verifies nobody', async () => {
  const stranger = await w.device('@stranger:x', 'THEIRS');
  await stranger.newIdentity();
  await w.enrolledAs(stranger); // the bot knows these keys
  const verified = async () => (await w.gate.matrix.identityNow(stranger.user as UserId))?.verified;
  const flow = await stranger.begin(w.botUser, 'BOT');
  for (let turns = 0; turns < 5; turns++) {
    await w.handKeysOver();
    await stranger.receive();
    const { emoji } = await stranger.step(w.botUser, flow, true);
    assert.equal(emoji, undefined);
  }
  assert.equal(await verified(), false);
  // The twin: somebody whom the operator pairs meanwhile.
  const person = await w.device('@person:x', 'THEIRS');
  await person.newIdentity();
  const { user, device } = await w.pair(person, { answer: (bots, phones) => bots === phones });
  assert.deepEqual([user, device], [person.user, person.device]);
  assert.equal(await verified(), false);
});
