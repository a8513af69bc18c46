/** Two tasks at once, one of them apart: what it does stays in its copy until a card that shows all of it was approved. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { approve, askAndSee, endsWith, hears, numberOf, outputOf, sees } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import type { Card } from '../phone/types.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(async () => {
  await rig?.stop();
});

const actionOf = async (card: Card): Promise<string> =>
  (await rig.entries('requested'))[numberOf(card) - 1]?.action ?? '';
/** Runs it by a card, in the task that is spoken to. Returns what it printed. */
async function run(script: string, ending = '✅ ended with exit 0'): Promise<string> {
  const card = await askAndSee(rig.phone, `!run ${script}`);
  await approve(rig.phone, card);
  await endsWith(rig.phone, card, ending);
  return outputOf(rig.phone, card);
}
const turnTo = (n: number) => hears(rig.phone, `!task ${n}`, `goes to task ${n} now`);

test('attack-65 what a task does apart is in no other tree before its merge was approved; the twin, approved, is, and can be undone', async () => {
  const { phone } = rig;
  await run("mkdir src; printf '1\\n2\\n' > src/a; echo b > b; echo shared > shared");
  await hears(phone, '!new —apart the fix', 'New task 2, apart');
  const card = await askAndSee(phone, "!run printf '1\\n2\\n3\\n' > src/a; rm b; echo n > n; ls /main");
  assert.match(card.text, /^⑂ apart: in this task’s own copy of the workspace$/m);
  await approve(phone, card);
  await endsWith(phone, card, '1 file changed, 1 added, 1 removed');
  assert.equal(await outputOf(phone, card), 'b\nshared\nsrc');
  assert.match(await hears(phone, '!tasks', 'the fix: '), /👉 2 · the fix: apart · idle/);
  const early = numberOf(card);

  await turnTo(1);
  assert.equal(await run('cat src/a; ls'), '1\n2\nb\nshared\nsrc');
  await run('echo of task 1 > own');

  const no = await askAndSee(phone, '!merge 2');
  for (const line of ['(+2 -1 lines)', 'adds: n', 'removes: b', 'changes: src/a'])
    assert.ok(no.text.includes(line), `${line} in ${no.text}`);
  assert.doesNotMatch(no.text, /⑂/);
  await phone.tap(no.id, '❌');
  await endsWith(phone, no, 'denied');
  assert.equal(await run('cat src/a'), '1\n2');

  const swapped = await askAndSee(phone, '!merge 2');
  await turnTo(2);
  await run('echo evil > n');
  await approve(phone, swapped);
  await endsWith(phone, swapped, 'exit 1');
  await sees(phone, 'the copy or the workspace is not as it was when the card was made');
  await turnTo(1);
  assert.equal(await run('cat src/a; ls'), '1\n2\nb\nown\nshared\nsrc');

  const yes = await askAndSee(phone, '!merge 2');
  await approve(phone, yes);
  await endsWith(phone, yes, '✅ done');
  assert.equal(await run('cat src/a n; ls'), '1\n2\n3\nevil\nn\nown\nshared\nsrc');

  // Each undo is one of the tree that its action worked in, whatever task is spoken to.
  await turnTo(2);
  const back = await askAndSee(phone, `!undo ${numberOf(yes)}`);
  assert.doesNotMatch(back.text, /⑂/);
  await approve(phone, back);
  await endsWith(phone, back, '✅ done');
  assert.equal(await run('cat n'), 'evil');
  await turnTo(1);
  assert.equal(await run('cat src/a; ls'), '1\n2\nb\nown\nshared\nsrc');
  const own = await askAndSee(phone, `!undo ${early}`);
  assert.match(own.text, /^⑂ apart/m);
  await approve(phone, own);
  await endsWith(phone, own, '✅ done');
  await turnTo(2);
  assert.equal(await run('cat src/a; ls'), '1\n2\nb\nshared\nsrc');
});

test('what both changed is named and nothing is merged, nor is anything while something runs; a number of no such task is said', async () => {
  const { phone } = rig;
  await run('echo of task 2 > shared; echo free > free');
  await turnTo(1);
  await run('echo of task 1 > shared');
  const told = await hears(phone, '!merge 2', 'both: shared');
  assert.match(told, /nothing was merged, for both changed these/);
  await hears(phone, '!merge 1', 'works in the workspace itself: there is nothing to merge');
  await hears(phone, '!merge 9', 'There is no task 9 here');
  await hears(phone, '!merge', 'Not understood');

  await turnTo(2);
  await run('cp /main/shared .');
  const card = await askAndSee(phone, '!merge 2');
  const long = await askAndSee(phone, '!run until [ -e go ]; do sleep 0.1; done');
  await approve(phone, long);
  await rig.reached(await actionOf(long), 'running');
  await approve(phone, card);
  await sees(phone, 'another action runs in this workspace or in the copy');
  await phone.say('!stop 2');
  await endsWith(phone, long, 'stopped');
  const again = await askAndSee(phone, '!merge 2');
  await approve(phone, again);
  await endsWith(phone, again, '✅ done');
  await turnTo(1);
  assert.equal(await run('cat free shared'), 'free\nof task 1');
});

test('the executor killed in the middle of a merge: all of it is there, or nothing, and it is told as unknown', async () => {
  const { phone } = rig;
  const count = 40;
  await turnTo(2);
  await run(`mkdir many; for i in {1..${count}}; do head -c 4M /dev/zero > many/$i; done`);
  const card = await askAndSee(phone, '!merge 2');
  await approve(phone, card);
  const action = await actionOf(card);
  await rig.reached(action, 'running');
  await rig.executor.kill();
  await rig.executor.start();
  const { kind, body } = await rig.reached(action, 'unknown', 'succeeded');
  if (kind === 'unknown') assert.match(body, /say the same !merge again.*or !undo \d+/);
  await turnTo(1);
  const there = await run('ls many 2> /dev/null | wc -l');
  assert.ok(['0', String(count)].includes(there));
  if (there === String(count)) return void (await hears(phone, '!merge 2', 'nothing to merge'));
  const again = await askAndSee(phone, '!merge 2');
  await approve(phone, again);
  await endsWith(phone, again, '✅ done');
  assert.equal(await run('ls many | wc -l'), String(count));
});
