/** A verification that the phone begins itself, and a code that it scans: only while an operator waits, only by the keys shown. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Enrolled, UserId, WireEvent } from '../../bot/src/matrix/types.ts';
import { forged } from '../adversary/small/answers.ts';
import type { Device } from '../adversary/small/device.ts';
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
const turn = () => new Promise((resolve) => setImmediate(resolve));

type Scene = {
  /** What the phone makes of the code that it sees. */
  seen?(code: Uint8Array): Uint8Array;
  /** Who holds the phone that scans it. */
  by?: Device;
  /** Stands in the room instead of what the phone says when it has scanned. */
  instead?(flow: string, start: WireEvent): WireEvent[] | Promise<WireEvent[]>;
  answer?: boolean;
};

/** A pairing by code: the phone takes the request up, the operator's screen draws the code, the phone scans it. */
async function byCode(phone: Device, { seen = (c) => c, by = phone, instead, answer = true }: Scene = {}) {
  const from = w.sent.length;
  const codes: Uint8Array[] = [];
  const asked: string[] = [];
  let over = false;
  const never = () => Promise.reject(new Error('no emoji'));
  const ended = w
    .start(w.room, phone.user as UserId, never, {
      show: (code) => codes.push(code),
      scanned: async (device) => asked.push(device) > 0 && answer,
    })
    .finally(() => {
      over = true;
    });
  ended.catch(() => {});
  let failed = '';
  for (let heard = from, scanned = false; !over || heard < w.sent.length; await turn()) {
    const wire = w.sent[heard];
    const flow = String(w.sent[from]?.event_id);
    if (wire) {
      await w.deliver((await phone.verify(wire, flow, true)).says);
      heard++;
    }
    const [code] = codes;
    if (!code || scanned) continue;
    scanned = true;
    try {
      const says = await by.scan(w.botUser, flow, seen(code));
      await w.deliver(says[0] && instead ? await instead(flow, says[0]) : says);
    } catch (error) {
      failed = String(error);
      by.machine.getVerificationRequest(new W.UserId(w.botUser), flow)?.cancel();
      await w.deliver([cancel(phone, flow)]);
    }
  }
  const end = await ended.catch((error: Error) => error.message);
  return { end, codes: codes.length, asked, failed };
}
const related = (flow: string) => ({ 'm.relates_to': { rel_type: 'm.reference', event_id: flow } });
const cancel = (from: Device, flow: string): WireEvent =>
  forged(
    'm.key.verification.cancel',
    { code: 'm.user', reason: 'no', ...related(flow) },
    { sender: from.user as UserId },
  );

/** A pairing that the phone begins itself: what stands in the room never reaches it. */
async function bySelf(phone: Device, answer: (bots: string, phones: string) => boolean) {
  const phones = Promise.withResolvers<string>();
  let over = false;
  const ended = w
    .start(w.room, phone.user as UserId, async (emoji) =>
      answer(emoji.map((e) => e.symbol).join(' '), await phones.promise),
    )
    .finally(() => {
      over = true;
    });
  ended.catch(() => {});
  await turn();
  const flow = await phone.begin(w.botUser, 'BOT');
  for (; !over; await turn()) {
    await w.deliver([]);
    await phone.receive();
    const { emoji } = await phone.step(w.botUser, flow);
    if (emoji) phones.resolve(emoji);
  }
  await phone.receive();
  return ended.catch((error: Error) => error.message);
}
const mailOf = async (d: Device): Promise<string[]> =>
  w.directory.take({ user: d.user, device: d.device }).map(({ type }) => type);

test('attack-20 a phone may begin by itself while the operator waits for that person, and else begins nothing', async () => {
  const same = (bots: string, phones: string) => bots === phones && bots.split(' ').length === 7;
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
  const enrolled = await open;
  assert.deepEqual({ ...(enrolled as Enrolled), role: 'owner' }, await w.enrolledAs(other));
  assert.deepEqual(await mailOf(mallory), []);
  assert.equal(await verified(mallory), false);
  // The right person, but the operator says no; then yes.
  assert.match(String(await bySelf(phone, () => false)), /emoji were not confirmed.*nobody enrolled/);
  assert.equal(await verified(phone), false);
  assert.deepEqual(
    { ...((await bySelf(phone, same)) as Enrolled), role: 'owner' },
    await w.enrolledAs(phone),
  );
});

test('attack-20 a request by to-device messages does not end what the phone took up in the room', async () => {
  const phone = await person('dan');
  const twin = await byCode(phone, {
    async instead(_, start) {
      // The homeserver, or whoever has the account’s token.
      const body = { from_device: phone.device, methods: ['m.sas.v1'], timestamp: Date.now() };
      const request = { ...body, transaction_id: 'thief' };
      w.directory.sendToDevice(phone, 'm.key.verification.request', { [w.botUser]: { BOT: request } });
      return [start];
    },
  });
  assert.deepEqual({ ...(twin.end as Enrolled), role: 'owner' }, await w.enrolledAs(phone));
});

test('attack-20 a scanned code enrols the device that the person confirms; unconfirmed it enrols nobody', async () => {
  const phone = await person('eve');
  const refused = await byCode(phone, { answer: false });
  assert.match(String(refused.end), /scan was not confirmed.*nobody enrolled/);
  assert.equal(await verified(phone), false);
  const { end, asked } = await byCode(phone);
  assert.deepEqual({ ...(end as Enrolled), role: 'owner' }, await w.enrolledAs(phone));
  assert.deepEqual(asked, [phone.device]);
  assert.equal(await verified(phone), true);
});

test('attack-20 a code with other keys is refused by the phone, and by another account', async () => {
  const phone = await person('fay');
  // MATRIX, version, mode, length of the flow's id in two bytes, that id, the two master keys, the secret.
  const at = (code: Uint8Array, key: 0 | 1) => 10 + (code[8] ?? 0) * 256 + (code[9] ?? 0) + 32 * key;
  const others = Buffer.from((await w.enrolledAs(mallory)).master, 'base64');
  for (const key of [0, 1] as const) {
    const seen = (code: Uint8Array) => {
      const changed = code.slice();
      changed.set(others, at(code, key));
      return changed;
    };
    const { end, failed, asked } = await byCode(phone, { seen });
    assert.match(failed, /keys? mismatch|did.?n.t match|isn.t/i);
    assert.match(String(end), /phone ended the verification/);
    assert.deepEqual(asked, []);
  }
  const { end, failed, asked } = await byCode(phone, { by: mallory });
  assert.match(failed, /nothing to scan for/);
  assert.deepEqual(asked, []);
  assert.equal(typeof end, 'string');
  assert.equal(await verified(phone), false);
});

test('attack-20 without the code’s secret nothing is scanned, nor in another’s name', async () => {
  const phone = await person('gus');
  const wrong = await byCode(phone, {
    instead: (_, start) => [{ ...start, content: { ...start.content, secret: 'AAAAAAAAAAAAAAAAAAAAAA' } }],
  });
  assert.deepEqual(wrong.asked, []);
  assert.match(String(wrong.end), /ended the verification/);
  assert.equal(await verified(phone), false);
  const twin = await byCode(phone, {
    instead: (_, start) => [forged(start.type, start.content, { sender: mallory.user as UserId }), start],
  });
  assert.deepEqual(twin.asked, [phone.device]);
  assert.deepEqual({ ...(twin.end as Enrolled), role: 'owner' }, await w.enrolledAs(phone));
});

test('attack-03 no code where a second device is signed, nor one that is signed meanwhile', async () => {
  const phone = await person('hal');
  const second = await w.device(phone.user, 'SECOND');
  const meanwhile = await byCode(phone, {
    async instead(_, start) {
      await second.signWith(await phone.secrets());
      return [start];
    },
  });
  assert.match(String(meanwhile.end), /beside it changed meanwhile.*Nobody was enrolled/);
});
