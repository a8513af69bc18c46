/** Each process killed once mid-way and started again: nothing is lost, and nothing runs twice. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { approve, askAndSee, chipsOf, endsWith, numberOf, outputOf, sees } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import type { Card } from '../phone/types.ts';

let rig: Rig;

before(async () => {
  rig = await startRig();
});
after(async () => {
  await rig?.stop();
});

/** Each script leaves its name once a run in a file that the last test reads. */
const names: string[] = [];
async function ask(name: string, script = ''): Promise<Card> {
  names.push(name);
  return askAndSee(rig.phone, `!run echo ${name} >> runs; ${script}`);
}
const actionOf = async (card: Card): Promise<string> =>
  (await rig.entries('requested'))[numberOf(card) - 1]?.action ?? '';
const story = ['requested', 'posted', 'approved', 'claimed', 'running', 'succeeded'];
/** How many messages, edits apart, say this. */
const saying = (text: string): number =>
  rig.phone
    .timeline()
    .filter((e) => e.sender !== rig.phone.user && !e.content['m.new_content'])
    .filter((e) => String(e.content['body'] ?? '').includes(text)).length;

async function endedWell(card: Card): Promise<void> {
  await endsWith(rig.phone, card, '✅ ended with exit 0', 30);
  assert.deepEqual(await rig.storyOf(await actionOf(card)), story);
}

test('bot killed while a card is open: a tap that came meanwhile counts', async () => {
  const card = await ask('tapped-while-down', 'echo counted');
  await rig.bot.kill();
  await approve(rig.phone, card);
  await rig.bot.start();
  await endedWell(card);
  assert.equal(await outputOf(rig.phone, card), 'counted');
});

test('bot killed while a card is open: a ❌ that came meanwhile counts', async () => {
  const card = await askAndSee(rig.phone, '!run echo never >> runs');
  await rig.bot.kill();
  await rig.phone.tap(card.id, '❌');
  await rig.bot.start();
  await endsWith(rig.phone, card, 'denied by you (❌ on the card)', 30);
  assert.deepEqual(await rig.storyOf(await actionOf(card)), ['requested', 'posted', 'denied']);
});

test('bot killed after the decision: the room is told how it ended, once', async () => {
  const card = await ask('decided', 'sleep 2; echo told');
  await approve(rig.phone, card);
  const action = await actionOf(card);
  await rig.reached(action, 'running');
  await rig.bot.kill();
  await rig.reached(action, 'succeeded');
  await rig.bot.start();
  await endedWell(card);
  assert.equal(await outputOf(rig.phone, card), 'told');
  assert.equal(saying(`#${numberOf(card)} `), 1, 'its card alone');
});

test('bot killed while output comes: its card ends with all of it', async () => {
  const card = await ask('watched', 'for i in one two three; do echo $i; sleep 2; done');
  await approve(rig.phone, card);
  await endsWith(rig.phone, card, '\n| one');
  await rig.bot.kill();
  await rig.reached(await actionOf(card), 'succeeded');
  await rig.bot.start();
  await endedWell(card);
  assert.equal(await outputOf(rig.phone, card), 'one\ntwo\nthree');
  assert.equal(saying(`#${numberOf(card)} `), 1, 'its card alone');
});

test('executor killed while a script runs: it runs on, its output is complete', async () => {
  const card = await ask('outlived', 'for i in 1 2 3 4; do echo step $i; sleep 1; done');
  await approve(rig.phone, card);
  await sees(rig.phone, 'step 1');
  await rig.executor.kill();
  await rig.executor.start();
  await endedWell(card);
  await sees(rig.phone, '| step 1\n| step 2\n| step 3\n| step 4');
});

test('executor killed before the tap: what was approved meanwhile runs when it is back', async () => {
  await rig.executor.kill();
  const card = await ask('approved-while-down');
  await approve(rig.phone, card);
  await rig.reached(await actionOf(card), 'approved');
  await rig.executor.start();
  await endedWell(card);
});

test('ledger killed while a tap comes: the tap counts when it is back', async () => {
  const card = await ask('ledger-down');
  await rig.ledger.kill();
  await approve(rig.phone, card);
  await rig.ledger.restart();
  await endedWell(card);
});

test('ledger killed while a script runs: its result is recorded when it is back', async () => {
  const card = await ask('ledger-down-while-running', 'sleep 3; echo recorded');
  await approve(rig.phone, card);
  await rig.reached(await actionOf(card), 'running');
  const losses = () => rig.executor.log.filter((line) => line.msg === 'ledger down').length;
  const before = losses();
  await rig.ledger.kill();
  await until('the executor to miss it', () => losses() > before);
  await rig.ledger.restart();
  await endedWell(card);
  await sees(rig.phone, 'recorded');
});

test('homeserver killed while a card is open: the card takes its tap when it is back', async () => {
  const card = await ask('homeserver-down');
  const { named } = chipsOf(card);
  await rig.homeserver.halt();
  await rig.homeserver.resume();
  await rig.phone.tap(card.id, named);
  await endedWell(card);
});

test('homeserver killed while a script runs: the output comes when it is back', async () => {
  const card = await ask('homeserver-down-while-running', 'sleep 2; echo arrived');
  await approve(rig.phone, card);
  const action = await actionOf(card);
  await rig.reached(action, 'running');
  await rig.homeserver.halt();
  await rig.reached(action, 'succeeded');
  await rig.homeserver.resume();
  await sees(rig.phone, 'arrived', 60);
  await endedWell(card);
});

test('nothing was lost and nothing ran twice: one claim and one run each, and the ledger audits clean', async () => {
  const card = await askAndSee(rig.phone, '!run cat runs');
  await approve(rig.phone, card);
  assert.deepEqual((await outputOf(rig.phone, card)).split('\n'), names);
  assert.equal(await rig.claims(), names.length + 1);
  const report = await auditLedger(rig.audit);
  assert.equal(report.ok, true, JSON.stringify(report.off));
});
