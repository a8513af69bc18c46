/** Every way to answer a card and every way an action ends, from the phone to the sandbox and back. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { sha256 } from '../../ledger/src/action.ts';
import type { Head } from '../../ledger/src/entry.ts';
import {
  answerOf,
  approve,
  askAndSee,
  askLong,
  chipsOf,
  editOf,
  endsWith,
  fileOf,
  hears,
  numberOf,
  outputOf,
  pollOf,
  sees,
} from '../harness/answers.ts';
import { exported, verified } from '../harness/export.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import type { Card } from '../phone/types.ts';

const timeline = 'https://host.example:8443';
let rig: Rig;

before(async () => {
  rig = await startRig({ timeline });
});
after(async () => {
  await rig?.stop();
});

const actionOf = async (card: Card): Promise<string> =>
  (await rig.entries('requested'))[numberOf(card) - 1]?.action ?? '';
const approvalOf = async (card: Card): Promise<{ grade: string; evidence: Record<string, unknown> }> =>
  JSON.parse((await rig.reached(await actionOf(card), 'approved')).body);
const ran = ['requested', 'posted', 'approved', 'claimed', 'running'];
const refused = ['requested', 'posted', 'denied'];

test('a tap on the named chip runs the script once and shows its output', async () => {
  const card = await askAndSee(rig.phone, '!run echo by-$((40 + 2)); id -u');
  const tap = await approve(rig.phone, card);
  await sees(rig.phone, '| by-42\n| 65525');
  const ended = await endsWith(rig.phone, card, '✅ ended with exit 0');
  assert.match(ended, /\napproved by owner \(sealed, chip\) · ⛓ \d+ [0-9a-f]{12} · digest \w{10}$/);
  assert.deepEqual(await rig.storyOf(await actionOf(card)), [...ran, 'succeeded']);
  const { grade, evidence } = await approvalOf(card);
  assert.deepEqual([grade, evidence['form'], evidence['event']], ['sealed', 'chip', tap]);
});

test('the card ends by an edit below the unchanged action, in text and in HTML, and its chips are gone', async () => {
  const script = `printf '%s' "<b>&amp;</b>" '\`\`\`'`;
  const card = await askAndSee(rig.phone, `!run ${script}`);
  await approve(rig.phone, card);
  await endsWith(rig.phone, card, 'exit 0');
  const original = rig.phone.timeline().find((e) => e.id === card.id)?.content ?? {};
  const now = rig.phone
    .timeline()
    .map(editOf)
    .findLast((e) => e?.of === card.id);
  const upTo = (text: unknown, mark: string) =>
    String(text)
      .slice(0, String(text).indexOf(mark))
      .replace(/ · decide by \d\d:\d\d/, '');
  assert.ok(upTo(original['body'], '\ntap ').includes(script));
  assert.equal(upTo(now?.text, '\n✅'), upTo(original['body'], '\ntap '));
  assert.ok(upTo(original['formatted_body'], '<p>tap ').includes('&lt;b&gt;&amp;amp;&lt;/b&gt;'));
  assert.equal(upTo(now?.html, '<p>✅'), upTo(original['formatted_body'], '<p>tap '));
  await rig.phone.until('the chips to go', (p) =>
    p.timeline().every((e) => !card.chips.some((c) => c.id === e.id) || e.redacted),
  );
});

test('attack-32 a card shows the files that its script names; one that changed since has nothing run, and the room is told; asked anew it runs', async () => {
  const write = async (word: string) => {
    const card = await askAndSee(rig.phone, `!run echo 'echo ${word}' > deploy.sh`);
    await approve(rig.phone, card);
    await endsWith(rig.phone, card, 'exit 0');
  };
  const shown = (word: string) => `\n| ${sha256(`echo ${word}\n`).slice(0, 12)} deploy.sh\n`;
  await write('one');
  const card = await askAndSee(rig.phone, '!run bash deploy.sh');
  assert.ok(card.text.includes(shown('one')), card.text);
  await write('two');
  await approve(rig.phone, card);
  await sees(rig.phone, 'changed since its card was made: deploy.sh. Nothing was run; ask again');
  const twin = await askAndSee(rig.phone, '!run bash deploy.sh');
  assert.ok(twin.text.includes(shown('two')), twin.text);
  await approve(rig.phone, twin);
  await sees(rig.phone, '| two');
  await endsWith(rig.phone, twin, 'exit 0');
});

test('the message that ends a card carries the chain’s hash at that entry', async () => {
  const card = await askAndSee(rig.phone, '!run true');
  await approve(rig.phone, card);
  const words = await endsWith(rig.phone, card, 'exit 0');
  const entry = await rig.reached(await actionOf(card), 'succeeded');
  const mark = { seq: entry.seq, hash: entry.hash };
  const edit = rig.phone.timeline().find((e) => String(e.content['body']).includes(words));
  assert.deepEqual(edit?.content['org.pocketcoder.checkpoint'], mark);
  const shown = `⛓ ${entry.seq} ${entry.hash.slice(0, 12)}`;
  assert.ok(words.includes(shown), words);
  const leads = `<a href="${timeline}/#/${entry.seq}">approved by owner (sealed, chip) · ${shown}`;
  assert.ok(String(edit?.content['formatted_body']).includes(leads), 'and it leads to that on the timeline');
  await rig.phone.say(`!audit ${shown}`);
  await sees(rig.phone, `Entry ${entry.seq} is the one of which your message says ${shown}.`);
  await rig.phone.say(`!audit ${entry.seq} ${'0'.repeat(12)}`);
  await sees(
    rig.phone,
    `Of entry ${entry.seq} the ledger says other than you: it is another one than the message saw there`,
  );
});

test('a vote in the poll that was asked for approves as signed, by that device; the poll ends with a reply', async () => {
  const card = await askAndSee(rig.phone, '!run echo by-poll');
  await rig.phone.say(`!poll ${numberOf(card)}`);
  const poll = await pollOf(rig.phone, numberOf(card));
  assert.ok(poll.text.includes('echo by-poll'), 'the question holds the whole action');
  const vote = await rig.phone.vote(poll.id, [answerOf(poll, 'Approve')]);
  await endsWith(rig.phone, card, 'approved by owner (signed, poll)');
  const { grade, evidence } = await approvalOf(card);
  assert.deepEqual(
    [grade, evidence['form'], evidence['event'], evidence['device']],
    ['signed', 'poll', vote, rig.phone.device],
  );
  await rig.phone.until('the poll’s end', (p) =>
    p
      .timeline()
      .some(
        (e) =>
          e.type === 'org.matrix.msc3381.poll.end' &&
          (e.content['m.relates_to'] as { event_id: string }).event_id === poll.id,
      ),
  );
});

for (const { name, deny, words } of [
  {
    name: 'a ❌',
    words: 'denied by you (❌ on the card). Nothing was run.',
    deny: (card: Card) => rig.phone.tap(card.id, '❌'),
  },
  {
    name: 'the decoy',
    words: 'denied by you (the decoy was tapped). Nothing was run.',
    deny: (card: Card) => rig.phone.tap(card.id, chipsOf(card).decoy),
  },
  {
    name: 'a vote against it',
    words: 'denied by you (voted against). Nothing was run.',
    async deny(card: Card) {
      await rig.phone.say(`!poll ${numberOf(card)}`);
      const poll = await pollOf(rig.phone, numberOf(card));
      await rig.phone.vote(poll.id, [answerOf(poll, 'Deny')]);
    },
  },
])
  test(`${name} denies, and a tap afterwards does nothing but explain itself`, async () => {
    const claims = await rig.claims();
    const card = await askAndSee(rig.phone, '!run echo never');
    await deny(card);
    await endsWith(rig.phone, card, words);
    await rig.phone.tap(card.id, chipsOf(card).named);
    await sees(rig.phone, `#${numberOf(card)} is already decided`);
    assert.deepEqual(await rig.storyOf(await actionOf(card)), refused);
    assert.equal(await rig.claims(), claims);
  });

test('a tap that is taken back before the claim denies', async () => {
  const claims = await rig.claims();
  await rig.executor.kill();
  const card = await askAndSee(rig.phone, '!run echo never');
  const tap = await approve(rig.phone, card);
  const action = await actionOf(card);
  await rig.reached(action, 'approved');
  await rig.phone.untap(tap);
  await rig.reached(action, 'denied');
  await rig.executor.start();
  await endsWith(rig.phone, card, 'denied by you (the approval was taken back). Nothing was run.');
  assert.deepEqual(await rig.storyOf(action), ['requested', 'posted', 'approved', 'denied']);
  assert.equal(await rig.claims(), claims);
});

for (const { name, stop } of [
  { name: 'a 🛑', stop: (card: Card) => rig.phone.tap(card.id, '🛑') },
  { name: '!stop', stop: () => rig.phone.say('!stop') },
])
  test(`${name} ends what runs and denies what waits`, async () => {
    const running = await askAndSee(rig.phone, '!run echo started; sleep 600');
    await approve(rig.phone, running);
    const waiting = await askAndSee(rig.phone, '!run echo never');
    await rig.reached(await actionOf(running), 'running');
    await endsWith(rig.phone, running, '▶️ running since');
    await stop(running);
    await endsWith(rig.phone, running, '🛑 stopped by you (');
    await endsWith(rig.phone, waiting, 'denied by you (stopped). Nothing was run.');
    assert.deepEqual(await rig.storyOf(await actionOf(running)), [...ran, 'stop', 'killed']);
    assert.deepEqual(await rig.storyOf(await actionOf(waiting)), refused);
    await sees(rig.phone, 'topped: 2');
  });

test('a script that fails says so with its exit code and its output', async () => {
  const card = await askAndSee(rig.phone, '!run echo broken >&2; exit 7');
  await approve(rig.phone, card);
  await endsWith(rig.phone, card, '⚠️ exit 7');
  assert.equal(await outputOf(rig.phone, card), 'broken');
  const { body } = await rig.reached(await actionOf(card), 'failed');
  assert.equal((JSON.parse(body) as { exit: number }).exit, 7);
});

test('long output shows its end; the complete bytes come as a file', async () => {
  const card = await askAndSee(rig.phone, '!run seq 1 20000');
  await approve(rig.phone, card);
  const shown = await outputOf(rig.phone, card);
  assert.ok(shown.endsWith('\n20000') && !shown.includes('19000'), shown);
  const whole = Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join('');
  const file = await fileOf(rig.phone, rig.homeserver.url, `output-${numberOf(card)}.txt`);
  assert.ok(file.equals(Buffer.from(whole)), 'byte for byte');
});

test('output that is no text is shown harmless and comes as a file, byte for byte', async () => {
  const card = await askAndSee(rig.phone, `!run printf '\\000\\001\\033[31m\\377\\376 end'`);
  await approve(rig.phone, card);
  const shown = await outputOf(rig.phone, card);
  assert.ok(!['\0', '\x01', '\x1b', '[31m'].some((bad) => shown.includes(bad)), shown);
  assert.ok(shown.includes('\\u{0}\\u{1}') && shown.includes(' end'), shown);
  const file = await fileOf(rig.phone, rig.homeserver.url, `output-${numberOf(card)}.bin`);
  assert.deepEqual([...file], [...Buffer.from('\0\x01\x1b[31m\xff\xfe end', 'latin1')]);
});

test('a slow script’s output is shown on its card while it runs, and the card ends with all of it', async () => {
  const card = await askAndSee(rig.phone, '!run for i in one two three; do echo $i; sleep 2; done');
  const action = await actionOf(card);
  await approve(rig.phone, card);
  assert.match(await endsWith(rig.phone, card, '| one'), /▶️ running since \d\d:\d\d\n\| one\n/);
  assert.equal((await rig.storyOf(action)).at(-1), 'running', 'it was shown before the end');
  assert.match(await endsWith(rig.phone, card, 'exit 0'), /\n\| one\n\| two\n\| three\n/);
});

test('an action too long for a card comes as a file whose last line has the code; typed, it is signed by that device', async () => {
  const { card, code } = await askLong(rig.phone, rig.homeserver.url, 'echo long');
  const number = numberOf(card);
  const file = (await fileOf(rig.phone, rig.homeserver.url, `action-${number}.txt`)).toString();
  assert.ok(file.includes(': line 150\n'));
  await rig.phone.say(code);
  await sees(rig.phone, `#${number} ✅ ended with exit 0`);
  const { grade, evidence } = await approvalOf(card);
  assert.deepEqual([grade, evidence['form'], evidence['device']], ['signed', 'code', rig.phone.device]);
});

test('the commands answer', async () => {
  const card = await askAndSee(rig.phone, '!run echo never');
  const number = numberOf(card);
  await hears(rig.phone, '!pending', `#${number} run a command · waits for you until`);
  await hears(rig.phone, '!status', '✅ up: homeserver, ledger, executor\nNo model is configured');
  await hears(rig.phone, '!help', '!run COMMAND: run a command in the sandbox');
  await hears(rig.phone, '!model', 'No model is configured');
  await hears(rig.phone, 'what is in this folder?', '!run COMMAND works without one');
  await hears(rig.phone, '!poll 999', 'There is no #999');
  await hears(rig.phone, '!poll', 'nothing was done. It is written !poll N.');
  await hears(rig.phone, '!frobnicate', 'There is no !frobnicate, and nothing was done. !help');
  await hears(rig.phone, '!run', 'nothing was done. It is written !run COMMAND.');
  await rig.phone.tap(card.id, '❌');
  await endsWith(rig.phone, card, 'denied');
  await hears(rig.phone, '!pending', 'Nothing waits.');
  await hears(rig.phone, `!poll ${number}`, `#${number} is already denied`);
});

test('what phones make of answers: skin tones, a yes in passing, an edit, a code with its dash and full stop, commands in a fence', async () => {
  const { phone } = rig;
  const card = await askAndSee(phone, '```\n ！run echo heard\n```');
  for (const key of ['👍🏽', '✅']) await phone.tap(card.id, key);
  await sees(phone, `#${numberOf(card)} is not approved by that`);
  await hears(phone, 'yes', 'If it was for the agent, send it again.');
  await phone.edit(await phone.say('!pending'), 'yes, do it');
  await sees(phone, '✏️ Edits are not heard');
  await approve(phone, card);
  await endsWith(phone, card, 'exit 0');
  const { card: long, code } = await askLong(phone, rig.homeserver.url, 'echo typed');
  await hears(phone, `${code.slice(0, -1)}${code.endsWith('0') ? '1' : '0'}`, 'That is no card’s code');
  await phone.say(` ${code.toLowerCase().replace('-', ' – ').replaceAll('0', 'o').replaceAll('1', 'l')}.`);
  await sees(phone, `#${numberOf(long)} ✅ ended with exit 0`);
  const said = (words: string) =>
    phone.timeline().filter((e) => String(e.content['body']).includes(words)).length;
  assert.equal(said('is not approved by that'), 2, 'one for the reactions, one for the words');
  const other = await askAndSee(phone, '!run echo never');
  await phone.tap(other.id, '👎🏿');
  await endsWith(phone, other, 'Nothing was run');
  assert.deepEqual(await rig.storyOf(await actionOf(other)), refused);
  await hears(phone, '!stopp', 'Did you mean !stop?');
  await hears(phone, ' !Stop.', 'Nothing was running or waiting.');
});

test('!new starts a task of its own: files stay, processes and /tmp do not', async () => {
  const first = await askAndSee(rig.phone, '!run echo kept > note; echo gone > /tmp/note; echo done');
  await approve(rig.phone, first);
  await endsWith(rig.phone, first, 'exit 0');
  await hears(rig.phone, '!new another', 'New task');
  const second = await askAndSee(rig.phone, '!run cat note; cat /tmp/note');
  await approve(rig.phone, second);
  await endsWith(rig.phone, second, 'exit 1');
  await sees(rig.phone, '| kept\n| cat: /tmp/note: No such file or directory');
});

test('every card a poll where the configuration says so, and one that nobody answers expires', async () => {
  const other = await startRig({ form: 'poll', decide_within: 8 });
  try {
    const first = await askAndSee(other.phone, '!run echo asked-by-poll');
    assert.equal(first.chips.length, 0);
    await other.phone.vote(first.id, [answerOf(first, 'Approve')]);
    await sees(other.phone, 'approved by owner (signed, poll)');
    const second = await askAndSee(other.phone, '!run echo never');
    await sees(other.phone, '#2 ⌛ expired: not decided in time. Nothing was run.', 30);
    await other.phone.vote(second.id, [answerOf(second, 'Approve')]);
    await sees(other.phone, '#2 is already decided');
    const [, late] = await other.entries('requested');
    assert.deepEqual(await other.storyOf(late?.action ?? ''), ['requested', 'posted', 'expired']);
    assert.equal(await other.claims(), 1);
  } finally {
    await other.stop();
  }
});

test('the ledger tells the same story: it audits clean, and an export of it verifies', async () => {
  const report = await auditLedger(rig.audit);
  assert.equal(report.ok, true, JSON.stringify(report.off));
  const pin = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Head;
  const pins = { bot: pin(rig.pins.bot), executor: pin(rig.pins.executor) };
  const { off, entries, claimed, checkpoint, ...found } = await verified(await exported(rig.audit, pins));
  assert.equal(off, '');
  assert.deepEqual([entries, checkpoint], [report.entries, report.checkpoint]);
  assert.ok(claimed > 3 && found.pins.length === 2);
});
