/** Other devices and other people: a thief with the recovery key, a member behind the bot's back, a stranger who verifies. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chipsOf } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import type { Phone } from '../phone/phone.ts';
import { announceKeys, injectDevice, sentTo, tamperKeys } from './kit/keys.ts';
import { allLeave, enrol, intruder, otherDevice } from './people.ts';
import {
  approve,
  coded,
  genuine,
  mark,
  pollOf,
  pollResponse,
  refused,
  requestsWith,
  sendBare,
  stillRuns,
  waiting,
} from './scene.ts';
import { openDevice } from './small/device.ts';
import { keyDirectory } from './small/directory.ts';

let rig: Rig;
let mallory: Phone;
before(async () => {
  rig = await startRig();
  mallory = await intruder(rig);
});
after(async () => {
  await allLeave();
  await rig?.stop();
});

/** That this phone was served the bot's events and could open none of them. */
async function readsNothing(phone: Phone, event: string): Promise<void> {
  await phone.until('an event it cannot read', (p) => p.timeline().some((e) => e.id === event && e.failed));
  const read = phone.timeline().filter((e) => e.sender === rig.botUser && e.encrypted && !e.failed);
  assert.deepEqual(read, []);
}

test('attack-03 a device signed by a thief of the recovery key reads no card and decides nothing until enrolled', async () => {
  const thief = await otherDevice(rig, { signed: true });
  const w = await waiting(rig, 'thief');
  const long = await coded(rig, 'thief-code');
  const { poll, ok } = await pollOf(rig, w);
  await readsNothing(thief, w.card.id);
  const own = mark('thief-asks');
  await thief.say(own.command);
  await thief.say(long.code);
  await thief.send(pollResponse, { [pollResponse]: { answers: [ok] } });
  for (const key of ['✅', chipsOf(w.card).named.split(' ')[0] ?? '']) await thief.tap(w.card.id, key);
  await refused(rig, w);
  await refused(rig, long);
  assert.equal(await requestsWith(rig, own.name), 0);
  await stillRuns(rig, w, () => rig.phone.vote(poll, [ok]));
  await stillRuns(rig, long, () => rig.phone.say(long.code));
  await enrol(rig, thief);
  await genuine(rig, thief);
});

test('attack-02 the homeserver adds a device of its own making to the owner’s: the bot gives it no key', async () => {
  const directory = keyDirectory();
  const made = await openDevice(directory, rig.owner.user, 'SERVERS', rig.room);
  const told = Promise.withResolvers<void>();
  const ends = [
    injectDevice(rig.hostile, directory, made),
    tamperKeys(rig.hostile, ({ device_keys }) => {
      if (device_keys[rig.owner.user]?.['SERVERS']) told.resolve();
    }),
  ];
  const to = sentTo(rig.hostile, made);
  await announceKeys(rig.hostile, rig.owner.user);
  await told.promise;
  const w = await waiting(rig, 'servers');
  assert.deepEqual(to.events, []);
  await stillRuns(rig, w, () => approve(rig.phone, w.card));
  assert.deepEqual(to.events, []);
  for (const end of [...ends, to.end]) end();
  await announceKeys(rig.hostile, rig.owner.user);
  made.close();
});

test('attack-05 another person’s genuine ciphertext is served with the owner as its sender', async () => {
  const w = await waiting(rig, 'swapped');
  const long = await coded(rig, 'swapped-code');
  const { poll, ok } = await pollOf(rig, w);
  const own = mark('swapped-asks');
  const says: (() => Promise<string>)[] = [
    () => mallory.say(own.command),
    () => mallory.say(long.code),
    () => mallory.send(pollResponse, { [pollResponse]: { answers: [ok] } }),
  ];
  for (const say of says) {
    const mine = (e: { sender: string; type: string }) =>
      e.sender === mallory.user && e.type === 'm.room.encrypted';
    const served = rig.hostile.rewrite(mine, (e) => {
      e.sender = rig.owner.user;
    });
    assert.equal(await say(), await served);
  }
  await refused(rig, w);
  await refused(rig, long);
  assert.equal(await requestsWith(rig, own.name), 0);
  await stillRuns(rig, w, () => rig.phone.vote(poll, [ok]));
  await stillRuns(rig, long, () => rig.phone.say(long.code));
});

test('attack-51 a member who is no approver reads nothing, and their taps, votes and codes do not count', async () => {
  const w = await waiting(rig, 'member');
  await readsNothing(mallory, w.card.id);
  const long = await coded(rig, 'member-code');
  const { poll, ok } = await pollOf(rig, w);
  const own = mark('member-asks');
  // Told every secret by somebody who could read them: it still is not hers to decide.
  await mallory.tap(w.card.id, chipsOf(w.card).named);
  await mallory.vote(poll, [ok]);
  await mallory.reply(long.card.id, long.code);
  await mallory.say(own.command);
  await mallory.tap(w.card.id, '❌');
  await mallory.tap(w.card.id, '🛑');
  await mallory.say('!stop');
  await refused(rig, w);
  await refused(rig, long);
  assert.equal(await requestsWith(rig, own.name), 0);
  await stillRuns(rig, w, () => rig.phone.vote(poll, [ok]));
  await stillRuns(rig, long, () => rig.phone.say(long.code));
});

test('attack-20 a stranger’s verification is not taken up; one that the operator refuses enrols nobody', async () => {
  const bots: string[] = [];
  const end = rig.hostile.onAnswer(({ method, path }) => {
    if (method === 'PUT' && decodeURIComponent(path).includes('m.key.verification')) bots.push(path);
  });
  const request = (phone: Phone) => ({
    from_device: phone.device,
    methods: ['m.sas.v1'],
    to: rig.botUser,
    msgtype: 'm.key.verification.request',
    body: 'verify me',
    timestamp: Date.now(),
    transaction_id: 'stranger',
  });
  const fresh = await otherDevice(rig, { signed: false });
  for (const phone of [mallory, fresh]) {
    await phone.send('m.room.message', request(phone));
    const inClear = await sendBare(rig, phone.token, 'm.room.message', request(phone));
    await sendBare(rig, phone.token, 'm.key.verification.start', {
      from_device: phone.device,
      method: 'm.sas.v1',
      key_agreement_protocols: ['curve25519-hkdf-sha256'],
      hashes: ['sha256'],
      message_authentication_codes: ['hkdf-hmac-sha256.v2'],
      short_authentication_string: ['decimal', 'emoji'],
      'm.relates_to': { rel_type: 'm.reference', event_id: inClear },
    });
  }
  await mallory.api('PUT', `/sendToDevice/m.key.verification.request/${Date.now()}`, {
    messages: { [rig.botUser]: { '*': request(mallory) } },
  });
  const before = await rig.entries('identity.enrolled');
  await genuine(rig);
  assert.deepEqual(bots, [], 'the bot said nothing to any of them');
  end();
  await allLeave(); // their phones take up every request too
  await assert.rejects(rig.console.pair(rig.phone, { answer: 'no' }), /not confirmed/);
  await genuine(rig);
  assert.deepEqual(await rig.entries('identity.enrolled'), before);
  // The twin: the one whose emoji the operator compared when all this began.
  const [first] = before;
  assert.equal(first?.author, 'operator');
  assert.equal((JSON.parse(first.body) as { device: string }).device, rig.phone.device);
});
