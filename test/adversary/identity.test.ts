/** The owner's identity is replaced, as by somebody with the account's password; beside it, a harmless new device. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sees } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import { allLeave, otherDevice } from './people.ts';
import { approve, genuine, mark, requestsWith, stillRuns, waiting } from './scene.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(async () => {
  await allLeave();
  await rig?.stop();
});

const identityAlarms = async () =>
  (await rig.entries('alarm')).filter((e) => e.body.includes('the identity of'));

test('attack-45 a device that is not paired is told of once, in the room and in the ledger', async () => {
  const second = await otherDevice(rig, { signed: true });
  const own = mark('second');
  for (let i = 0; i < 3; i++) await second.say(own.command);
  await sees(rig.phone, `not paired (${second.device})`);
  await genuine(rig);
  assert.equal(await requestsWith(rig, own.name), 0);
  const alarms = (await rig.entries('alarm')).map((e) => JSON.parse(e.body) as { reason: string });
  assert.deepEqual(
    alarms.map((a) => a.reason),
    ['ignored: unpaired'],
  );
});

test('attack-04 with a card open the owner’s identity is reset: void, un-enrolled, one alarm; paired again all works', async () => {
  // The twin: the device list changed by the device above, and nothing came of it.
  assert.deepEqual(await rig.entries('identity.changed'), []);
  await allLeave();
  const w = await waiting(rig, 'reset');
  await rig.phone.identityReset();
  const changed = await until(
    'the change in the ledger',
    async () => (await rig.entries('identity.changed'))[0],
  );
  assert.equal((JSON.parse(changed.body) as { user: string }).user, rig.owner.user);
  await rig.reached(w.action, 'void');
  await approve(rig.phone, w.card);
  const own = mark('after-reset');
  await rig.phone.say(own.command);
  await until('the alarm', async () => (await identityAlarms()).length === 1);
  await rig.pair(rig.phone);
  await genuine(rig);
  assert.deepEqual(await rig.storyOf(w.action), ['requested', 'posted', 'void']);
  assert.equal(await requestsWith(rig, own.name), 0);
  assert.equal((await identityAlarms()).length, 1);
  const again = await waiting(rig, 'paired-again');
  await stillRuns(rig, again, () => approve(rig.phone, again.card));
});

test('attack-04 reset while the bot is down: found when it starts', async () => {
  const w = await waiting(rig, 'reset-meanwhile');
  await rig.bot.kill();
  await rig.phone.identityReset();
  await rig.bot.start();
  await rig.reached(w.action, 'void');
  assert.equal((await rig.entries('identity.changed')).length, 2);
  await rig.pair(rig.phone);
  const lines = await genuine(rig);
  assert.ok(!lines.includes(w.name));
});
