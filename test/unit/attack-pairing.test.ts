/** Pairing: whoever takes up the bot's request, or begins by himself, only while an operator waits, only by the keys compared. */
import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import type { Enrolled, Operator, UserId } from '../../bot/src/types.ts';
import { forged } from '../adversary/small/answers.ts';
import type { Device } from '../adversary/small/device.ts';
import { longest } from '../adversary/small/pair.ts';
import { type SmallWorld, smallWorld } from '../adversary/small/world.ts';

let w: SmallWorld;
let mallory: Device;
before(async () => {
  w = await smallWorld();
  mallory = await person('mallory');
});
after(() => w.stop());

async function person(name: string): Promise<Device> {
  const device = await w.device(`@${name}:x`, name.toUpperCase());
  await device.newIdentity();
  await device.query(w.botUser);
  return device;
}
const verified = async (d: Device) => (await w.gate.matrix.identityNow(d.user as UserId))?.verified ?? false;
const enrolled = async (d: Device) => ({ ...(await w.enrolledAs(d)), role: 'owner' });
const asRole = (end: unknown) => ({ ...(end as Enrolled), role: 'owner' });
const same = (bots: string, phones: string) => bots === phones && bots.split(' ').length === 7;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A pairing that the phone begins itself: what stands in the room never reaches it. */
async function bySelf(phone: Device, answer: (bots: string, phones: string) => boolean) {
  const phones = Promise.withResolvers<string>();
  const asked = Promise.withResolvers<void>();
  let over = false;
  const operator: Operator = {
    waits: () => asked.resolve(),
    compare: async (emoji) => answer(emoji.map((e) => e.symbol).join(' '), await phones.promise),
  };
  const ended = w.start(w.room, phone.user as UserId, operator).finally(() => {
    over = true;
  });
  ended.catch(() => {});
  await asked.promise;
  const flow = await phone.begin(w.botUser, 'BOT');
  for (const last = Date.now() + longest; !over; await turn()) {
    if (Date.now() > last) throw new Error('this pairing does not end');
    await w.deliver([]);
    await phone.receive();
    const { emoji } = await phone.step(w.botUser, flow, true);
    if (emoji) phones.resolve(emoji);
  }
  await phone.receive();
  return ended.catch((error: Error) => error.message);
}
const mailOf = async (d: Device): Promise<string[]> =>
  w.directory.take({ user: d.user, device: d.device }).map(({ type }) => type);

test('attack-20 a phone may begin by itself while the operator waits for that person, and else begins nothing', async () => {
  const [phone, early] = [await person('bea'), await person('abe')];
  // No window.
  await early.begin(w.botUser, 'BOT');
  await w.deliver([]);
  assert.deepEqual(await mailOf(early), [], 'the bot says nothing to it');
  // A window for somebody else.
  const other = await person('carl');
  await w.enrolledAs(mallory); // the bot knows her keys
  const open = bySelf(other, same);
  await mallory.begin(w.botUser, 'BOT');
  const start = { from_device: mallory.device, transaction_id: 'x', method: 'm.none' };
  w.directory.sendToDevice(mallory, 'm.key.verification.start', { [w.botUser]: { BOT: start } });
  await mallory.whisper(w.botUser, 'BOT', 'm.key.verification.start', start);
  assert.deepEqual(asRole(await open), await enrolled(other));
  assert.deepEqual(await mailOf(mallory), []);
  assert.equal(await verified(mallory), false);
  // The right person, but the operator says no; then yes.
  assert.match(String(await bySelf(phone, () => false)), /emoji were not confirmed.*nobody enrolled/);
  assert.equal(await verified(phone), false);
  assert.deepEqual(asRole(await bySelf(phone, same)), await enrolled(phone));
});

test('attack-20 a request by to-device messages does not end what the phone took up in the room', async () => {
  const phone = await person('dan');
  const twin = await w.pair(phone, {
    answer: same,
    meanwhile(_, step) {
      // The homeserver, or whoever has the account’s token.
      const body = { from_device: phone.device, methods: ['m.sas.v1'], timestamp: Date.now() };
      const request = { ...body, transaction_id: 'thief' };
      if (step > 0)
        w.directory.sendToDevice(phone, 'm.key.verification.request', { [w.botUser]: { BOT: request } });
      return [];
    },
  });
  assert.deepEqual(asRole(twin), await enrolled(phone));
});

test('attack-20 a phone that was asked and starts the comparison as well is compared by one of the two', async () => {
  const phone = await person('eve');
  assert.deepEqual(asRole(await w.pair(phone, { answer: same, starts: true })), await enrolled(phone));
});

test('attack-20 a request that nobody took up is withdrawn and made anew, and only the newest one can be taken up', async (t) => {
  const phone = await person('fay');
  const from = w.sent.length;
  const told: string[] = [];
  const operator: Operator = {
    waits: (what, asked) => void told.push(`${what} ${asked}`),
    compare: async () => true,
  };
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const leave = new AbortController();
  const ended = w.start(w.room, phone.user as UserId, operator, leave.signal).catch(String);
  let seconds = 0;
  for (const last = Date.now() + longest; w.sent.length < from + 3; await turn()) {
    if (Date.now() > last) throw new Error('it was not asked anew');
    mock.timers.tick(1000); // from the beginning: the key store has timers, too
    if (w.sent.length > from) seconds++;
  }
  mock.timers.reset();
  assert.ok(seconds >= 15, `after ${seconds} s`);
  const [first, cancel, second] = w.sent.slice(from);
  assert.deepEqual(
    [first, cancel, second].map((e) => e?.content['msgtype'] ?? e?.type),
    ['m.key.verification.request', 'm.key.verification.cancel', 'm.key.verification.request'],
  );
  assert.deepEqual(told, ['phone 1', 'phone 2']);
  // What the homeserver held back until now.
  const related = { 'm.relates_to': { rel_type: 'm.reference', event_id: first?.event_id } };
  const late = { from_device: phone.device, methods: ['m.sas.v1'], ...related };
  await w.deliver([forged('m.key.verification.ready', late, { sender: phone.user as UserId })]);
  assert.deepEqual(told, ['phone 1', 'phone 2'], 'nothing begins');
  if (!second) throw new Error('no second request');
  const { says } = await phone.verify(second, String(second.event_id));
  await w.deliver(says);
  assert.equal(told.at(-1), 'emoji 0');
  leave.abort();
  assert.match(String(await ended), /nobody is at the console any more/);
  assert.equal(await verified(phone), false);
});

test('attack-20 a request of the phone in the room is taken up in place of the bot’s; nobody else’s is', async () => {
  const phone = await person('gus');
  const theirs = await mallory.ask(w.botUser);
  const twin = await w.pair(phone, {
    answer: same,
    begins: await phone.ask(w.botUser),
    meanwhile: (_, step) => (step === 0 ? [theirs] : []),
  });
  assert.deepEqual(asRole(twin), await enrolled(phone));
  assert.equal(await verified(mallory), false);
  assert.ok(!w.sent.some((e) => JSON.stringify(e.content).includes(theirs.event_id)), 'nobody answers hers');
});

test('what ends before there are emoji is asked anew, and then compared', async () => {
  const phone = await person('hal');
  const from = w.sent.length;
  const told: string[] = [];
  let over = false;
  const shown = Promise.withResolvers<string>();
  const operator: Operator = {
    waits: (what) => void told.push(what),
    compare: async (emoji) => same(emoji.map((e) => e.symbol).join(' '), await shown.promise),
  };
  const ended = w.start(w.room, phone.user as UserId, operator).finally(() => {
    over = true;
  });
  let flow = '';
  for (let heard = from; !over || heard < w.sent.length; await turn()) {
    const wire = w.sent[heard];
    if (!wire) continue;
    heard++;
    const asked = wire.content['msgtype'] === 'm.key.verification.request';
    const first = asked && flow === '';
    if (asked) flow = String(wire.event_id);
    const { says, emoji } = await phone.verify(wire, flow);
    if (emoji) shown.resolve(emoji);
    // Another phone of the account, which still had a request of the bot’s.
    const cancel = {
      code: 'm.user',
      reason: 'two at once',
      'm.relates_to': { rel_type: 'm.reference', event_id: flow },
    };
    const sender = phone.user as UserId;
    await w.deliver(first ? [...says, forged('m.key.verification.cancel', cancel, { sender })] : says);
  }
  assert.deepEqual(asRole(await ended), await enrolled(phone));
  // Else this phone, which was not told, would end the second one with the first.
  assert.equal(w.sent[from + 2]?.type, 'm.key.verification.cancel');
  assert.deepEqual(told, ['phone', 'emoji', 'phone', 'emoji']);
});
