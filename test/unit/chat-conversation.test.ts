import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from '../../bot/src/approval/view.ts';
import type { Brain, BrainEvent, Picture } from '../../bot/src/brain/brain.ts';
import { createCosts } from '../../bot/src/brain/costs.ts';
import { openDatabase } from '../../bot/src/database.ts';
import type { Outcome } from '../../bot/src/gateway/outcome.ts';
import { createConversation } from '../../bot/src/tasks/conversation.ts';
import { planningStore } from '../../bot/src/tasks/planning.ts';
import { taskStore } from '../../bot/src/tasks/tasks.ts';
import type { Matrix } from '../../bot/src/types.ts';
import { log, room } from '../harness/desk.ts';

/** A brain that makes sessions when it is told to, and remembers what it was prompted with. */
function scene(caps: Parameters<typeof createCosts>[1] = { task_tokens: 1000 }) {
  const db = openDatabase(':memory:');
  const tasks = taskStore(db);
  const planning = planningStore(db);
  const costs = createCosts(db, caps, () => '');
  const made: PromiseWithResolvers<string>[] = [];
  const prompts: string[] = [];
  const aborted: string[] = [];
  const refuses = new Set<string>();
  const waiting = new Set<string>();
  const asking = new Set<string>();
  const resumed: string[] = [];
  const closed: string[] = [];
  const brain = {
    createSession() {
      made.push(Promise.withResolvers<string>());
      return made.at(-1)?.promise;
    },
    async prompt(session: string, text: string, pictures: readonly Picture[] = []) {
      if (refuses.has(session)) throw new Error('no such session');
      prompts.push(`${session}: ${text}${pictures.map(({ mime }) => ` [${mime}]`).join('')}`);
    },
    async abort(session: string) {
      aborted.push(session);
    },
    resume: ({ session }: { session: string }) => void resumed.push(session),
    events: (fn: (event: BrainEvent) => void) => {
      ears.push(fn);
    },
  } as unknown as Brain;
  const ears: ((event: BrainEvent) => void)[] = [];
  const said: string[] = [];
  /** The marks that stand, by the ids under which they were sent. */
  const marks: string[] = [];
  const matrix = {
    async post(_room: string, type: string, content: { body: string }, { txn = '' } = {}) {
      if (type !== 'm.reaction') return `$${said.push(content.body)}`;
      if (!marks.includes(txn)) marks.push(txn);
      return txn;
    },
    sentUnder: () => undefined,
    typing: async () => {},
    async redact(_room: string, event: string) {
      marks.splice(marks.indexOf(event), 1);
    },
    async edit(_room: string, event: string, content: { body: string }) {
      said.push(`edit of ${event}: ${content.body}`);
    },
  } as unknown as Matrix;
  const start = (of = tasks, more: { planFirst?: boolean } = {}) =>
    createConversation({
      ...more,
      brain,
      hands: (task) => ({ task, url: '', token: '' }),
      costs,
      lists: { set() {} },
      tasks: { ...of, halted: (task) => of.halted(task) || costs.paused(task) },
      planning,
      questions: { of: () => undefined, close: (task, how) => void closed.push(`${task}: ${how}`) },
      matrix,
      roomOf: () => room,
      helps: () => false,
      waits: (task) => waiting.has(task),
      asks: (task) => asking.has(task),
      leak: (text) => (text.includes('AAAA-BBBB') ? 'it holds a secret' : ''),
      log,
    });
  const conversation = start();
  const tell = (event: BrainEvent) => {
    for (const fn of ears) fn(event);
  };
  /** A conversation that is under way, in session `s-main`. */
  const underWay = async () => {
    tasks.add({ id: 'main', workspace: 'main', session: 's-main', title: 'first', createdAt: 0 });
    conversation.listen();
    tell({ type: 'up' });
    await settled();
  };
  return {
    ...{
      conversation,
      tasks,
      planning,
      costs,
      made,
      prompts,
      aborted,
      refuses,
      waiting,
      asking,
      resumed,
      closed,
    },
    ...{ tell, said, underWay, start, marks, ears },
  };
}
const settled = () => new Promise(setImmediate);
let actions = 0;
const page = (task = 'main') =>
  ({ action: { id: `a${++actions}`, task, requester: 'brain' } }) as unknown as Page;
const ended = (state: Outcome['state']): Outcome => ({ state, output: '', truncated: false });

test('two quick first messages make one session of the brain, and both go to it, in order', async () => {
  const { conversation, tasks, made, prompts } = scene();
  const both = [conversation.hear('main', 'first'), conversation.hear('main', 'second')];
  await new Promise(setImmediate);
  assert.equal(made.length, 1);
  made[0]?.resolve('s1');
  await Promise.all(both);
  await conversation.hear('main', 'third');
  assert.equal(prompts.join('\n\n').replaceAll('s1: ', ''), 'first\n\nsecond\n\nthird');
  assert.equal(made.length, 1);
  assert.equal(tasks.current('main')?.session, 's1');
});

test('what a brain that is away was told is kept, and told in order as soon as it takes it', async () => {
  const { conversation, tasks, made, prompts } = scene();
  const first = conversation.hear('main', 'first');
  await new Promise(setImmediate);
  made[0]?.reject(new Error('no brain'));
  assert.match(await first, /It is kept, and told to it/);
  assert.deepEqual(
    tasks.owed().map(({ text }) => text),
    ['first'],
  );
  const next = conversation.hear('main', 'again');
  await new Promise(setImmediate);
  made[1]?.resolve('s2');
  assert.equal(await next, '');
  assert.deepEqual(prompts, ['s2: first\n\nagain'], 'at once, in one turn');
  assert.deepEqual(tasks.owed(), []);
});

test('a brain that is up and does not take one task’s words is told another’s, and those again', async (t) => {
  const { conversation, tasks, prompts, refuses, tell } = scene();
  for (const id of ['main', 'other'])
    tasks.add({ id, workspace: id, session: `s-${id}`, title: id, createdAt: 0 });
  conversation.listen();
  tell({ type: 'up' });
  await new Promise(setImmediate);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  refuses.add('s-main');
  assert.match(await conversation.hear('main', 'stuck'), /It is kept/);
  assert.equal(await conversation.hear('other', 'other'), '');
  assert.deepEqual(prompts, ['s-other: other']);
  refuses.clear();
  t.mock.timers.tick(10_000);
  await new Promise(setImmediate);
  assert.deepEqual(prompts, ['s-other: other', 's-main: stuck']);
  assert.deepEqual(tasks.owed(), []);
});

test('a model that cannot be reached is told once an outage, and that message says when it answers', async () => {
  const { tasks, tell, said, conversation } = scene();
  for (const id of ['a', 'b'])
    tasks.add({ id, workspace: 'main', session: `s-${id}`, title: id, createdAt: 0 });
  conversation.listen();
  const down = (session: string) =>
    tell({ type: 'error', session, code: 'model_unreachable', message: 'cannot be reached' });
  for (const session of ['s-a', 's-b', 's-a']) down(session);
  await new Promise(setImmediate);
  assert.deepEqual(said, ['⚠️ cannot be reached']);
  const words = (session: string) =>
    tell({ type: 'text', session, part: 'p', delta: '', text: 'here', done: true });
  words('s-b');
  words('s-b');
  await new Promise(setImmediate);
  assert.deepEqual(said.slice(1, 2), ['edit of $1: ✅ The model answers again.']);
  assert.equal(said.filter((text) => text.startsWith('edit')).length, 1);
  down('s-a');
  await new Promise(setImmediate);
  assert.equal(said.at(-1), '⚠️ cannot be reached');
});

test('attack-49 words with an open secret in them do not go to the brain; the next ones do', async () => {
  const { conversation, made, prompts } = scene();
  assert.match(await conversation.hear('main', 'is it AAAA-BBBB?'), /Not told to the agent: it holds/);
  const next = conversation.hear('main', 'never mind');
  await new Promise(setImmediate);
  made[0]?.resolve('s1');
  await next;
  assert.deepEqual(prompts, ['s1: never mind']);
});

test('ten quick messages are all told, and not one is said to be kept; where the brain takes nothing that is said once', async () => {
  const { conversation, prompts, refuses, underWay } = scene();
  await underWay();
  const quick = Array.from({ length: 10 }, (_, i) => conversation.hear('main', `message ${i}`));
  assert.deepEqual([...new Set(await Promise.all(quick))], ['']);
  const all = Array.from({ length: 10 }, (_, i) => `message ${i}`);
  assert.deepEqual(prompts.join('\n').match(/message \d/g), all);
  refuses.add('s-main');
  const refused = await Promise.all(all.map((text) => conversation.hear('main', text)));
  assert.deepEqual(refused.filter(Boolean).length, 1);
  assert.match(refused.find(Boolean) ?? '', /It is kept/);
  refuses.clear();
  assert.equal(await conversation.hear('main', 'now'), '');
  refuses.add('s-main');
  assert.match(await conversation.hear('main', 'again'), /It is kept/, 'another outage is told again');
});

test('after a stop the brain is told nothing before the owner speaks, also over a restart; then all of it at once', async () => {
  const s = scene();
  s.tasks.add({ id: 'old', workspace: 'main', session: 's-old', title: 'old', createdAt: 0 });
  await s.underWay();
  await s.conversation.interrupt('main');
  assert.deepEqual([...new Set(s.aborted)].sort(), ['s-main', 's-old'], 'every session of the room ends');
  await s.conversation.over(page(), ended('killed'), false);
  await s.conversation.over(page(), ended('denied'), false);
  await settled();
  assert.deepEqual(s.prompts, []);
  assert.match(s.tasks.halted('main'), /the owner stopped this task/);
  const again = s.start();
  s.aborted.length = 0;
  again.listen();
  s.tell({ type: 'up' });
  await settled();
  assert.deepEqual(s.prompts, []);
  assert.ok(s.aborted.includes('s-main'), 'a stop that did not reach the brain counts all the same');
  assert.equal(await again.hear('main', 'Do it otherwise.'), '');
  assert.equal(s.prompts.length, 1);
  assert.match(s.prompts[0] ?? '', /was KILLED[\s\S]*was DENIED[\s\S]*\n\nDo it otherwise\.$/);
  assert.equal(s.tasks.halted('main'), '');
  await again.over(page(), ended('succeeded'), false);
  await settled();
  assert.match(s.prompts[1] ?? '', /ended with exit 0/, 'its genuine twin: outcomes are told as they come');
});

test('what was on its way to the brain when it was stopped is ended as well', async () => {
  const s = scene();
  await s.underWay();
  const going = s.conversation.hear('main', 'go');
  const stopping = s.conversation.interrupt('main');
  await Promise.all([going, stopping]);
  await settled();
  assert.equal(s.aborted.length, 2, 'once at once, once more after what was on its way');
});

test('a new task leaves the one before at work: it is told its outcomes, and its words bear its name', async () => {
  const s = scene();
  await s.underWay();
  s.refuses.add('s-main');
  await s.conversation.hear('main', 'for the first');
  const task = s.conversation.newTask('main', 'second');
  assert.equal(task.number, 2);
  s.refuses.clear();
  await s.conversation.over(page(), ended('succeeded'), false);
  await settled();
  assert.match(s.prompts.join('\n'), /^s-main: for the first\n\nAction a\d+ ended with exit 0/);
  assert.deepEqual([s.tasks.owed(), s.aborted], [[], []]);
  assert.deepEqual([s.tasks.halted('main'), s.tasks.halted(task.id)], ['', '']);
  const says = { type: 'text', part: 'p', delta: '', text: 'still here', done: true } as const;
  s.said.length = 0;
  s.tell({ ...says, session: 's-main' });
  s.tell({ type: 'error', session: 's-main', code: 'model_key', message: 'refused' });
  await settled();
  assert.deepEqual(s.said, ['agent (first):\n> still here', 'first: ⚠️ refused']);
  const next = s.conversation.hear('main', 'hello');
  await settled();
  s.made[0]?.resolve('s2');
  await next;
  s.said.length = 0;
  s.tell({ ...says, session: 's2' });
  s.tell({ type: 'idle', session: 's2' });
  await settled();
  assert.deepEqual([s.prompts.slice(1), s.said], [['s2: hello'], ['agent:\n> still here']]);
  await s.conversation.hear('main', 'and you?', { task: s.conversation.taskIn('main', 'main') });
  assert.equal(s.prompts.at(-1), 's-main: and you?', 'words go to the task that they name');
  assert.equal(
    s.conversation.taskIn('elsewhere', 'main').workspace,
    'elsewhere',
    'of their own workspace alone',
  );
  assert.equal(s.conversation.turnTo('main', 1)?.id, 'main');
  assert.equal(s.conversation.turnTo('main', 9), undefined);
  s.said.length = 0;
  s.tell({ ...says, session: 's-main', part: 'q' });
  s.tell({ type: 'idle', session: 's-main' });
  await settled();
  assert.deepEqual(s.said, ['agent:\n> still here']);
});

test('one task is stopped alone: the other goes on; it hears nothing before somebody speaks to it, also over a restart', async () => {
  const s = scene();
  await s.underWay();
  s.tasks.add({ id: 'two', workspace: 'main', session: 's-two', title: 'second', createdAt: 0 });
  await s.conversation.interrupt('main', 'main');
  assert.deepEqual([...new Set(s.aborted)], ['s-main']);
  assert.deepEqual([s.tasks.halted('main') !== '', s.tasks.halted('two')], [true, '']);
  for (const task of ['main', 'two']) await s.conversation.over(page(task), ended('killed'), false);
  await settled();
  assert.match(s.prompts.join('\n'), /^s-two: Action a\d+ was KILLED/);
  const again = s.start();
  s.aborted.length = 0;
  again.listen();
  s.tell({ type: 'up' });
  await settled();
  assert.deepEqual([...new Set(s.aborted)], ['s-main'], 'a stop that did not reach it counts all the same');
  await again.hear('main', 'to the second');
  assert.deepEqual(s.prompts.slice(1), ['s-two: to the second'], 'who speaks to another does not wake it');
  await again.hear('main', 'go on', { task: again.taskIn('main', 'main') });
  assert.match(s.prompts[2] ?? '', /^s-main: Action a\d+ was KILLED[\s\S]*\n\ngo on$/);
});

test('a stop of before the bot was upgraded, of a workspace then, holds its tasks; those of another go on', () => {
  const db = openDatabase(':memory:');
  const tasks = taskStore(db);
  for (const id of ['a', 'b', 'c'])
    tasks.add({ id, workspace: id === 'c' ? 'other' : 'main', session: '', title: id, createdAt: 0 });
  db.exec("INSERT INTO stopped VALUES('main')");
  const halted = () =>
    taskStore(db)
      .all()
      .flatMap(({ id }) => (tasks.stopped(id) ? [id] : []));
  assert.deepEqual(halted().sort(), ['a', 'b']);
  tasks.goOn('a');
  assert.deepEqual(halted(), ['b'], 'carried over once');
});

test('a task takes its title from the first words told to it, cut at a word, and keeps it', async () => {
  const s = scene();
  const first = s.conversation.currentTask('main');
  assert.equal(s.conversation.overview('main')[0]?.title, 'task 1');
  const going = s.conversation.hear('main', 'Please  make the\nlogin work again on all phones we have');
  await settled();
  s.made[0]?.resolve('s1');
  await going;
  const title = 'Please make the login work again on all…';
  assert.equal(s.tasks.get(first.id)?.title, title);
  await s.conversation.hear('main', 'And now?');
  assert.equal(s.tasks.get(first.id)?.title, title);
  const leaks = s.conversation.newTask('main', '');
  assert.match(await s.conversation.hear('main', 'AAAA-BBBB'), /Not told/);
  assert.equal(s.tasks.get(leaks.id)?.title, '', 'what is not told is no title either');
  s.conversation.newTask('main', 'x'.repeat(9));
  assert.deepEqual(
    s.conversation.overview('main').map((t) => [t.number, t.title, t.current]),
    [
      [1, title, false],
      [2, 'task 2', false],
      [3, 'x'.repeat(9), true],
    ],
  );
});

test('how each task stands; the list keeps what is at work, and of others the last eight of a week', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1e12 });
  const s = scene();
  await s.underWay();
  const stands = () => s.conversation.overview('main').map((t) => `${t.number} ${t.state}`);
  assert.deepEqual(stands(), ['1 idle']);
  s.tell({ type: 'busy', session: 's-main' });
  s.tell({
    type: 'todo',
    session: 's-main',
    todos: [
      { text: 'a', state: 'completed' },
      { text: 'b', state: 'pending' },
    ],
  });
  s.tell({ type: 'cost', session: 's-main', dollars: 0.25, tokens: 9 });
  await settled();
  const { done, steps, spent, state } = s.start().overview('main')[0] ?? {};
  assert.deepEqual([done, steps, spent, state], [1, 2, '0.2500 $', 'idle'], 'kept over a restart');
  assert.deepEqual(stands(), ['1 working']);
  s.asking.add('main');
  assert.deepEqual(stands(), ['1 waits for you']);
  s.tell({ type: 'idle', session: 's-main' });
  for (let n = 2; n <= 10; n++) {
    t.mock.timers.tick(1);
    s.conversation.newTask('main', `${n}`);
  }
  assert.deepEqual(stands(), ['1 waits for you', ...[3, 4, 5, 6, 7, 8, 9, 10].map((n) => `${n} idle`)]);
  t.mock.timers.tick(8 * 86_400_000);
  assert.deepEqual(stands(), ['1 waits for you', '10 idle'], 'what waits, and the current one');
  s.conversation.turnTo('main', 4);
  assert.deepEqual(stands(), ['1 waits for you', '4 idle']);
  for (const { id } of s.tasks.all('main')) s.asking.add(id);
  assert.throws(() => s.conversation.newTask('main', 'more'), /8 tasks are at work here, and none was begun/);
});

test('after a restart the brain follows the tasks that are listed; one that is archived once somebody speaks to it', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1e12 });
  const s = scene();
  for (const id of ['old', 'main'])
    s.tasks.add({ id, workspace: 'main', session: `s-${id}`, title: id, createdAt: 0 });
  t.mock.timers.tick(8 * 86_400_000);
  s.conversation.listen();
  assert.deepEqual(s.resumed, ['s-main']);
  await s.conversation.hear('main', 'you again', { task: s.conversation.taskIn('main', 'old') });
  assert.deepEqual([s.resumed, s.prompts], [['s-main', 's-old'], ['s-old: you again']]);
  assert.deepEqual(
    s.conversation.overview('main').map(({ number }) => number),
    [1, 2],
  );
});

/** A scene whose task `main` has a turn under way; `said` is what is said to it, by a phone, in events `$1`, `$2` and so on. */
async function working() {
  const s = scene();
  await s.underWay();
  s.tell({ type: 'busy', session: 's-main' });
  await settled();
  let events = 0;
  const hears = (text: string, o: object = {}) =>
    s.conversation.hear('main', text, { event: `$${++events}`, by: '@o:x PHONE', ...o });
  const end = async () => {
    s.tell({ type: 'idle', session: 's-main' });
    await settled();
  };
  return { ...s, hears, end };
}

test('what is said while a turn goes on waits for its end, with a mark, also over a restart; outcomes and answers do not', async () => {
  const s = await working();
  assert.equal(await s.hears('first'), '');
  assert.equal(await s.hears('second'), '');
  assert.deepEqual([s.prompts, s.marks], [[], ['waits-$1', 'waits-$2']]);
  await s.hears('Yes.');
  await s.conversation.over(page(), ended('succeeded'), false);
  await settled();
  assert.match(s.prompts.join('\n'), /^s-main: Yes\.\ns-main: Action a\d+ ended with exit 0/);
  assert.deepEqual(
    s.marks,
    ['waits-$1', 'waits-$2'],
    'what may be an answer is told at once, and bears no mark',
  );
  s.prompts.length = 0;
  await s.conversation.over(page(), ended('denied'), true);
  await s.hears('Too wide.');
  assert.match(s.prompts.join(), /which was denied\. The owner's reason: Too wide\./, 'and a reason');
  s.prompts.length = 0;
  s.ears.length = 0; // the bot is restarted
  const again = s.start();
  again.listen();
  s.tell({ type: 'busy', session: 's-main' });
  s.tell({ type: 'up' });
  await settled();
  assert.deepEqual(s.prompts, []);
  await s.end();
  assert.deepEqual([s.prompts, s.marks, s.tasks.owed()], [['s-main: first\n\nsecond'], [], []]);
  await again.hear('main', 'third', { event: '$9' });
  assert.deepEqual([s.prompts.at(-1), s.marks], ['s-main: third', []], 'its genuine twin: told at once');
});

test('attack-45 an edit of words that wait is told in their place; one of another device, or of what was told, is not', async () => {
  const s = await working();
  await s.hears('mend it', { line: '(in reply to #7)' });
  await s.hears('other');
  const amend = (event: string, text: string, by = '@o:x PHONE') => s.conversation.amend(event, text, by);
  assert.equal(amend('$1', 'rm -rf', '@o:x TABLET'), false);
  assert.equal(amend('$1', 'rm -rf', '@bob:x PHONE'), false);
  assert.equal(amend('$9', 'rm -rf'), false);
  assert.equal(amend('$1', 'AAAA-BBBB'), false);
  assert.equal(amend('$1', 'do not'), true, 'the genuine twin');
  assert.equal(amend('$1', 'do NOT'), true, 'as often as they like');
  await s.end();
  assert.deepEqual(s.prompts, ['s-main: (in reply to #7)\n\ndo NOT\n\nother']);
  assert.equal(amend('$1', 'late'), false);
  assert.equal(s.tasks.owed().length, 0);
});

test('!now interrupts the turn and is told first, then what waits; without a turn it is told at once', async () => {
  const s = await working();
  s.tasks.ask('main', 'what it was asked');
  await s.hears('waits');
  await s.hears('stop that, do this', { now: true });
  assert.deepEqual([s.aborted, s.prompts], [['s-main'], []]);
  s.tell({ type: 'error', session: 's-main', code: 'aborted', message: '' });
  await s.end();
  assert.deepEqual([s.prompts, s.marks], [['s-main: stop that, do this\n\nwaits'], []]);
  assert.deepEqual(s.tasks.asked('main').length, 1, 'what was interrupted is not asked again');
  await s.hears('and now this', { now: true });
  assert.deepEqual([s.aborted.length, s.prompts.at(-1)], [1, 's-main: and now this']);
  assert.deepEqual(s.said, []);
});

test('a stop holds what waits until somebody speaks again', async () => {
  const s = await working();
  await s.hears('waits');
  await s.conversation.interrupt('main');
  await s.end();
  assert.deepEqual([s.prompts, s.marks], [[], ['waits-$1']]);
  await s.hears('go on');
  assert.deepEqual([s.prompts, s.marks], [['s-main: waits\n\ngo on'], []]);
});

test('that the network was closed wakes no brain: it is told with the next words, once', async () => {
  const { conversation, prompts, underWay, tell } = scene();
  await underWay();
  const lease = page();
  await conversation.over(lease, ended('open'), false);
  await settled();
  assert.match(prompts.join(), /the network is open/);
  const before = prompts.length;
  const output = 'refused: GET https://example.org/x: no lease covers it';
  conversation.closed(lease, { ...ended('succeeded'), output });
  conversation.closed(page('another'), { ...ended('succeeded'), output: 'another' });
  tell({ type: 'down' });
  tell({ type: 'up' });
  await settled();
  assert.equal(prompts.length, before);
  await conversation.hear('main', 'go on');
  await conversation.hear('main', 'and on');
  const told = prompts.slice(before).join('\n');
  assert.equal(told.split(output).length, 2, told);
  assert.equal(told.includes('another'), false);
});

test('only a reply to the card, or the next words before the agent spoke, are the reason of a denial', async () => {
  const s = scene();
  await s.underWay();
  const told = async (text: string, about?: string): Promise<string> => {
    s.prompts.length = 0;
    await s.conversation.hear('main', text, about ? { about } : {});
    return s.prompts.join('');
  };
  const deny = async (): Promise<string> => {
    const denied = page();
    await s.conversation.over(denied, ended('denied'), true);
    return denied.action.id;
  };
  const first = await deny();
  const reason = `s-main: About action ${first}, which was denied. The owner's reason: `;
  assert.equal(await told('Too wide.'), `${reason}Too wide.`);
  assert.equal(await told('Next.'), 's-main: Next.', 'once');
  assert.equal(await told('And it lies.', first), `${reason}And it lies.`, 'a reply says it at any time');
  await deny();
  s.tell({ type: 'text', session: 's-main', part: 'p', delta: '', text: 'I see.', done: true });
  await settled();
  assert.equal(await told('Thanks. Now add a README.'), 's-main: Thanks. Now add a README.');
  const stopped = await deny();
  await s.conversation.interrupt('main');
  assert.equal(await told('Go on.'), 's-main: Go on.', 'not across a stop');
  assert.equal(await told('Go on.', stopped), 's-main: Go on.');
  const last = await deny();
  s.tasks.add({ id: 'next', workspace: 'main', session: 's-next', title: '', createdAt: 9 });
  assert.equal(await told('Hello.'), 's-next: Hello.', 'not across tasks');
  assert.equal(await told('Hello.', last), 's-next: Hello.');
});

test('a call waits for the words before it to stand in the room, and no longer than a moment', async (t) => {
  const s = scene();
  await s.underWay();
  const call = { tool: 'bash', args: { script: 'ls' } };
  const order: string[] = [];
  const waits = s.conversation.spoken('main', call).then(() => order.push(`card after ${s.said.length}`));
  await settled();
  assert.deepEqual(order, []);
  const text = { type: 'text', session: 's-main', part: 'p', delta: '', done: false } as const;
  s.tell({ ...text, text: 'I look ' });
  s.tell({ ...text, text: 'I look first.' });
  s.tell({ type: 'call', session: 's-main', ...call });
  await waits;
  assert.deepEqual(s.said, ['agent:\n> I look first.'], 'whole, though more might have come');
  await s.conversation.spoken('main', call);
  s.tell({ ...text, text: 'I look first.', done: true });
  await settled();
  assert.equal(s.said.length, 1, 'what stands already is not sent again');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const lost = s.conversation.spoken('main', { tool: 'list', args: {} });
  t.mock.timers.tick(3000);
  await lost;
});

test('what was being answered when the brain was restarted is asked again, once, before what was said meanwhile', async () => {
  const s = scene();
  await s.underWay();
  const session = 's-main';
  const restart = async (o: { prompts?: string[]; whole?: boolean } = {}) => {
    s.tell({ type: 'down' });
    await settled();
    s.tell({ type: 'idle', session });
    s.tell({ type: 'rest', session, prompts: [], whole: true, ...o });
    s.tell({ type: 'up' });
    await settled();
  };
  const turn = async (...end: BrainEvent[]) => {
    for (const e of [{ type: 'busy', session } as const, ...end]) s.tell(e);
    await settled();
  };
  const idle = { type: 'idle', session } as const;
  await s.conversation.hear('main', 'Why?');
  await turn();
  await restart({ prompts: ['Why?'], whole: false });
  assert.match(s.prompts[1] ?? '', /^s-main: You were restarted[\s\S]*\n\nWhy\?$/);
  assert.match(s.said.at(-1) ?? '', /It is asked again/);
  const again = s.prompts[1]?.replace('s-main: ', '') ?? '';
  await turn();
  await restart({ prompts: ['Why?', again], whole: false });
  assert.equal(s.prompts.length, 2, 'what ends the brain each time is not asked for ever');
  assert.match(s.said.at(-1) ?? '', /not asked a third time: say it again/);
  const quiet = s.said.length;
  await s.conversation.hear('main', 'And now?');
  await turn(idle);
  await restart({ whole: false });
  await s.conversation.hear('main', 'Answered.');
  await turn();
  await restart({ prompts: ['Answered.'] });
  assert.deepEqual([s.prompts.length, s.said.length], [4, quiet], 'what was answered is not');
  await s.conversation.hear('main', 'Never arrived.');
  s.refuses.add(session);
  s.tell({ type: 'down' });
  await settled();
  await s.conversation.hear('main', 'Said meanwhile.');
  s.refuses.clear();
  await restart({ prompts: ['Answered.'] });
  assert.match(s.prompts[5] ?? '', /You were restarted[\s\S]*\n\nNever arrived\.\n\nSaid meanwhile\.$/);
  await turn({ type: 'error', session, code: 'aborted', message: '' }, idle);
  await restart({ whole: false });
  assert.match(
    s.said.at(-1) ?? '',
    /not asked a third time/,
    'a brain that is told to end says it was aborted',
  );
});

test('what was asked and answered while nobody could follow the brain is answered', async () => {
  const s = scene();
  await s.underWay();
  s.tell({ type: 'down' });
  await settled();
  const rest = { type: 'rest', session: 's-main', whole: true } as const;
  await s.conversation.hear('main', 'Meanwhile.');
  s.tell({ ...rest, prompts: [] });
  await settled();
  assert.deepEqual(s.tasks.asked('main'), ['Meanwhile.'], 'it is on its way');
  s.tell({ ...rest, prompts: ['Meanwhile.'] });
  await settled();
  assert.deepEqual(s.tasks.asked('main'), []);
});

test('a restarted brain is not asked again what it goes on with by an outcome, or what was stopped', async () => {
  const s = scene();
  await s.underWay();
  const rest = { type: 'rest', session: 's-main', prompts: ['Go.'], whole: false } as const;
  const ask = async () => {
    await s.conversation.hear('main', 'Go.');
    s.tell({ type: 'busy', session: 's-main' });
    s.tell({ type: 'down' });
    await settled();
  };
  await ask();
  s.waiting.add('main');
  s.tell(rest);
  await settled();
  s.waiting.clear();
  await ask();
  await s.conversation.interrupt('main');
  s.tell(rest);
  s.tell({ type: 'up' });
  await settled();
  assert.deepEqual(s.prompts, ['s-main: Go.', 's-main: Go.']);
});

test('a plan first: told once, over when a plan is approved or done without, not when one is replaced or denied', async () => {
  const { conversation, planning, prompts, underWay, said } = scene();
  await underWay();
  const plan = (task = 'main') =>
    ({ action: { id: `a${++actions}`, kind: 'plan', task, requester: 'brain' } }) as unknown as Page;
  const main = conversation.currentTask('main');
  assert.equal(await conversation.plan(main, 'mend it'), '');
  assert.match(prompts.at(-1) ?? '', /^s-main: The owner wants to see a plan .*\n\nmend it$/s);
  assert.match(String(conversation.overview('main')[0]?.plans), /true/);
  await conversation.hear('main', 'smaller steps');
  assert.equal(prompts.at(-1), 's-main: smaller steps');
  const told = prompts.length;
  await conversation.over(plan(), { ...ended('void'), reason: 'another plan takes its place' }, false);
  await settled();
  assert.equal(prompts.length, told, 'its agent put the other one itself');
  await conversation.over(plan(), ended('denied'), false);
  await settled();
  assert.match(prompts.at(-1) ?? '', /DENIED/);
  assert.ok(planning.is('main'));
  await conversation.over(plan(), ended('applied'), false);
  await settled();
  assert.match(prompts.at(-1) ?? '', /APPROVED\. It is a plan/, 'in the same session');
  assert.ok(!planning.is('main'));
  await conversation.plan(main, 'and now?');
  assert.ok(conversation.withoutPlan(main));
  assert.ok(!conversation.withoutPlan(main) && !planning.is('main'));
  assert.deepEqual(said, []);
});

test('where every task is to begin with a plan, one does; the twin begins at once', async () => {
  for (const planFirst of [true, false]) {
    const { planning, start } = scene();
    const task = start(undefined, { planFirst }).newTask('main', 'new');
    assert.equal(planning.is(task.id), planFirst);
  }
});

test('a task that reached its cap: its turn is ended, the room told once, words kept until more is let', async () => {
  const { conversation, tell, costs, aborted, prompts, said, underWay } = scene();
  await underWay();
  const spends = async (tokens: number) => {
    tell({ type: 'cost', session: 's-main', dollars: 0, tokens });
    await settled();
  };
  await spends(999);
  assert.deepEqual([aborted, said], [[], []]);
  await spends(1200);
  await spends(1210);
  assert.deepEqual(aborted, ['s-main']);
  assert.equal(said.length, 1, said.join('\n'));
  assert.match(said[0] ?? '', /This task has used 1,200 of 1,000 tokens \(spend\.task_tokens.*!more/);
  assert.match(await conversation.hear('main', 'are you there?'), /used 1,210 of 1,000.*!more lets it go on/);
  assert.deepEqual(prompts, [], 'it is told nothing');
  // The twin: once more is let, all that was said is told.
  assert.ok(costs.more('main'));
  assert.equal(await conversation.tell('main', 'Go on.', ''), '');
  assert.deepEqual(prompts, ['s-main: are you there?\n\nGo on.']);
  await spends(2209);
  assert.equal(said.length, 1);
  await spends(2210);
  assert.equal(said.length, 2, 'by as much again, and no more');
  assert.ok(!costs.more('another'));
});

test('a cap of the day holds every task of that day, each at its next cost; told once', async () => {
  const { conversation, tasks, tell, aborted, said, underWay } = scene({ day_tokens: 1000 });
  await underWay();
  tasks.add({ id: 'two', workspace: 'main', session: 's-two', title: 'second', createdAt: 0 });
  for (const session of ['s-main', 's-two']) tell({ type: 'busy', session });
  for (const session of ['s-main', 's-two']) tell({ type: 'cost', session, dollars: 0, tokens: 1000 });
  await settled();
  assert.deepEqual(aborted, ['s-main', 's-two']);
  assert.equal(said.filter((line) => line.includes('⏸')).length, 1);
  assert.match(await conversation.hear('main', 'and now?'), /What you said is kept\./);
});

test('a vote on a question is words to its task at once, in a turn too, and no reason for a no; words answer it as well', async () => {
  const { conversation, tasks, prompts, closed, tell, underWay } = scene();
  await underWay();
  tasks.deny('a9', 'main');
  tell({ type: 'busy', session: 's-main' });
  const option = { room, task: 'main', question: 'Which?\nSay.', text: '!run red', open: true };
  assert.equal(await conversation.choose(option), '');
  assert.deepEqual(prompts, ['s-main: (in answer to your question)\n> Which?\n> Say.\n\n!run red']);
  assert.match(await conversation.choose({ ...option, text: 'AAAA-BBBB' }), /Not told to the agent/);
  assert.deepEqual(closed, ['main: answered: !run red'], 'what was not told is not answered');
  await conversation.hear('main', 'rather blue');
  assert.match(prompts.at(-1) ?? '', /About action a9, which was denied. The owner's reason: rather blue/);
  assert.deepEqual(closed, ['main: answered: !run red', 'main: answered in words']);
  await conversation.interrupt('main');
  assert.equal(closed.at(-1), 'main: stopped', 'a vote that comes later begins nothing');
});
