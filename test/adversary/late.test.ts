/** Time: an answer that the homeserver holds back until the card's decide-by has passed. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import { approve, codeOf, genuine, pollOf, waiting } from './scene.ts';

let rig: Rig;
before(async () => {
  rig = await startRig({ decide_within: 12 });
});
after(() => rig?.stop());

test('attack-10 a tap, a vote and a code held back until decide-by has passed approve nothing', async () => {
  const w = await waiting(rig, 'late');
  const { poll, ok } = await pollOf(rig, w);
  const { code } = await codeOf(rig, w);
  const hold = rig.hostile.hold((e) => e.sender === rig.owner.user);
  await approve(rig.phone, w.card);
  await rig.phone.vote(poll, [ok]);
  await rig.phone.say(code);
  await until('all three held back', () => hold.held.length === 3);
  await rig.reached(w.action, 'expired');
  hold.end();
  for (const event of hold.held) await rig.hostile.inject(rig.room, { ...event, origin_server_ts: 1 });
  const lines = await genuine(rig);
  assert.deepEqual(await rig.storyOf(w.action), ['requested', 'posted', 'expired']);
  assert.ok(!lines.includes(w.name));
});
