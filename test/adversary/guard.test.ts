/** A room that is not as the bot made it: what waits is void, a restart forgets nothing, the owner decides how to go on. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hears, sees } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { approve, genuine, mark, requestsWith, waiting } from './scene.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(() => rig?.stop());

test('attack-13 somebody unexpected is there: void, one alarm, nothing asked until the room is clean and the owner says !resume', async () => {
  const w = await waiting(rig, 'troubled');
  const ghost = {
    type: 'm.room.member',
    state_key: '@ghost:pocket.test',
    sender: rig.botUser,
    content: { membership: 'join' },
  };
  await rig.hostile.inject(rig.room, ghost);
  await rig.reached(w.action, 'void');
  await sees(rig.phone, '@ghost:pocket.test, whom nobody expects, is there');
  await rig.hostile.inject(rig.room, ghost);
  await approve(rig.phone, w.card);
  const own = mark('troubled-asks');
  await hears(rig.phone, own.command, 'Not asked: @ghost:pocket.test');
  const end = rig.hostile.onAnswer((e) => {
    if (e.path.endsWith('/state')) (e.response as object[]).push(ghost);
  });
  await hears(rig.phone, '!resume', 'Still off: @ghost:pocket.test');
  end();
  await rig.bot.kill();
  await rig.bot.start();
  await hears(rig.phone, own.command, 'Not asked: @ghost:pocket.test');
  await hears(rig.phone, '!resume', 'This room is as it was made');
  const lines = await genuine(rig);
  assert.ok(!lines.includes(w.name));
  assert.deepEqual(await rig.storyOf(w.action), ['requested', 'posted', 'void']);
  assert.equal(await requestsWith(rig, own.name), 0);
  assert.equal((await rig.entries('alarm')).length, 1);
  await hears(rig.phone, '!resume', 'Nothing is off here.');
});
