/** Answers that look right and are not: late, dated, to the wrong card, to somebody else's card, from a namesake. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { Card } from '../../bot/src/approval/store.ts';
import type { UserId, WireEvent } from '../../bot/src/types.ts';
import { brief, forged, react, say, tap, vote } from '../adversary/small/answers.ts';
import type { Device } from '../adversary/small/device.ts';
import { type SmallWorld, smallWorld } from '../adversary/small/world.ts';

let w: SmallWorld;
let mallory: Device;
before(async () => {
  w = await smallWorld();
  mallory = await w.device('@mallory:x', 'HERS');
  await mallory.newIdentity();
  await w.enrolledAs(mallory);
});
after(() => w.stop());

let cards = 0;
const card = (over?: Partial<Card>): Card => w.card(++cards, over);
const judged = async (event: WireEvent): Promise<string> => brief(await w.serve(event));
/** Every way that approves this card, made by the owner's own device. */
const answers = async (c: Card): Promise<WireEvent[]> => [
  tap(c.event, c.key),
  await vote(w.owner, c),
  await say(w.owner, c.code),
  await react(w.owner, c.event, c.key),
];
async function each(events: readonly WireEvent[], verdict: string): Promise<void> {
  for (const event of events) assert.equal(await judged(event), verdict, event.type);
}
const twin = async (c: Card): Promise<void> => each(await answers(c), `approve ${c.action}`);

test('attack-10 a tap, a vote and a code that come after decide-by approve nothing', async () => {
  const late = card({ decideBy: Date.now() - 1 });
  await each(await answers(late), `explain ${late.action}`);
  await twin(card());
});

test('attack-11 whatever time the homeserver puts on an answer, the verdict is the same', async () => {
  const now = Date.now();
  const dated = (origin_server_ts: unknown) => (e: WireEvent) =>
    ({ ...e, origin_server_ts, unsigned: { age: origin_server_ts } }) as WireEvent;
  for (const decideBy of [now - 3_600_000, now + 3_600_000]) {
    const honest = card({ decideBy });
    const verdicts: string[] = [];
    for (const event of await answers(honest)) verdicts.push((await judged(event)).split(' ')[0] ?? '');
    for (const stamp of [0, 1, now - 7_200_000, now, now + 7_200_000, Number.MAX_SAFE_INTEGER]) {
      const c = card({ decideBy });
      for (const [i, event] of (await answers(c)).map(dated(stamp)).entries())
        assert.equal(await judged(event), `${verdicts[i]} ${c.action}`, `${event.type} of ${stamp}`);
    }
    // What is no time at all makes an encrypted event one that can't be read.
    for (const stamp of [-1, 'soon', null, {}]) {
      const c = card({ decideBy });
      for (const [i, event] of (await answers(c)).map(dated(stamp)).entries())
        assert.ok(['ignore', `${verdicts[i]} ${c.action}`].includes(await judged(event)), `${stamp}`);
    }
  }
});

test('attack-14 nothing that anybody but the bot sent takes an answer, though it copies a card to the letter', async () => {
  const c = card();
  const copied = { msgtype: 'm.text', body: `#${c.number} harmless\ntap 🦊 to approve` };
  const lookAlikes = [
    forged('m.room.message', copied, { sender: w.botUser }),
    forged('m.room.message', copied, { sender: mallory.user as UserId }),
    await say(mallory, copied.body),
  ];
  for (const fake of lookAlikes) {
    assert.equal(await judged(fake), 'ignore');
    for (const key of ['✅', '🦊', '🦊 4F7KQ2ZZ', '❌'])
      assert.equal(await judged(tap(fake.event_id, key)), 'ignore', key);
    assert.equal(
      await judged(tap(fake.event_id, c.key)),
      `explain ${c.action}`,
      'the key of the genuine one',
    );
    const reply = { 'm.relates_to': { 'm.in_reply_to': { event_id: fake.event_id } } };
    assert.equal(await judged(await say(w.owner, 'yes', reply)), 'hear', 'words, no decision');
    const answered = { answers: ['ok.AAAA.BBBB'] };
    const response = 'org.matrix.msc3381.poll.response';
    const related = { rel_type: 'm.reference', event_id: fake.event_id };
    const content = { [response]: answered, 'm.relates_to': related };
    assert.equal(await judged(await w.owner.send(response, content, [w.botUser])), 'ignore');
  }
  await twin(c);
});

test('attack-15 user ids that look like the owner’s are somebody else’s', async () => {
  const c = card();
  const namesakes = [
    ...['@Owner:x', '@owner:X', '@оwner:x', '@owner:х', '@0wner:x', '@owner :x', ' @owner:x', '@owner:x '],
    ...[
      '@owner:x\u200b',
      '@owner\u2060:x',
      '@owner:x.',
      '@owner:x:x',
      '@owner',
      'owner:x',
      '@own\u0435r:x',
      '',
    ],
  ];
  const from = (sender: string, e: WireEvent): WireEvent =>
    ({ ...e, sender, event_id: `${e.event_id}${sender}` }) as unknown as WireEvent;
  for (const name of namesakes)
    for (const event of [...(await answers(c)), tap(c.event, '❌'), tap(c.event, '🛑')])
      assert.equal(await judged(from(name, event)), 'ignore', JSON.stringify(name));
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (name) => {
      fc.pre(name !== '@owner:x');
      assert.equal(await judged(from(name, tap(c.event, c.key))), 'ignore');
    }),
    { numRuns: 50 },
  );
  await twin(c);
});

test('attack-18 a redaction of a card, or of the tap that approved it, can only deny', async () => {
  const c = card();
  const redacted = (redacts: string) => forged('m.room.redaction', { redacts });
  for (const event of [c.event, c.poll]) assert.equal(await judged(redacted(event)), `deny ${c.action}`);
  const older = forged('m.room.redaction', {}, { redacts: c.event } as object);
  assert.equal(await judged(older), `deny ${c.action}`, 'as rooms of older versions say it');
  const taken = tap(c.event, c.key);
  assert.equal(await judged(taken), `approve ${c.action}`);
  w.gate.cards.set(c.action, { approval: taken.event_id });
  assert.equal(await judged(redacted(taken.event_id)), `deny ${c.action}`);
  assert.equal(await judged(redacted('$anything')), 'ignore');
});

test('attack-29 of two cards alike each takes its own chip alone, and a decoy denies its own card', async () => {
  const [one, other] = [card(), card()];
  assert.equal(await judged(tap(one.event, other.key)), `explain ${other.action}`);
  assert.equal(await judged(tap(other.event, one.key)), `explain ${one.action}`);
  assert.equal(await judged(tap(other.event, one.decoy)), `explain ${one.action}`);
  assert.equal(await judged(tap(one.event, one.decoy)), `deny ${one.action}`);
  assert.equal(await judged(await react(w.owner, other.event, one.key)), `explain ${one.action}`);
  assert.equal(await judged(await react(w.owner, one.event, one.decoy)), `deny ${one.action}`);
  assert.equal(await judged(await vote(w.owner, other)), `approve ${other.action}`);
  assert.equal(await judged(tap(other.event, other.key)), `approve ${other.action}`);
});

test('attack-50 what answered an earlier card of the same command answers no later one', async () => {
  const [old, next] = [card(), card()];
  w.gate.cards.set(old.action, { open: false });
  await each(await answers(old), `explain ${old.action}`);
  assert.equal(await judged(tap(next.event, old.key)), `explain ${old.action}`);
  assert.throws(() => w.card(++cards, { code: old.code }), 'a code is never given out twice');
  assert.throws(() => w.card(++cards, { key: old.key }), 'nor a key');
  await twin(next);
});
