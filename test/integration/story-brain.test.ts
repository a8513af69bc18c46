/** The agent's part of the story, on the composed system as the launcher starts it; only the model is scripted. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { findEngine } from '../../console/engine/engine.ts';
import type { Settings } from '../../console/instance/settings-file.ts';
import type { Entry, Ledger } from '../../ledger/src/client.ts';
import {
  answerOf,
  approve,
  askAndSee,
  endsWith,
  hears,
  isTapped,
  nextCards,
  numberOf,
  outputOf,
  sees,
} from '../harness/answers.ts';
import { attachment } from '../harness/attachment.ts';
import { type Instance, ledgerOf, startInstance } from '../harness/instance.ts';
import { lifeOf } from '../harness/life.ts';
import { pairedPhone } from '../harness/paired.ts';
import { picturesIn, pixel } from '../harness/picture.ts';
import { until } from '../harness/wait.ts';
import type { Card, Phone } from '../phone/types.ts';

let instance: Instance;
let phone: Phone;
let ledger: Ledger;

const greeting = { script: 'echo hello > greeting' };
/** What the model does where a plan is wanted first. */
const mending = [
  { say: 'I begin at once. ', call: { tool: 'bash', args: greeting } },
  { say: 'So here is my plan. ', call: { tool: 'plan', args: { words: '1. Look. 2. Mend it.' } } },
  {
    say: 'With the command. ',
    call: {
      tool: 'plan',
      args: { words: 'Mend it by one command.', steps: [{ tool: 'bash', arguments: greeting }] },
    },
  },
  { say: 'Now it runs. ', call: { tool: 'bash', args: greeting } },
  { say: 'The greeting is mended.' },
];

before(async () => {
  instance = await startInstance({
    model: 'scripted',
    scripts: { 'mend the greeting': mending },
    overrides: { approvals: { reads: { uses: 0 } } }, // story-cards.test.ts is about those
  });
  phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
  ledger = await ledgerOf(instance);
});
after(async () => {
  await phone?.close();
  await instance?.destroy();
});

const nextCard = nextCards(() => phone, isTapped, 30);
async function storyOf(card: Card): Promise<Entry[]> {
  const requested = (await ledger.since(0)).filter((e) => e.kind === 'requested');
  return ledger.story(requested[numberOf(card) - 1]?.action ?? '');
}
const kindsOf = async (card: Card): Promise<string[]> => lifeOf(await storyOf(card));
const ran = ['requested', 'posted', 'approved', 'claimed', 'running', 'succeeded'];
/** Plain words to the agent, with what the scripted model makes of them. */
const ask = (...lines: string[]): Promise<string> => phone.say(['Please do this.', ...lines].join('\n'));
const call = (tool: string, args: object): string => `!call ${tool} ${JSON.stringify(args)}`;
/** Everything that the model was last asked with. */
const toldModel = (): string => JSON.stringify(instance.model?.asked()?.messages ?? []);
const container = (service: string) => findEngine().docker.getContainer(instance.container(service));
const botIsUp = () =>
  until('the bot to be up', async () => (await instance.run(['status'])).code === 0, { seconds: 60 });

test('plain words become a card; approved, its output comes back to the room and to the model', async () => {
  await ask(call('bash', { script: 'echo $((6 * 7)) > answer; cat answer' }), '!say The answer is there.');
  const card = await nextCard();
  assert.ok(
    card.text.includes('the agent wants to run a command') &&
      card.text.includes('echo $((6 * 7)) > answer; cat answer'),
  );
  await sees(phone, 'I call bash.');
  assert.ok(
    !card.text.includes('I call bash'),
    'what the agent says about it stands in a message of its own',
  );
  await approve(phone, card);
  assert.equal(await outputOf(phone, card), '42');
  await endsWith(phone, card, '✅ ended with exit 0');
  await sees(phone, 'The answer is there.', 30);
  assert.ok(toldModel().includes('ended with exit 0') && toldModel().includes('42'));
  assert.deepEqual(await kindsOf(card), ran);
});

test('a picture with words is one message to the model, which sees it and reads where it lies', async () => {
  const words = 'this button is broken, fix it';
  const file = await attachment(phone, instance.address, 'shot 1.png', pixel);
  const picture = { ...file, msgtype: 'm.image', body: `${words}\n!say I see the button.` };
  await phone.send('m.room.message', picture);
  await sees(phone, 'I see the button.', 60);
  const asked = instance.model?.asked()?.messages ?? [];
  assert.deepEqual(picturesIn(asked), [`data:image/png;base64,${pixel.toString('base64')}`]);
  const last = JSON.stringify(asked.at(-1));
  assert.ok(last.includes(words) && last.includes('uploads/shot-1.png in the workspace, 70 bytes'), last);
  // A second one, that a model cannot see, comes as words and path alone.
  await phone.send('m.room.message', await attachment(phone, instance.address, 'a.txt', Buffer.from('text')));
  await until('the model is told', () => toldModel().includes('A file was sent: uploads/a.txt'));
  assert.equal(picturesIn(instance.model?.asked()?.messages ?? []).length, 1);
  // And back: what the agent sends is shown as a picture.
  await ask(call('get_file', { path: 'uploads/shot-1.png' }), '!say There it is.');
  const card = await nextCard();
  assert.ok(card.text.includes('send the file here') && card.text.includes('uploads/shot-1.png'));
  await approve(phone, card);
  await endsWith(phone, card, '✅ done');
  const sent = await phone.until('the picture', (p) =>
    p.timeline().find((e) => e.content['msgtype'] === 'm.image' && e.sender !== phone.user),
  );
  assert.equal(sent.content['body'], `#${numberOf(card)} · shot-1.png, a file of the workspace`);
  await sees(phone, 'There it is.', 30);
  assert.ok(toldModel().includes('The owner is sent the file (70 bytes'));
});

test('asked aside while a card waits: answered below the question, and the task goes on as it was', async () => {
  await ask(call('bash', { script: 'echo aside > aside' }), '!say It is written.');
  const card = await nextCard();
  const question = await phone.say(
    '!btw what is that for?\n!call bash {"script":"rm -rf ."}\n!say For a test.',
  );
  const answer = await phone.until('the answer', (p) =>
    p.timeline().find((e) => String(e.content['body']).startsWith('agent, asked aside:')),
  );
  assert.match(String(answer.content['body']), /> For a test\.$/);
  assert.deepEqual(answer.content['m.relates_to'], { 'm.in_reply_to': { event_id: question } });
  await approve(phone, card);
  await sees(phone, 'It is written.', 30);
  assert.deepEqual(await kindsOf(card), ran);
  assert.doesNotMatch(toldModel(), /asks this aside/);
  const requested = (await ledger.since(0)).filter((e) => e.kind === 'requested');
  assert.equal(requested.length, numberOf(card), 'nothing else was asked for');
});

test('reading, writing and editing a file are actions like any other', async () => {
  await ask(
    call('write_file', { path: 'notes/list.txt', content: 'eggs\nmilk\n' }),
    call('edit_file', { path: 'notes/list.txt', old: 'milk', new: 'oat milk' }),
    call('read_file', { path: 'notes/list.txt' }),
    '!say The list is changed.',
  );
  const cards: Card[] = [];
  for (const part of ['with this content', '| - milk\n| + oat milk', 'lines, from line 1']) {
    const card = await nextCard();
    assert.ok(card.text.includes(part), card.text);
    await approve(phone, card);
    await endsWith(phone, card, '✅ done');
    cards.push(card);
  }
  await sees(phone, '| eggs\n| oat milk');
  await sees(phone, 'The list is changed.', 30);
  for (const card of cards) assert.deepEqual(await kindsOf(card), ran);
});

test('a denial reaches the model, and a reply to its card reaches it as the reason', async () => {
  await ask(call('bash', { script: 'rm -rf notes' }), '!say So it was denied.');
  const card = await nextCard();
  await phone.tap(card.id, '❌');
  await endsWith(phone, card, 'Say why, and the agent is told.');
  await sees(phone, 'So it was denied.', 30);
  assert.ok(toldModel().includes('was DENIED by the owner and did not run'));
  await hears(phone, 'Thanks.', 'You said: Thanks.');
  await phone.reply(card.id, 'I still need those notes.');
  // The words grow by edits: the whole sentence is waited for.
  const told = await sees(phone, 'I still need those notes.', 30);
  assert.ok(told.includes("which was denied. The owner's reason:"), told);
  assert.deepEqual(await kindsOf(card), ['requested', 'posted', 'denied']);
});

test('!stop denies what waits and interrupts the agent', async () => {
  await ask(call('bash', { script: 'echo never' }), call('bash', { script: 'echo never either' }));
  const card = await nextCard();
  await phone.say('!stop');
  await endsWith(phone, card, 'denied by you (stopped). Nothing was run.');
  assert.deepEqual(await kindsOf(card), ['requested', 'posted', 'denied']);
  await hears(phone, '!pending', 'Nothing waits.');
  const asked = instance.model?.seen.length;
  const before = phone.cards().length;
  await hears(phone, '!run true', 'owner wants to run a command');
  const own = await nextCard();
  await approve(phone, own);
  await endsWith(phone, own, 'exit 0');
  assert.deepEqual(
    [instance.model?.seen.length, phone.cards().length],
    [asked, before + 1],
    'all that is quiet',
  );
  await hears(phone, 'What now?', 'What now?');
  assert.match(toldModel(), /was DENIED by the owner[^"]*What now\?/, 'told together');
});

const pollCard = (what: string): Promise<Card> =>
  phone.until(
    `a poll with ${what}`,
    (p) => p.cards().find((c) => c.answers.length === 2 && c.text.includes(what)),
    30,
  );
const steps = [
  { tool: 'write_file', arguments: { path: 'plan/a', content: 'one\n' } },
  { tool: 'bash', arguments: { script: 'cat plan/a; echo two' } },
];
const asCall = (step: (typeof steps)[number] | undefined) => call(step?.tool ?? '', step?.arguments ?? {});
const leased = ['requested', 'leased', 'claimed', 'running', 'succeeded'];
/** The stories of the newest actions. */
async function lastStories(count: number): Promise<string[][]> {
  const requested = (await ledger.since(0)).filter((e) => e.kind === 'requested').slice(-count);
  return Promise.all(requested.map(async (e) => lifeOf(await ledger.story(e.action))));
}

test('a plan is one card and one vote; its steps then run in their order without a card', async () => {
  await ask(call('plan', { steps }), ...steps.map(asCall), '!say The plan is done.');
  const card = await pollCard('1 of 2 · write_file');
  assert.ok(card.text.includes('2 of 2 · bash') && card.text.includes('cat plan/a; echo two'));
  await phone.vote(card.id, [answerOf(card, 'Approve')]);
  await sees(phone, 'The plan is done.', 30);
  await sees(phone, `by #${numberOf(card)}, use 2`);
  const planned = ['requested', 'posted', 'approved', 'applied'];
  assert.deepEqual(await lastStories(3), [planned, leased, leased]);
});

test('the first deviation from a plan ends it, shows the difference and asks', async () => {
  const [first, second] = steps;
  await ask(
    call('plan', { steps: [second, first] }),
    asCall(second),
    call('bash', { script: 'echo something else' }),
    asCall(first),
    '!say That was all.',
  );
  const plan = await pollCard('1 of 2 · bash');
  await phone.vote(plan.id, [answerOf(plan, 'Approve')]);
  const other = await nextCard();
  assert.ok(other.text.includes('echo something else'));
  const told = await sees(phone, 'The agent left its plan after 1 of 2 steps');
  assert.ok(told.includes('write the file') && told.includes('plan/a'), 'what the plan had next');
  await phone.tap(other.id, '❌');
  const third = await nextCard();
  assert.ok(third.text.includes('plan/a'), 'what the plan would have covered is asked for now');
  await approve(phone, third);
  await sees(phone, 'That was all.', 30);
  assert.deepEqual(
    (await lastStories(3)).map((s) => s.join(' ')),
    [leased.join(' '), 'requested posted denied', ran.join(' ')],
  );
});

test('a plan first: nothing else is asked, it is talked over, and the same conversation carries it out', async () => {
  await phone.say('!plan mend the greeting');
  const early = await pollCard('1. Look. 2. Mend it.');
  assert.ok(early.text.includes('this lets nothing run'));
  assert.match(toldModel(), /NOT ASKED: the owner wants to approve a plan first/);
  await phone.say('Name the command, please.');
  const plan = await pollCard('Mend it by one command.');
  await sees(phone, '🚫 taken back: another plan takes its place');
  assert.ok(plan.text.includes('echo hello > greeting') && !phone.cards().some(isTapped));
  await phone.vote(plan.id, [answerOf(plan, 'Approve')]);
  await sees(phone, 'The greeting is mended.', 30);
  const planned = ['requested', 'posted', 'approved', 'applied'];
  assert.deepEqual(await lastStories(3), [['requested', 'posted', 'void'], planned, leased]);
  const { messages = [] } = instance.model?.asked() ?? {};
  assert.ok(JSON.stringify(messages).includes('mend the greeting'), 'the same session');
  await hears(phone, '!new', 'New task'); // by its script the model would go on with this one
});

test('attack-67 a vote on what the agent asks is words to it and runs nothing, whatever it says; words answer it as well', async () => {
  const requests = async () => (await ledger.since(0)).filter(({ kind }) => kind === 'requested').length;
  const asksWhich = (question: string) =>
    ask(call('ask', { question, options: ['!run echo by-a-vote', 'hello'] }), '!say Over to you.');
  const pollWith = (words: string) =>
    phone.until(`a poll with ${words}`, (p) => p.cards().find((card) => card.text.includes(words)), 30);
  const endOf = (poll: Card) =>
    phone.until('its end', (p) =>
      p.timeline().find((e) => {
        const on = e.content['m.relates_to'] as { event_id?: string } | undefined;
        return e.type.endsWith('poll.end') && on?.event_id === poll.id;
      }),
    );
  const before = await requests();
  await asksWhich('Which greeting?');
  const poll = await pollWith('Which greeting?');
  assert.ok(poll.text.startsWith('❓ agent asks:\n> Which greeting?'), poll.text);
  await sees(phone, 'asks you something');
  await until('the agent to be told', () => toldModel().includes('ASKED: the owner has your question'));
  await phone.vote(poll.id, [poll.answers[0]?.id ?? '']);
  await until('the model to be told', () =>
    /\(in answer to your question\)\\n> Which greeting\?\\n\\n!run echo by-a-vote/.test(toldModel()),
  );
  assert.equal((await endOf(poll)).content['org.matrix.msc1767.text'], 'answered: !run echo by-a-vote');
  assert.equal(await requests(), before, 'it asks for nothing');
  await phone.vote(poll.id, [poll.answers[1]?.id ?? '']);
  await sees(phone, 'That question is over');
  await asksWhich('And to whom?');
  const second = await pollWith('And to whom?');
  await hears(phone, 'To the world, rather.', 'You said: To the world, rather.');
  assert.equal((await endOf(second)).content['org.matrix.msc1767.text'], 'answered in words');
});

test('a model that refuses our key is told in the room, in words; after that all goes on', async () => {
  const { model } = instance;
  assert.ok(model);
  model.mode = 'refuse-key';
  await hears(phone, 'Are you there?', '⚠️ The model refused our key. Nothing was done.');
  await hears(phone, '!model', '▶ openai-compatible scripted · 128,000 tokens');
  model.mode = 'ok';
  await hears(phone, 'And now?', 'You said: And now?');
});

test('bot killed while a call of the agent is open: the outcome is told to the model afterwards', async () => {
  await ask(call('bash', { script: 'echo after-the-bot' }));
  const card = await nextCard();
  await container('bot').kill({ signal: 'SIGKILL' });
  await container('bot').start();
  await botIsUp();
  await approve(phone, card);
  await endsWith(phone, card, 'exit 0', 30);
  await until(
    'the model is told',
    () => toldModel().includes('after-the-bot\\n') && toldModel().includes('ended with exit 0'),
    { seconds: 60 },
  );
  await sees(phone, 'You said: Action', 30);
  assert.deepEqual(await kindsOf(card), ran);
});

test('brain killed mid-task: the approved action runs, and the agent is told when it is back', async () => {
  await ask(call('bash', { script: 'echo without-the-brain' }));
  const card = await nextCard();
  await container('brain').kill({ signal: 'SIGKILL' });
  await approve(phone, card);
  await endsWith(phone, card, 'exit 0', 30);
  assert.equal(await outputOf(phone, card), 'without-the-brain');
  await hears(phone, '!status', '⚠️ down: brain');
  const run = await hears(phone, '!run echo still-mine', 'echo still-mine');
  assert.match(run, / · owner wants to run a command\n/);
  const own = await nextCard();
  await approve(phone, own);
  await endsWith(phone, own, 'exit 0', 30);
  await container('brain').start();
  await until('the model is told', () => toldModel().includes('without-the-brain\\n'), { seconds: 60 });
  assert.deepEqual(await kindsOf(card), ran);
});

test('what is said to an agent that is gone is kept, and told to it in order when it is back', async () => {
  const isIdle = async () => /👉 .*: idle/.test(await hears(phone, '!status', 'up:'));
  await until('the agent has answered', isIdle, { seconds: 30 }); // else it would be asked again
  await container('brain').kill({ signal: 'SIGKILL' });
  await hears(phone, 'The first of two.', 'It is kept, and told to it');
  await phone.say('The second of two.');
  await hears(phone, '!status', '⚠️ down: brain'); // it was heard as well: the bot takes them in their order
  await container('brain').start();
  await sees(phone, 'You said: The first of two.\n> \n> The second of two.', 60);
});

test('a model that is gone is told once; back, it answers what it was asked, and that is told there', async () => {
  const { model } = instance;
  assert.ok(model);
  model.mode = 'down';
  await hears(phone, 'Are you still there?', '⚠️ The model cannot be reached. Nothing was lost');
  model.mode = 'ok';
  await sees(phone, 'You said: Are you still there?', 60);
  await sees(phone, '✅ The model answers again.');
});

test('a policy changed in the settings is asked for in the room, and holds once an owner approved it', async () => {
  const path = join(instance.home, 'pocketcoder.yaml');
  const settings = parse(readFileSync(path, 'utf8')) as Settings;
  settings.approvals = { ...settings.approvals, classes: { exec: { grade: 'signed' } } };
  writeFileSync(path, stringify(settings));
  const again = await instance.run(['start', '-d', '--json']);
  assert.equal(again.code, 0, again.err);
  assert.ok(again.events.some((e) => e['event'] === 'policy'));
  const card = await pollCard('exec: asks, or a lease · signed');
  assert.match(card.text, / · the console wants to change the policy\n/);
  const before = await askAndSee(phone, '!run echo still sealed');
  assert.equal(before.chips.length, 3, 'not before an owner approved it');
  await approve(phone, before);
  await phone.vote(card.id, [answerOf(card, 'Approve')]);
  await until('it is applied', async () =>
    (await ledger.since(0)).some((e) => e.kind === 'applied' && e.body.includes('"kind":"policy"')),
  );
  assert.match(await hears(phone, '!policy', 'exec:'), /exec: asks, or a lease · signed/);
  const after = await askAndSee(phone, '!run echo signed now');
  assert.equal(after.chips.length, 0);
  await phone.vote(after.id, [answerOf(after, 'Approve')]);
  await sees(phone, '\n| signed now\n');
});

test('the ledger of all this audits clean', async () => {
  const audit = await instance.run(['audit', '--json']);
  assert.equal(audit.code, 0, audit.out + audit.err);
  const requested = (await ledger.since(0)).filter((e) => e.kind === 'requested').length;
  assert.equal(audit.events.at(-1)?.['actions'], requested);
});
