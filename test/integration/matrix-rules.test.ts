import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { violated } from '../../bot/src/proof/rules.ts';
import type { Taken, UserId } from '../../bot/src/types.ts';
import { until } from '../harness/wait.ts';
import type { Phone } from '../phone/phone.ts';
import { startWorld, type World } from './matrix-world.ts';

/** Each rule's attack on real clients' crypto, and its genuine twin. */
let w: World;
before(async () => {
  w = await startWorld();
  w.enrolled.push(await w.pair());
});
after(() => w.stop());

const judged = async (event: string): Promise<string | undefined> =>
  violated(await w.took(event), w.enrolled, w.matrix);
const twin = async (phone: Phone = w.phone): Promise<Taken> => {
  const id = await phone.say('genuine');
  assert.equal(await judged(id), undefined);
  return w.took(id);
};
/** The same ciphertext, served as the test wants it. */
const served = (t: Taken, over: object) => w.hostile.inject(w.room, { ...t.wire, ...over });

test('attack-45 rule 1: what was not encrypted counts for nothing', async () => {
  await twin();
  const sender = w.owner.user;
  const forged = { type: 'm.room.message', sender, content: { msgtype: 'm.text', body: '!run x' } };
  assert.match((await judged(await w.hostile.inject(w.room, forged))) ?? '', /^1: not encrypted/);
});

test('attack-02 rule 1: a fresh, unsigned device of the owner’s account counts for nothing', async () => {
  const thief = await w.second();
  const id = await thief.say('from the thief');
  assert.match((await judged(id)) ?? '', /^1: not decrypted: (UnsignedSenderDevice|UnknownSenderDevice)/);
  await twin();
  await thief.close();
});

test('attack-03 rule 3: a device signed with the recovery key counts only once it is enrolled', async () => {
  const second = await w.second();
  await second.restore(w.recoveryKey);
  const id = await second.say('signed, not enrolled');
  assert.match((await judged(id)) ?? '', /^3: device .* is not enrolled/);
  await w.matrix.forceQuery(w.owner.user as UserId);
  const now = await w.matrix.deviceNow(w.owner.user as UserId, second.device as typeof w.matrix.device);
  const [owner] = w.enrolled;
  assert.ok(now && owner);
  w.enrolled.push({ ...owner, device: now.device, ed25519: now.ed25519, curve25519: now.curve25519 });
  await w.matrix.post(w.room, 'm.room.message', { body: 'shares with it, so it is no longer blacklisted' });
  await twin(second);
  await second.api('POST', '/logout', {});
  w.enrolled.pop();
  await second.close();
});

test('attack-48 rule 3: an enrolled id with other keys counts for nothing', async () => {
  const genuine = await twin();
  const [owner] = w.enrolled;
  assert.ok(owner);
  const other = [{ ...owner, ed25519: 'A'.repeat(43) }];
  assert.match((await violated(genuine, other, w.matrix)) ?? '', /^3:/);
});

test('attack-05 rule 5: a genuine ciphertext under another sender counts for nothing', async () => {
  const genuine = await twin();
  for (const sender of [w.bot.user, '@somebody:pocket.test']) {
    const id = await served(genuine, { sender, event_id: `$swapped-${sender}` });
    assert.match((await judged(id)) ?? '', /^[156]:/, sender);
  }
  const outer = { ...genuine, wire: { ...genuine.wire, sender: w.bot.user as UserId } };
  assert.match((await violated(outer, w.enrolled, w.matrix)) ?? '', /^5:/);
});

test('attack-08 rule 6: a replay counts for nothing, and a second delivery is not taken', async () => {
  const genuine = await twin();
  const replayed = await served(genuine, { event_id: '$replayed' });
  assert.match((await judged(replayed)) ?? '', /^6: seen before/);
  const before = w.taken.length;
  await served(genuine, {});
  await twin();
  assert.equal(w.taken.length, before + 1, 'the second delivery was left out');
  assert.equal(await violated(genuine, w.enrolled, w.matrix), undefined, 'judged again it still holds');
});

test('what came before its key is heard when the key comes, once, and passes the rules then', async () => {
  const keys: unknown[] = [];
  const end = w.hostile.onSync((sync) => {
    keys.push(...(sync.to_device?.events?.splice(0) ?? []));
  });
  await w.phone.newRoomKey();
  const id = await w.phone.say('held back');
  assert.match((await judged(id)) ?? '', /^1: not decrypted: MissingRoomKey/);
  end();
  await w.hostile.push((sync) => {
    sync.to_device = { events: keys };
  });
  const all = () => w.taken.filter((t) => t.wire.event_id === id);
  const late = await until('it is taken again', () => all()[1]);
  assert.deepEqual([late.late, late.content['body']], [true, 'held back']);
  assert.equal(await violated(late, w.enrolled, w.matrix), undefined);
  await served(late, {});
  await twin();
  assert.equal(all().length, 2, 'and not a third time');
  assert.equal(await w.matrix.read(w.room, late.wire.event_id), 'held back', 'looked up again');
});

test('attack-17 rule 6: an edit counts for nothing', async () => {
  const genuine = await twin();
  const id = await w.phone.edit(genuine.wire.event_id, 'changed');
  assert.match((await judged(id)) ?? '', /^6: an edit/);
});

test('attack-09 a relation grafted onto a ciphertext does not reach the content', async () => {
  const genuine = await twin();
  const content = { ...genuine.wire.content, 'm.relates_to': { rel_type: 'm.thread', event_id: '$other' } };
  const id = await served(genuine, { event_id: '$grafted', content });
  assert.match((await judged(id)) ?? '', /^6: seen before/);
});

test('a homeserver that hides the owner’s keys is noticed', async () => {
  const undo = w.hostile.onAnswer((e) => {
    if (e.path.includes('/keys/query')) e.response = { device_keys: {}, failures: {} };
  });
  await assert.rejects(w.matrix.forceQuery(w.owner.user as UserId), /did not answer for the keys/);
  undo();
  await w.matrix.forceQuery(w.owner.user as UserId);
});

test('attack-04 rule 4: after an identity reset nothing counts until the owner is paired again', async () => {
  await twin();
  await w.phone.identityReset();
  await w.matrix.forceQuery(w.owner.user as UserId);
  const id = await w.phone.say('after the reset');
  assert.match((await judged(id)) ?? '', /^[134]:/);
  await w.phone.newRoomKey();
  assert.match((await judged(await w.phone.say('with a new key'))) ?? '', /^[134]:/);
  const again = await w.pair();
  assert.notEqual(again.master, w.enrolled[0]?.master);
  assert.match((await judged(await w.phone.say('paired, not yet recorded'))) ?? '', /^4:/);
  w.enrolled[0] = again;
  await twin();
});
