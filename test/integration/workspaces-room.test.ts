/** The rooms of workspaces: made once, whatever is cut off; everybody enrolled belongs in all of them; each its own answers. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { approve, askAndSee, chipsOf, endsWith, hears, numberOf } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import { createPhone } from '../phone/phone.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(() => rig?.stop());

const created = async () =>
  (await rig.entries('workspace.created')).map(
    (e) => JSON.parse(e.body) as { workspace: string; room: string },
  );

test('a bot killed between a room and its entry makes no second one: the same word again finishes it', async () => {
  await rig.ledger.kill();
  const cut = assert.rejects(rig.console.openWorkspace('shop'));
  // The invitation is the last step before the entry.
  const room = await rig.phone.until('the invitation', (p) => p.rooms().find((r) => r !== rig.room), 60);
  await rig.bot.kill('SIGKILL');
  await cut;
  await rig.ledger.restart();
  assert.deepEqual(await created(), [{ workspace: 'main', room: rig.room }]);
  await rig.bot.start();
  assert.equal(await rig.console.openWorkspace('shop'), room);
  assert.equal(await rig.console.openWorkspace('shop'), room, 'and a third time changes nothing');
  assert.deepEqual(await created(), [
    { workspace: 'main', room: rig.room },
    { workspace: 'shop', room },
  ]);
  assert.deepEqual(rig.phone.rooms(), [rig.room, room]);
  await assert.rejects(rig.console.openWorkspace('../shop'), /no command/);
});

test('each room has its own cards and words: no answer in one counts in another', async () => {
  const room = await rig.console.openWorkspace('shop');
  const there = await askAndSee(rig.phone, '!run echo "$((6 * 7)) there"', room);
  assert.equal(there.room, room);
  const here = await askAndSee(rig.phone, '!run echo "$((6 * 7)) here"');
  assert.equal(here.room, rig.room);
  await hears(
    rig.phone,
    '!workspaces',
    'main, this room: 1 waiting or under way\nshop: 1 waiting or under way',
  );
  await hears(rig.phone, '!pending', `#${numberOf(here)} run a command · waits`);
  // The right key, tapped in the other room: it is a reaction to a card of this one.
  const tap = { rel_type: 'm.annotation', event_id: here.id, key: chipsOf(there).named };
  await rig.phone.send('m.reaction', { 'm.relates_to': tap }, rig.room);
  const stopped = await hears(rig.phone, '!stop', 'Stopped: 1.');
  assert.ok(stopped);
  await endsWith(rig.phone, here, 'denied by you (stopped). Nothing was run.');
  assert.equal(await rig.claims(), 0);
  await approve(rig.phone, there);
  await endsWith(rig.phone, there, '✅ ended with exit 0');
  assert.equal(await rig.claims(), 1);
});

test('somebody who is paired later is invited to every room, and to those that are made after', async () => {
  const ann = await createPhone({
    homeserver: rig.homeserver.url,
    ...(await rig.homeserver.register('ann')),
  });
  try {
    await ann.setUpCrossSigning();
    await rig.pair(ann, 'asks');
    const later = await rig.console.openWorkspace('later');
    await ann.until('all three', (p) => p.rooms().length === 3);
    assert.deepEqual([...ann.rooms()].sort(), (await created()).map((w) => w.room).sort());
    await rig.phone.until('the owner there too', (p) => p.rooms().includes(later));
    // It refuses to send before it has seen that the room is encrypted.
    await until('her words', () => ann.say('!run echo by-ann', later));
    // Somebody else reads along by now, so it is a poll that has to be answered.
    const card = await rig.phone.until('the card', (p) =>
      p.cards().find((c) => c.room === later && c.answers.length === 2),
    );
    assert.match(card.text, /by-ann/);
  } finally {
    await ann.close();
  }
});
