/** The conversation between room and agent, with OpenCode in its container and the real gateway; the room is in memory. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Asked } from '@pocketcoder/ledger/src/action.ts';
import type { Page } from '../../bot/src/approval/view.ts';
import { openDatabase } from '../../bot/src/database.ts';
import type { Outcome } from '../../bot/src/gateway/outcome.ts';
import { type Conversation, createConversation } from '../../bot/src/tasks/conversation.ts';
import { planningStore } from '../../bot/src/tasks/planning.ts';
import { createSchedules } from '../../bot/src/tasks/schedules.ts';
import { taskStore } from '../../bot/src/tasks/tasks.ts';
import type { Content, Matrix } from '../../bot/src/types.ts';
import { alone } from '../harness/alone.ts';
import { type BrainStack, startBrain } from '../harness/brain.ts';
import { log, room } from '../harness/desk.ts';
import { until } from '../harness/wait.ts';

let stack: BrainStack;
let conversation: Conversation;
const tasks = taskStore(openDatabase(':memory:'));
/** What the room shows, in the order of its events: an edit replaces what stands there. A card is `card N`. */
const timeline: string[] = [];
const cards: { asked: Asked; decide(state: Outcome['state']): void }[] = [];
const said = (text: string) => timeline.some((line) => line.includes(text));
const requests = () => stack.model.seen.length;

before(async () => {
  stack = await startBrain({
    ...alone,
    wait: 60,
    halted: tasks.halted,
    spoken: (task, call) => conversation.spoken(task, call),
    close: async () => '',
    settled: ({ task, action, outcome, delivered }) => {
      const page = { action: { id: action, task, requester: 'brain' } } as unknown as Page;
      void conversation.over(page, outcome, delivered);
    },
    async ask(asked) {
      const why = tasks.halted(asked.task);
      if (why) throw new Error(why);
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      const decide = (state: Outcome['state']) => resolve({ state, output: '', truncated: false });
      const number = cards.push({ asked, decide });
      timeline.push(`card ${number}`);
      return { action: `a${number}`, outcome: promise };
    },
  });
  const matrix = {
    async post(_: string, __: string, content: Content) {
      return `$${timeline.push(String(content['body'])) - 1}`;
    },
    async edit(_: string, event: string, content: Content) {
      timeline[Number(event.slice(1))] = String(content['body']);
    },
    sentUnder: () => undefined,
    typing: async () => {},
    redact: async () => {},
  } as unknown as Matrix;
  conversation = createConversation({
    brain: stack.brain,
    hands: (task, workspace) => stack.gateway.open({ task, workspace }),
    costs: { take: () => '', of: () => ({ dollars: 0, tokens: 0 }), paused: () => '' },
    tasks,
    lists: { set() {} },
    planning: planningStore(openDatabase(':memory:')),
    questions: { of: () => undefined, close() {} },
    matrix,
    roomOf: () => room,
    helps: () => false,
    waits: () => false,
    asks: () => false,
    leak: () => '',
    log,
  });
  conversation.listen();
});
after(async () => {
  await stack?.stop();
});

test('the words of a turn stand before its card, each of twenty times', async () => {
  for (let i = 1; i <= 20; i++) {
    const from = timeline.length;
    await conversation.hear('main', `!call bash {"script":"echo ${i}"}\n!say The end of ${i}.`);
    await until(`card ${i}`, () => cards.length === i, { seconds: 30 });
    const before = timeline.slice(from, timeline.indexOf(`card ${i}`));
    assert.ok(before.includes('agent:\n> I call bash. '), JSON.stringify(timeline.slice(from)));
    cards[i - 1]?.decide('succeeded');
    await until('the end', () => said(`The end of ${i}.`), { seconds: 30 });
  }
});

test('after a stop there is no new card and no request to the model, whatever ends, before the owner speaks', async () => {
  const before = cards.length;
  const lines = [
    'Please.',
    '!call bash {"script":"one"}',
    '!with bash {"script":"two"}',
    '!call bash {"script":"three"}',
  ];
  await conversation.hear('main', lines.join('\n'));
  await until('a card', () => cards.length > before, { seconds: 30 });
  await conversation.interrupt('main');
  const asked = requests();
  cards.at(-1)?.decide('killed');
  const task = conversation.currentTask('main');
  const page = { action: { id: 'late', task: task.id, requester: 'brain' } } as unknown as Page;
  await conversation.over(page, { state: 'denied', reason: 'stopped', output: '', truncated: false }, false);
  const other = await stack.brain.createSession({
    title: 'another',
    task: stack.gateway.open({ task: 'another', workspace: 'elsewhere' }),
  });
  await stack.turn(other, '!say meanwhile');
  assert.equal(requests(), asked + 1, 'the other task’s alone');
  assert.equal(cards.length, before + 1);
  await conversation.hear('main', '!say Now I know.');
  await until('the answer', () => said('Now I know.'), { seconds: 30 });
  const told = JSON.stringify(stack.model.asked()?.messages.at(-1));
  for (const what of ['was KILLED', 'Action late was DENIED']) assert.ok(told.includes(what), told);
  assert.ok(told.endsWith('!say Now I know."}'), told);
  assert.equal(cards.length, before + 1);
});

test('!new leaves a turn that goes on; a stop of its task alone ends it, and the other one answers', async () => {
  stack.model.mode = 'slow';
  await conversation.hear('main', `!say ${'on and '.repeat(200)}on.`);
  await until('its first words', () => said('on and on and'), { seconds: 30 });
  const old = conversation.currentTask('main');
  const { session } = old;
  conversation.newTask('main', 'the next');
  const told = () =>
    stack.events.findLast(
      (e) => ['busy', 'idle'].includes(e.type) && 'session' in e && e.session === session,
    );
  const heard = () => timeline.findLast((text) => text.includes('on and on'))?.length ?? 0;
  const before = heard();
  await until('it goes on', () => heard() > before, { seconds: 30 });
  assert.equal(told()?.type, 'busy');
  await conversation.interrupt('main', old.id);
  await until('it is idle', () => told()?.type === 'idle');
  stack.model.mode = 'ok';
  await conversation.hear('main', '!say Here I am.');
  await until('the answer', () => said('agent:\n> Here I am.'), { seconds: 30 });
  assert.ok(said(`agent (${old.title}):`), 'what the old one said last bears its name');
});

test('two tasks at once: each answers by its name; what is said while one works waits for its end, as it was last edited', async () => {
  const one = conversation.newTask('main', 'one');
  const two = conversation.newTask('main', 'two');
  stack.model.mode = 'slow';
  await conversation.hear('main', `!say ${'and so '.repeat(80)}on.`, { task: one });
  await until('its first words', () => said('agent (one):\n> and so'), { seconds: 30 });
  const asked = requests();
  await conversation.hear('main', '!say It was wrong.', { task: one, event: '$e', by: 'me' });
  assert.ok(!conversation.amend('$e', '!say It was the other.', 'another'));
  assert.ok(conversation.amend('$e', '!say It was right.', 'me'));
  assert.equal(requests(), asked, 'it waits');
  await conversation.hear('main', '!say Two is here.', { task: two });
  await until('the answer of the other', () => said('agent:\n> Two is here.'), { seconds: 60 });
  stack.model.mode = 'ok';
  await until('what waited', () => said('agent (one):\n> It was right.'), { seconds: 60 });
  assert.ok(!said('It was wrong.') && !said('It was the other.'));
  assert.deepEqual(tasks.owed(), []);
});

test('what a schedule says is answered in a task of its own, and the current one stays', async () => {
  const current = conversation.currentTask('main');
  const schedules = createSchedules({
    db: openDatabase(':memory:'),
    ...{
      conversation,
      desk: { ask: async () => assert.fail('words ask for nothing') },
      barred: () => '',
      log,
    },
    say: async (_, text) => timeline.push(text),
  });
  schedules.add({ workspace: 'main', user: '@me:here', pattern: '0 7 * * *', text: '!say Good morning.' });
  const due = new Date();
  due.setHours(due.getHours() < 7 ? 7 : 31, 0, 0, 0);
  await schedules.look(due.getTime());
  await until('the answer', () => said('agent (⏰ 1 · !say Good morning.):\n> Good morning.'), {
    seconds: 30,
  });
  assert.match(timeline.at(-2) ?? '', /^⏰ 1 · !say Good morning\.: begun as task \d+\.$/);
  assert.equal(conversation.currentTask('main').id, current.id);
});

test('a question that was being answered when the brain was killed is asked again and answered', async () => {
  stack.model.mode = 'down';
  await conversation.hear('main', '!say The answer is 42.');
  await until('the model is asked', () => said('The model cannot be reached'), { seconds: 30 });
  await stack.kill();
  stack.model.mode = 'ok';
  await until('it is away', () => !conversation.brainIsUp(), { seconds: 30 });
  await stack.start();
  await until('the answer', () => said('The answer is 42.'), { seconds: 60 });
  assert.ok(said('🔁 The agent was restarted in the middle of its answer. It is asked again.'));
});

test('what a refusal says of the model’s limit is told once, kept to, and the agent goes on by itself', async () => {
  const from = timeline.length;
  stack.model.mode = 'less-output';
  await conversation.hear('main', '!say Not yet.');
  await until('it goes on', () => said('Go on with what you were asked'), { seconds: 30 });
  stack.model.mode = 'ok';
  const lines = timeline.slice(from).filter((line) => /📏|⚠️/.test(line));
  assert.equal(lines.length, 1, lines.join('\n'));
  assert.match(lines[0] ?? '', /writes no more than 2,000 tokens.*model\.output: 2000/);
  assert.equal(stack.model.asked()?.output, 1024);
});
