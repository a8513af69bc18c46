/** Parts that are down for a while, on real ones: the room is told once, is told when they are back, and nothing is lost. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { approve, askAndSee, editOf, endsWith, hears, outputOf, sees } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(() => rig?.stop());

/** Messages of the bot's, edits apart, that say this; the phone shows each as its last edit has it, once that came. */
const saying = (what: RegExp): string[] =>
  rig.phone
    .timeline()
    .filter((e) => e.sender !== rig.phone.user && !editOf(e))
    .map((e) => String(e.content['body'] ?? ''))
    .filter((body) => what.test(body));

const executorOutage = /Nothing is heard of the executor|The executor is back/;

test('an executor that is gone is told, and what was approved meanwhile runs when it is back', async () => {
  const { phone, executor } = rig;
  await executor.kill();
  const card = await askAndSee(phone, '!run echo "$((6 * 7)) afterwards"');
  await approve(phone, card);
  assert.match(
    await sees(phone, 'Nothing is heard of the executor', 90),
    /starts when it is back, or expires/,
  );
  assert.match(await hears(phone, '!status', 'executor'), /^⚠️ down: executor\n✅ up: .*ledger/);
  await executor.start();
  await endsWith(phone, card, 'exit 0', 30);
  assert.match(await sees(phone, 'The executor is back', 90), / \(\d\d:\d\d to \d\d:\d\d\)/);
  assert.equal(saying(executorOutage).length, 1);
  assert.equal(await rig.claims(), 1);
});

test('a ledger that is gone is told, also by a bot that was restarted meanwhile; a tap waits for it', async () => {
  const { phone, ledger } = rig;
  const card = await askAndSee(phone, '!run echo "$((6 * 7)) tapped meanwhile"');
  await ledger.kill();
  await sees(phone, 'The ledger is down', 90);
  assert.match(await hears(phone, '!run echo never', 'The ledger does not answer'), /^⚠️/);
  await approve(phone, card);
  await rig.bot.kill();
  await ledger.restart();
  await rig.bot.start();
  await endsWith(phone, card, 'exit 0', 30);
  await sees(phone, 'The ledger is back', 90);
  assert.equal(saying(/The ledger is (down|back)/).length, 1);
  assert.equal(saying(executorOutage).length, 1, 'only what was told before');
});

test('a homeserver that is away for a moment is not told; output that came meanwhile comes once', async () => {
  const { phone, homeserver, bot } = rig;
  const card = await askAndSee(phone, '!run for i in 1 2 3 4 5 6 7 8; do echo "line $i"; sleep 1; done');
  await approve(phone, card);
  await sees(phone, 'line 2', 30);
  await homeserver.halt();
  await bot.said('homeserver down');
  await until('the action to be over', async () => (await rig.entries('succeeded')).length === 3, {
    seconds: 30,
  });
  await homeserver.resume();
  await endsWith(phone, card, 'exit 0', 60);
  const all = Array.from({ length: 8 }, (_, i) => `line ${i + 1}`);
  assert.equal(await outputOf(phone, card), all.join('\n'));
  assert.deepEqual(saying(/homeserver was away/), []);
});
