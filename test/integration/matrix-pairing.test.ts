import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RefusedLeak, RefusedPlain } from '../../bot/src/proof/post.ts';
import type { RoomId, UserId } from '../../bot/src/types.ts';
import { hostileHomeserver } from '../harness/hostile.ts';
import { until } from '../harness/wait.ts';
import { createPhone, type Phone } from '../phone/phone.ts';
import { comparing, readOn, startWorld, type World } from './matrix-world.ts';

let w: World;
before(async () => {
  w = await startWorld();
});
after(() => w.stop());

const say = (body: string, txn?: string) =>
  w.matrix.post(w.room, 'm.room.message', { msgtype: 'm.text', body }, txn ? { txn } : {});
const devicesOfBot = async () => {
  const keys = await w.phone.api('POST', '/keys/query', { device_keys: { [w.bot.user]: [] } });
  return (keys['device_keys'] as Record<string, Record<string, { signatures: Record<string, object> }>>)[
    w.bot.user
  ];
};

test('the bot has one device, signed by an identity of its own', async () => {
  const devices = await devicesOfBot();
  assert.deepEqual(Object.keys(devices ?? {}), [w.matrix.device]);
  const signatures = devices?.[w.matrix.device]?.signatures[w.bot.user] ?? {};
  assert.equal(Object.keys(signatures).length, 2, 'by the device itself and by the self-signing key');
});

test('pairing waits for the invitation to be accepted, and for an identity, and goes on by itself', async (t) => {
  const other = await w.homeserver.register('other');
  const user = other.user as UserId;
  const room = await w.matrix.createWorkspaceRoom({ name: 'second', invite: [user] });
  const told: string[] = [];
  const phone = Promise.withResolvers<Phone>();
  const paired = w.matrix.pair(room, user, {
    waits: (what) => void told.push(what),
    compare: async (emoji) => comparing(await phone.promise).compare(emoji),
  });
  const waitsFor = (what: string) => until(what, () => told.includes(what));
  await waitsFor('invitation');
  const fresh = await createPhone({ homeserver: w.homeserver.url, ...other });
  t.after(() => fresh.close());
  await waitsFor('identity');
  await fresh.setUpCrossSigning();
  phone.resolve(fresh);
  assert.equal((await paired).device, fresh.device);
  assert.deepEqual([...new Set(told)], ['invitation', 'identity', 'phone', 'emoji']);
});

test('attack-20 a refused pairing leaves nothing behind; a stranger’s request is never taken up', async () => {
  await w.phone.send('m.key.verification.start', { from_device: w.phone.device, method: 'm.sas.v1' });
  const refused = w.matrix.pair(w.room, w.owner.user as UserId, {
    waits: () => {},
    async compare() {
      await w.phone.verification();
      return false;
    },
  });
  await assert.rejects(refused, /not confirmed/);
  const identity = await w.matrix.identityNow(w.owner.user as UserId);
  assert.equal(identity?.verified, false);
  const event = await say('nobody is enrolled');
  assert.equal(await readOn(w.phone, event), 'unreadable');
});

test('attack-20 what a phone begins by itself is answered while the operator waits for it, and not before', async (t) => {
  const [third, stranger] = [await w.homeserver.register('third'), await w.homeserver.register('stranger')];
  const user = third.user as UserId;
  const invite = [user, stranger.user as UserId];
  const room = await w.matrix.createWorkspaceRoom({ name: 'third', invite });
  const network = await hostileHomeserver(w.homeserver.url);
  const request = network.hold((e) => e.content['msgtype'] === 'm.key.verification.request');
  const phone = await createPhone({ homeserver: network.url, ...third });
  const other = await createPhone({ homeserver: w.homeserver.url, ...stranger });
  t.after(async () => {
    for (const each of [phone, other]) await each.close();
    await network.stop();
  });
  for (const each of [phone, other]) {
    await each.until('the invitation', (p) => p.rooms().includes(room));
    await each.setUpCrossSigning();
    await each.say('hello', room); // only who spoke to them knows the bot's devices
  }
  const said: string[] = [];
  t.after(w.hostile.onAnswer(({ path }) => void (path.includes('/m.key.verification.') && said.push(path))));
  await other.verify(w.bot.user, w.matrix.device);
  await w.took(await w.phone.say('after it'));
  assert.equal(said.length, 0, 'the bot says nothing to it');
  const paired = w.matrix.pair(room, user, comparing(phone));
  await until('the request that never reaches the phone', () => request.held.length > 0);
  await phone.verify(w.bot.user, w.matrix.device);
  assert.equal((await paired).device, phone.device);
  assert.match(said.join(), /sendToDevice\/m.key.verification.ready/);
});

test('pairing names the device that compared, in about a second, and that device reads from then on', async (t) => {
  const start = performance.now();
  const device = await w.pair();
  t.diagnostic(`pairing took ${Math.round(performance.now() - start)} ms`);
  assert.equal(device.device, w.phone.device);
  const identity = await w.matrix.identityNow(w.owner.user as UserId);
  assert.deepEqual(identity, { verified: true, violation: false, master: device.master });
  w.enrolled.push(device);
  assert.equal(await readOn(w.phone, await say('welcome')), 'welcome');
});

test('attack-03 a cross-signed device that nobody enrolled reads nothing; once enrolled it reads; removed, no more', async () => {
  const second = await w.second();
  await second.restore(w.recoveryKey);
  await w.matrix.forceQuery(w.owner.user as UserId);
  const first = await say('for the phone alone');
  assert.equal(await readOn(w.phone, first), 'for the phone alone');
  assert.equal(await readOn(second, first), 'unreadable');

  const keys = await w.matrix.deviceNow(w.owner.user as UserId, second.device as typeof w.matrix.device);
  assert.ok(keys?.crossSigned && keys.blacklisted);
  const [owner] = w.enrolled;
  assert.ok(owner);
  w.enrolled.push({ ...owner, device: keys.device, ed25519: keys.ed25519, curve25519: keys.curve25519 });
  const both = await say('for both');
  assert.equal(await readOn(second, both), 'for both');
  assert.equal(await readOn(w.phone, both), 'for both');
  assert.equal(await readOn(second, first), 'unreadable');

  w.enrolled.pop();
  const last = await say('for the phone again');
  assert.equal(await readOn(w.phone, last), 'for the phone again');
  assert.equal(await readOn(second, last), 'unreadable');
  await second.close();
});

test('attack-48 an enrolled id with other keys gets nothing', async () => {
  const [owner] = w.enrolled;
  assert.ok(owner);
  w.enrolled[0] = { ...owner, curve25519: 'A'.repeat(43) };
  assert.equal(await readOn(w.phone, await say('not for these keys')), 'unreadable');
  w.enrolled[0] = owner;
  assert.equal(await readOn(w.phone, await say('for the real ones')), 'for the real ones');
});

test('a room whose making is cut off, at whichever request, is the same room the next time', async () => {
  const rooms = async () =>
    Promise.all(
      w.phone
        .rooms()
        .map(async (room) =>
          String((await w.phone.api('GET', `/rooms/${encodeURIComponent(room)}/state/m.room.name/`))['name']),
        ),
    );
  const make = () => w.matrix.createWorkspaceRoom({ name: 'cut off', invite: [w.owner.user as UserId] });
  const cutAt = (part: string) =>
    w.hostile.onAnswer((e) => {
      if (e.method !== 'POST' || !e.path.includes(part)) return;
      e.status = 400;
      e.response = { errcode: 'M_UNKNOWN', error: 'cut off' };
    });
  let end = cutAt('/createRoom');
  const created = await make(); // the answer was lost, not the room
  end();
  end = cutAt('/invite');
  await assert.rejects(w.matrix.createWorkspaceRoom({ name: 'uninvited', invite: [w.owner.user as UserId] }));
  end();
  const invited = await w.matrix.createWorkspaceRoom({ name: 'uninvited', invite: [w.owner.user as UserId] });
  assert.equal(await make(), created);
  await w.phone.until('both invitations', (p) => [created, invited].every((r) => p.rooms().includes(r)));
  assert.deepEqual((await rooms()).sort(), ['cut off', 'main', 'uninvited']);
  await w.matrix.post(invited, 'm.room.message', { msgtype: 'm.text', body: 'encrypted from the start' });
});

test('attack-12 nothing is sent to a room that the bot did not make encrypted', async () => {
  const plain = (await w.phone.api('POST', '/createRoom', { preset: 'private_chat' }))['room_id'] as RoomId;
  await assert.rejects(w.matrix.post(plain, 'm.room.message', { body: 'x' }), RefusedPlain);
});

test('attack-49 what holds a secret is not sent, in no part of an event; the same without it is', async () => {
  const event = await say('nothing secret');
  const body = 'a secret';
  const outerRelation = { rel_type: 'm.reference', event_id: body };
  await assert.rejects(say(body), RefusedLeak);
  await assert.rejects(w.matrix.edit(w.room, event, { msgtype: 'm.text', body }), RefusedLeak);
  await assert.rejects(w.matrix.post(w.room, 'm.room.message', { msgtype: 'm.file', body }), RefusedLeak);
  await assert.rejects(w.matrix.post(w.room, 'm.reaction', {}, { outerRelation }), RefusedLeak);
  await w.took(await w.phone.say('after it'));
  assert.ok(!JSON.stringify(w.phone.timeline()).includes(body));
});

test('the same transaction is the same event', async () => {
  const [one, two] = [await say('once', 'txn-1'), await say('once', 'txn-1')];
  assert.equal(one, two);
  assert.notEqual(await say('once', 'txn-2'), one);
});

test('a sealed chip shows on the phone and its key is nowhere outside the ciphertext', async () => {
  const card = await say('a card');
  const key = '🦊 4F7KQ2ZD';
  const content = { 'm.relates_to': { rel_type: 'm.annotation', event_id: card, key } };
  const outerRelation = { rel_type: 'm.reference', event_id: card };
  await w.matrix.post(w.room, 'm.reaction', content, { outerRelation });
  const shown = await w.phone.until('the chip', (p) =>
    p.cards().find((c) => c.id === card && c.chips.length > 0),
  );
  assert.deepEqual(
    shown.chips.map((c) => c.key),
    [key],
  );
  const wire = w.phone.timeline().find((e) => e.id === shown.chips[0]?.id)?.wire;
  assert.equal(wire?.type, 'm.room.encrypted');
  assert.deepEqual(wire?.content['m.relates_to'], outerRelation);
  assert.ok(!JSON.stringify(wire).includes('4F7KQ2ZD'));
});

test('a file goes up encrypted and comes down whole', async () => {
  const bytes = Buffer.from('all of it\n'.repeat(1000));
  const content = await w.matrix.uploadEncrypted(
    [bytes.subarray(0, 1), bytes.subarray(1)],
    'a.txt',
    'text/plain',
  );
  const file = content['file'] as typeof content;
  assert.deepEqual(Buffer.from(await w.matrix.downloadEncrypted(file, bytes.length)), bytes);
  await assert.rejects(w.matrix.downloadEncrypted(file, bytes.length - 1), /was not taken/);
});

test('posting is quick', async (t) => {
  const times: number[] = [];
  for (let i = 0; i < 60; i++) {
    const start = performance.now();
    await say(`${i}`);
    times.push(performance.now() - start);
  }
  const p50 = times.sort((a, b) => a - b)[30] ?? 0;
  t.diagnostic(`p50 ${p50.toFixed(1)} ms`);
  assert.ok(p50 < 250, `${p50}`);
});

test('attack-13 somebody unexpected in the room is told', async () => {
  assert.deepEqual(w.troubles, []);
  const sender = w.bot.user;
  const content = { membership: 'join' };
  await w.hostile.inject(w.room, { type: 'm.room.member', state_key: '@ghost:x', sender, content });
  await w.hostile.inject(w.room, { type: 'm.room.encryption', state_key: '', sender, content: {} });
  await w.took(await w.phone.say('after it'));
  assert.match(w.troubles[0] ?? '', /@ghost:x, whom nobody expects/);
  assert.match(w.troubles[1] ?? '', /m.room.encryption was changed/);
});
