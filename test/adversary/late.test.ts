/** Time: an answer that the homeserver holds back until the card's decide-by has passed. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { WireEvent } from '../harness/hostile.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import { delay } from './kit/order.ts';
import { approve, coded, genuine, pollOf, stillRuns, waiting } from './scene.ts';

let rig: Rig;
before(async () => {
  rig = await startRig({ decide_within: 12 });
});
after(() => rig?.stop());

const owners = (e: WireEvent): boolean => e.sender === rig.owner.user;

test('attack-10 a tap, a vote and a code held back until decide-by has passed approve nothing', async () => {
  const w = await waiting(rig, 'late');
  const { poll, ok } = await pollOf(rig, w);
  const long = await coded(rig, 'late-code');
  const hold = rig.hostile.hold(owners);
  await approve(rig.phone, w.card);
  await rig.phone.vote(poll, [ok]);
  await rig.phone.say(long.code);
  await until('all three held back', () => hold.held.length === 3);
  for (const { action } of [w, long]) await rig.reached(action, 'expired');
  hold.end();
  for (const event of hold.held) await rig.hostile.inject(rig.room, { ...event, origin_server_ts: 1 });
  const lines = await genuine(rig);
  for (const { action, name } of [w, long]) {
    assert.deepEqual(await rig.storyOf(action), ['requested', 'posted', 'expired']);
    assert.ok(!lines.includes(name));
  }
});

test('attack-11 a late answer is dated into its time, one in time is dated away: only the ledger’s clock counts', async () => {
  const w = await waiting(rig, 'backdated');
  const long = await coded(rig, 'backdated-code');
  const posted = await until('the card came back', () => rig.hostile.passed().get(w.card.id));
  const late = delay(rig.hostile, rig.room, owners);
  await approve(rig.phone, w.card);
  await rig.phone.say(long.code);
  await until('both held back', () => late.held.length === 2);
  for (const { action } of [w, long]) await rig.reached(action, 'expired');
  const origin_server_ts = posted.origin_server_ts + 1;
  await late.release((events) => events.map((e) => ({ ...e, origin_server_ts, unsigned: { age: 1 } })));
  await genuine(rig);
  for (const { action } of [w, long])
    assert.deepEqual(await rig.storyOf(action), ['requested', 'posted', 'expired']);
  const inTime = await waiting(rig, 'postdated');
  const dated = rig.hostile.rewrite(owners, (e) => {
    e.origin_server_ts = 4_000_000_000_000;
  });
  const tap = await approve(rig.phone, inTime.card);
  assert.equal(await dated, tap);
  await stillRuns(rig, inTime, async () => tap);
});
