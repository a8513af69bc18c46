/** What looks like the card and is not: somebody else's copy, the other of two alike, one served under another's id. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { askAndSee, chipsOf, endsWith } from '../harness/answers.ts';
import { type Hostile, hostileHomeserver, type WireEvent } from '../harness/hostile.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import type { Phone } from '../phone/phone.ts';
import { swap } from './kit/ciphertexts.ts';
import { delay } from './kit/order.ts';
import { allLeave, enrol, hidden, intruder, otherDevice } from './people.ts';
import {
  actionOf,
  answersOf,
  approve,
  coded,
  genuine,
  mark,
  pollOf,
  pollResponse,
  ranBy,
  refused,
  requestsWith,
  stillRuns,
  waiting,
} from './scene.ts';

let rig: Rig;
/** Between the deceived phone and the real homeserver. */
let liar: Hostile;
let deceived: Phone;
let mallory: Phone;
before(async () => {
  rig = await startRig();
  liar = await hostileHomeserver(rig.homeserver.url);
  deceived = await otherDevice(rig, { signed: true, homeserver: liar.url });
  await enrol(rig, deceived);
  mallory = await intruder(rig);
  await genuine(rig, deceived);
});
after(async () => {
  await allLeave();
  await liar?.stop();
  await rig?.stop();
});

const pollStart = 'org.matrix.msc3381.poll.start';

test('attack-14 a member posts a copy of the card, the server serves it as the bot’s: no answer to it approves', async () => {
  const w = await waiting(rig, 'copied');
  const { named } = chipsOf(w.card);
  const { ok } = await pollOf(rig, w);
  const text = w.card.text.replaceAll(w.name, 'something harmless');
  const copies: [string, Record<string, unknown>][] = [
    ['m.room.message', { msgtype: 'm.text', body: text }],
    [
      pollStart,
      {
        [pollStart]: {
          question: { 'org.matrix.msc1767.text': text },
          answers: [{ id: 'ok.AAAA.BBBB', 'org.matrix.msc1767.text': 'Approve' }],
        },
      },
    ],
  ];
  for (const [type, content] of copies) {
    const hers = (e: WireEvent) => e.sender === mallory.user && e.type === 'm.room.encrypted';
    // In the bot's name it can only be in the clear; phones mark that, people may not look.
    const served = liar.rewrite(hers, (e) => Object.assign(e, { type, content, sender: rig.botUser }));
    const fake = await mallory.send(type, content);
    assert.equal(await served, fake);
    await deceived.until('the copy', (p) =>
      p.timeline().some((e) => e.id === fake && e.sender === rig.botUser && e.type === type),
    );
    for (const key of [named, named.split(' ')[0] ?? '', '✅']) await deceived.tap(fake, key);
    await deceived.vote(fake, ['ok.AAAA.BBBB']);
    await deceived.reply(fake, 'yes');
  }
  await refused(rig, w);
  await stillRuns(rig, w, () => deceived.send(pollResponse, { [pollResponse]: { answers: [ok] } }));
});

test('attack-29 of two cards of one command each takes its own chip alone; a decoy denies its own card', async () => {
  const { name, command } = mark('alike');
  const ask = async () => {
    const card = await askAndSee(rig.phone, command);
    return { card, name, action: await actionOf(rig, card.id) };
  };
  const [one, other, third] = [await ask(), await ask(), await ask()];
  const keys = [one, other, third].map((w) => chipsOf(w.card));
  assert.equal(new Set(keys.flatMap((k) => [k.named, k.decoy].map((key) => key.split(' ')[0]))).size, 6);
  for (const key of [keys[1]?.named, keys[1]?.decoy, keys[2]?.named])
    await rig.phone.tap(one.card.id, key ?? '');
  await rig.phone.tap(other.card.id, keys[0]?.named ?? '');
  await refused(rig, one);
  await refused(rig, other);
  await rig.phone.tap(third.card.id, keys[2]?.decoy ?? '');
  await rig.reached(third.action, 'denied');
  await endsWith(rig.phone, third.card, 'denied');
  await approve(rig.phone, third.card);
  await refused(rig, third, ['requested', 'posted', 'denied']);
  assert.equal((await ranBy(rig, other.action, await approve(rig.phone, other.card))).trim(), name);
  assert.equal((await ranBy(rig, one.action, await approve(rig.phone, one.card))).trim(), name);
  assert.equal((await genuine(rig)).filter((line) => line === name).length, 2);
});

test('attack-46 two polls exchange their ciphertexts on the way to the phone: each vote runs what it was shown for', async () => {
  const [one, other] = [await waiting(rig, 'one'), await waiting(rig, 'other')];
  const starts = (e: WireEvent) =>
    e.sender === rig.botUser && e.type === 'm.room.encrypted' && !e.content['m.relates_to'];
  const swapped = swap(liar, rig.room, starts);
  const first = await pollOf(rig, one);
  const second = await pollOf(rig, other);
  assert.deepEqual((await swapped).map((e) => e.event_id).sort(), [first.poll, second.poll].sort());
  const shownAs = (poll: string, name: string) =>
    deceived.until(`${name} under ${poll}`, (p) =>
      p.cards().find((c) => c.id === poll && c.text.includes(name)),
    );
  const lie = await shownAs(first.poll, other.name);
  await stillRuns(rig, other, () => deceived.vote(lie.id, [answersOf(lie).ok]));
  await refused(rig, one);
  const twin = await shownAs(second.poll, one.name);
  await stillRuns(rig, one, () => deceived.vote(twin.id, [answersOf(twin).ok]));
});

test('attack-46 cards and chips reach the phone late and in another order: a tap still runs what its text shows', async () => {
  const bots = (e: WireEvent) => e.sender === rig.botUser && e.type === 'm.room.encrypted';
  const late = delay(liar, rig.room, bots);
  const [one, other] = [await waiting(rig, 'order-one'), await waiting(rig, 'order-other')];
  await until('both cards with their chips', () => late.held.length >= 8 && late.held);
  await late.release((events) => events.reverse());
  for (const w of [other, one]) {
    const shown = await deceived.until('the card with its chips', (p) =>
      p.cards().find((c) => c.id === w.card.id && c.chips.length === 3),
    );
    assert.ok(shown.text.includes(w.name));
    await stillRuns(rig, w, () => deceived.tap(shown.id, chipsOf(shown).named));
  }
});

test('attack-47 a device hidden from the bot reads cards from the key backup: its votes, codes and words count for nothing', async () => {
  await rig.phone.backUp();
  const spy = await hidden(rig);
  const w = await waiting(rig, 'backed-up');
  const { poll } = await pollOf(rig, w);
  const long = await coded(rig, 'backed-up-code');
  const read = await until(
    'the card out of the backup',
    async () => {
      await spy.readBackup();
      return spy.cards().find((c) => c.id === poll);
    },
    { seconds: 40, every: 500 },
  );
  assert.ok(read.text.includes(w.name), 'it reads the whole card');
  const { ok } = answersOf(read);
  const asks = mark('spy-asks');
  await spy.say(asks.command);
  await spy.say(long.code);
  await spy.vote(poll, [ok]);
  await spy.reply(poll, long.code);
  await refused(rig, w);
  await refused(rig, long);
  assert.equal(await requestsWith(rig, asks.name), 0);
  await stillRuns(rig, w, () => rig.phone.vote(poll, [ok]));
  await stillRuns(rig, long, () => rig.phone.say(long.code));
  // The documented limit of `sealed`: whoever reads a card can tap its chip. Such an approval names no device.
  const tapped = await waiting(rig, 'tapped');
  await stillRuns(rig, tapped, () => spy.tap(tapped.card.id, chipsOf(tapped.card).named));
  const approved = (await rig.audit.story(tapped.action)).find((e) => e.kind === 'approved');
  const { grade, evidence } = JSON.parse(approved?.body ?? '{}') as { grade: string; evidence: object };
  assert.equal(grade, 'sealed');
  assert.ok(!('device' in evidence));
});
