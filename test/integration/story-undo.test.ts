/** Undo from the room: what it would change is shown, a card asks for exactly that, and the tree is as it was. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { findEngine } from '../../console/engine/engine.ts';
import { approve, askAndSee, endsWith, hears, numberOf, sees } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(async () => {
  await rig?.stop();
});

/** Runs it by a card. Returns its number, once it is over. */
async function run(script: string, ending: string): Promise<number> {
  const card = await askAndSee(rig.phone, `!run ${script}`);
  await approve(rig.phone, card);
  await endsWith(rig.phone, card, ending);
  return numberOf(card);
}

test('!undo shows what would change, then a card asks for exactly that; its yes brings the tree back, its no does not', async () => {
  const { phone } = rig;
  await run(
    "mkdir -p src; printf '1\\n2\\n' > src/a; echo keep > k; chmod 755 k",
    '2 files added (+3 −0 lines)',
  );
  const n = await run(
    'rm -r src; echo new > made; chmod 700 k',
    '1 file changed, 1 added, 1 removed (+1 −2 lines)',
  );

  const card = await askAndSee(phone, `!undo ${n}`);
  assert.match(card.text, /wants to undo/);
  for (const line of ['returns with 1 below: src/', 'vanishes: made', 'changes mode 700 to 755: k'])
    assert.ok(card.text.includes(line), `${line} in ${card.text}`);
  await phone.tap(card.id, '❌');
  await endsWith(phone, card, 'denied');
  await hears(phone, '!files', 'made');

  const again = await askAndSee(phone, `!undo #${n}.`);
  await approve(phone, again);
  await endsWith(phone, again, '✅ done');
  assert.equal((await rig.entries('succeeded')).length, 6);
  const listed = await hears(phone, '!files src', 'a  ');
  assert.match(listed, /a {2}4 bytes/);

  // The undo is an action too, and can be undone.
  const back = await askAndSee(phone, `!undo ${numberOf(again)}`);
  assert.ok(
    back.text.includes('returns: made') && back.text.includes('vanishes with 1 below: src/'),
    back.text,
  );
  await approve(phone, back);
  await endsWith(phone, back, '✅ done');
  await hears(phone, '!files', 'made');
});

test('attack-64 what waits is tried in a copy: what it would do is shown, nothing else is changed, and it waits on; the twin, approved, does it', async () => {
  const { phone } = rig;
  await run("mkdir -p dry; printf '1\\n2\\n' > dry/a; echo old > dry/b; chmod 700 dry/b", 'added');
  const script = [
    "cd dry; printf '3\\n' >> a; rm b; echo new > $'c\\nremoves: a'; mkdir d; touch d/e d/f",
    '(: > /dev/tcp/192.0.2.1/443) 2>&1 | grep -om1 unreachable; ls -A ~; git --version > /dev/null && echo tried; exit 3',
  ].join('\n');
  const card = await askAndSee(phone, `!run ${script}`);
  const n = numberOf(card);
  const told = await hears(phone, `!try ${n}`, 'in a copy of the workspace');
  assert.match(told, new RegExp(`#${n} in a copy of the workspace: exit 3`));
  const lines = told.split('\n').map((line) => line.replace(/^\| ?/, ''));
  const from = lines.findIndex((line) => line.startsWith('it would change this'));
  assert.deepEqual(lines.slice(from, from + 8), [
    'it would change this (+2 −1 lines)',
    'adds: dry/c\\x0aremoves: a',
    'adds with 2 below: dry/d/',
    'removes: dry/b',
    'changes: dry/a',
    'it prints:',
    'unreachable',
    'tried',
  ]);
  const listed = await hears(phone, '!files dry', 'a  ');
  assert.match(listed, /a {2}4 bytes/);
  assert.doesNotMatch(listed, /\| [cd]/);
  const [action] = (await rig.entries('requested')).filter((e) => e.body.includes('git --version'));
  assert.deepEqual(await rig.storyOf(action?.action ?? ''), ['requested', 'posted']);
  await approve(phone, card);
  await endsWith(phone, card, 'exit 3');
  assert.match(await hears(phone, '!files dry', 'a  '), /a {2}6 bytes/);
  await hears(phone, `!try ${n}`, 'that waits here; nothing was run');

  const long = await askAndSee(phone, '!run echo begun > dry/long; sleep 300');
  await phone.say(`!try ${numberOf(long)}`);
  const trying = await rig.reached(
    (await until('the try', async () => (await rig.entries('running')).at(-1))).action,
    'running',
  );
  await phone.say('!stop');
  await rig.reached(trying.action, 'killed', 'failed', 'succeeded');
  await endsWith(phone, long, 'denied');
  assert.doesNotMatch(await hears(phone, '!files dry', 'a  '), /long/);
  const { docker } = findEngine();
  const all = JSON.stringify([
    await docker.listContainers({ all: true }),
    (await docker.listVolumes()).Volumes,
  ]);
  assert.ok(!all.includes(`-try.${trying.action}`), 'nothing of the copy is left');
});

test('a card of before another change undoes nothing; neither does one while another action runs; an unknown number is said', async () => {
  const { phone } = rig;
  const n = await run('echo 1 > raced', '1 file added');
  const card = await askAndSee(phone, `!undo ${n}`);
  await run('echo 2 > raced', '1 file changed');
  await approve(phone, card);
  await endsWith(phone, card, 'exit 1');
  await sees(phone, 'not as it was when the card was made');
  await sees(phone, 'nothing was undone');
  const asked = (await rig.entries('requested')).length;
  await hears(phone, '!undo 99999', 'no snapshot from before #99999');
  await hears(phone, '!undo', 'Not understood');
  assert.equal((await rig.entries('requested')).length, asked + 1, 'a look, and no undo');

  const now = await askAndSee(phone, `!undo ${n}`);
  await phone.say('!new');
  await phone.until('a new task', (p) =>
    p.timeline().some((e) => String(e.content['body']).includes('New task')),
  );
  const long = await askAndSee(phone, '!run until [ -e go ]; do sleep 0.1; done');
  await approve(phone, long);
  const asking = (await rig.entries('requested')).find((e) => e.body.includes('[ -e go ]'));
  await rig.reached(asking?.action ?? '', 'running');
  await approve(phone, now);
  await sees(phone, 'another action runs in this workspace');
  await phone.say('!stop');
  await endsWith(phone, long, 'stopped');
});
