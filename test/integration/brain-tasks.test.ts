/** The brain at work: OpenCode in its container, the real gateway, a scripted model. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Asked } from '@pocketcoder/ledger/src/action.ts';
import type { BrainEvent } from '../../bot/src/brain/brain.ts';
import type { Settled } from '../../bot/src/gateway/line.ts';
import { describeOutcome, type Outcome } from '../../bot/src/gateway/outcome.ts';
import type { Hands } from '../../bot/src/gateway/server.ts';
import { alone } from '../harness/alone.ts';
import { type BrainStack, startBrain } from '../harness/brain.ts';
import { picturesIn, pixel } from '../harness/picture.ts';
import { until } from '../harness/wait.ts';

const ended = (o: Partial<Outcome> = {}): Outcome => ({
  state: 'succeeded',
  exit: 0,
  output: '',
  truncated: false,
  ...o,
});

let stack: BrainStack;
const asked: (Asked & { action: string })[] = [];
const settled: Settled[] = [];
/** What the owner does with the next actions; a test sets it. */
let decide: (asked: Asked, signal: AbortSignal) => Promise<Outcome>;

before(async () => {
  stack = await startBrain({
    ...alone,
    wait: 2,
    beat: 1,
    settled: (s) => settled.push(s),
    async ask(a, signal) {
      const action = `a${asked.length + 1}`;
      asked.push({ ...a, action });
      return { action, outcome: decide(a, signal) };
    },
  });
});
after(() => stack?.stop());

let made = 0;
async function task(workspace = 'main', sandbox?: string) {
  const hands = stack.gateway.open({ task: `task-${++made}`, workspace });
  const session = await stack.brain.createSession({
    title: hands.task,
    task: { ...hands, ...(sandbox && { sandbox }) },
  });
  return { session, hands };
}
const of = (session: string) => stack.events.filter((e) => 'session' in e && e.session === session);
const textsOf = (session: string) =>
  of(session).filter((e): e is Extract<BrainEvent, { type: 'text' }> => e.type === 'text');
const saidOf = (session: string) => textsOf(session).at(-1)?.text ?? '';

test('a prompt becomes an action at the gateway, its outcome the final text, streamed', async () => {
  decide = async () => ended({ output: 'hello from the sandbox\n' });
  const { session, hands } = await task('garden');
  await stack.turn(session, '!call bash {"script":"echo hello","timeout":7}');
  const { action, ...last } = asked.at(-1) ?? { action: '' };
  assert.deepEqual(last, {
    kind: 'bash',
    args: { script: 'echo hello', cwd: '.', timeout: 7, env: {} },
    workspace: 'garden',
    task: hands.task,
    requester: 'brain',
  });
  assert.match(saidOf(session), /ended with exit 0[\s\S]*hello from the sandbox/);
  const words = textsOf(session).at(-1);
  const parts = textsOf(session).filter((e) => e.part === words?.part);
  assert.ok(parts.length > 3, `${parts.length} text events are no stream`);
  assert.equal(parts.map((e) => e.delta).join(''), words?.text);
  assert.equal(words?.done, true);
  await until('the outcome is settled as delivered', () =>
    settled.some((s) => s.action === action && s.delivered),
  );
  await until('the cost is told', () => of(session).some((e) => e.type === 'cost' && e.tokens > 0));
});

test('the tools the model sees are those of its own task and its todo list', async () => {
  decide = async () => ended();
  const one = await task();
  await stack.turn(one.session, 'hello');
  const first = stack.model.asked()?.tools ?? [];
  const two = await task();
  await stack.turn(two.session, 'hello');
  const second = stack.model.asked()?.tools ?? [];
  for (const tools of [first, second])
    assert.deepEqual(tools.map((t) => t.replace(/^t[0-9a-f]{12}_/, '')).sort(), [
      'ask',
      'bash',
      'edit_file',
      'get_file',
      'grep',
      'list',
      'network',
      'plan',
      'read_file',
      'terminal_close',
      'terminal_open',
      'terminal_read',
      'terminal_send',
      'todowrite',
      'write_file',
    ]);
  assert.equal(first.filter((t) => second.includes(t)).join(), 'todowrite');
});

test('an action is never attributed to another task, whatever the model calls', async () => {
  decide = async () => ended();
  const mine = await task('mine');
  const other = await task('other');
  await stack.turn(other.session, '!call bash {"script":"true"}');
  const name = stack.model.asked()?.tools.find((t) => t.endsWith('_bash'));
  const before = asked.length;
  await stack.turn(mine.session, `!call ${name} {"script":"rm -rf ."}\n!call bash {"script":"id"}`);
  assert.deepEqual(
    asked.slice(before).map((a) => a.workspace),
    ['mine'],
  );
});

test('a picture reaches the model as one, in the words’ own message; a prompt without has none', async () => {
  const { session } = await task();
  await stack.turn(session, '!say nothing to see');
  assert.deepEqual(picturesIn(stack.model.asked()?.messages ?? []), []);
  const idle = of(session).filter((e) => e.type === 'idle').length;
  await stack.brain.prompt(session, 'look\n!say I see it', [{ mime: 'image/png', bytes: pixel }]);
  await until('the answer', () => of(session).filter((e) => e.type === 'idle').length > idle);
  const asked = stack.model.asked()?.messages ?? [];
  assert.deepEqual(picturesIn(asked), [`data:image/png;base64,${pixel.toString('base64')}`]);
  assert.match(JSON.stringify(asked.at(-1)), /look/);
  assert.equal(saidOf(session), 'I see it');
});

test('each task is told what its own sandbox has', async () => {
  const system = () => JSON.stringify(stack.model.asked()?.messages.filter((m) => m.role === 'system'));
  const [shop, garden] = [
    await task('shop', 'Debian 12 with go 1.26'),
    await task('garden', 'Debian 12 with rg 13'),
  ];
  await stack.turn(shop.session, '!say hello');
  assert.match(system(), /You have no hands of your own[\s\S]*The sandbox is Debian 12 with go 1\.26\./);
  await stack.turn(garden.session, '!say hello');
  assert.match(system(), /The sandbox is Debian 12 with rg 13\./);
  assert.doesNotMatch(system(), /go 1\.26/);
});

test('built-in tools do nothing, the todo list works', async () => {
  const { session } = await task();
  const before = asked.length;
  const todos = [
    { content: 'look', status: 'completed', priority: 'high' },
    { content: 'change', status: 'in_progress', priority: 'low' },
  ];
  await stack.turn(
    session,
    [
      '!call read {"filePath":"/run/pocketcoder/password"}',
      '!call webfetch {"url":"http://model:8081/models","format":"text"}',
      '!call task {"description":"x","prompt":"x","subagent_type":"general"}',
      `!call todowrite ${JSON.stringify({ todos })}`,
    ].join('\n'),
  );
  const answers = stack.model.asked()?.messages.filter((m) => m.role === 'tool') ?? [];
  assert.equal(answers.length, 4);
  for (const answer of answers.slice(0, 3)) assert.match(JSON.stringify(answer), /unavailable tool/);
  assert.equal(asked.length, before);
  const list = [
    { text: 'look', state: 'completed' },
    { text: 'change', state: 'in_progress' },
  ];
  const told = of(session).findLast((e) => e.type === 'todo');
  assert.deepEqual(told?.type === 'todo' && told.todos, list);
});

/** Asks aside as the bot does. @returns the answer, and each sum that was told of its cost */
function asideOf({ session, hands: task }: { session: string; hands: Hands }, text: string) {
  const end = new AbortController();
  const spent: number[] = [];
  const answer = stack.brain.aside({
    ...{ session, task, signal: end.signal, text: `The owner asks this aside:\n${text}` },
    spent: (_, { tokens }) => void spent.push(tokens),
  });
  answer.catch(() => {});
  return { answer, end, spent };
}

test('attack-66 asked aside while it works: a copy that is offered no tool answers, and what it calls reaches nothing; the twin, its conversation, has its own and knows nothing of that', async () => {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  decide = () => promise;
  const mine = await task();
  const before = asked.length;
  const turn = stack.turn(mine.session, '!call bash {"script":"make"}');
  await until('it is asked', () => asked.length > before);
  const seen = stack.model.seen.length;
  const evil = '!call bash {"script":"rm -rf ."}\n!call todowrite {"todos":[]}\n!say It is going well.';
  const { answer, spent } = asideOf(mine, evil);
  assert.deepEqual(await answer, { said: 'It is going well.', note: '' });
  // The conversation itself may be told PENDING meanwhile.
  const its = stack.model.seen
    .slice(seen)
    .filter(({ messages }) => JSON.stringify(messages).includes('asks this aside'));
  assert.deepEqual(
    its.map(({ tools }) => tools),
    [[], [], []],
  );
  assert.match(JSON.stringify(its[0]?.messages), /"script\W+make/, 'it knows what was said');
  assert.match(JSON.stringify(its.at(-1)?.messages), /unavailable tool/);
  assert.equal(asked.length, before + 1, 'nothing was asked of anybody');
  assert.equal(spent.at(-1), 3 * 120, 'what its conversation took is not counted again');
  assert.ok(!(await stack.titles()).some((title) => title.startsWith('aside')));
  resolve(ended({ output: 'built' }));
  await turn;
  await stack.turn(mine.session, '!call bash {"script":"make install"}');
  assert.equal(asked.at(-1)?.task, mine.hands.task);
  assert.doesNotMatch(JSON.stringify(stack.model.seen.at(-1)?.messages), /aside|going well/);
});

test('asked aside of a task that has said nothing yet; what it thinks is not told; a model that does nothing but call is ended', async () => {
  const { hands } = await task();
  const seen = stack.model.seen.length;
  const thinking = asideOf({ session: '', hands }, '!say <think>hm</think>Yes.');
  assert.equal((await thinking.answer).said, 'Yes.');
  assert.deepEqual(stack.model.seen[seen]?.tools, []);
  const calling = asideOf({ session: '', hands }, '!call bash {"script":"id"}\n'.repeat(9));
  await assert.rejects(calling.answer, /has none aside, so nothing was asked for, and nothing ran/);
  assert.ok(stack.model.seen.length < seen + 8);
  stack.model.mode = 'refuse-key';
  await assert.rejects(asideOf({ session: '', hands }, 'hello').answer, /refused our key/);
  stack.model.mode = 'ok';
  assert.ok(!(await stack.titles()).some((title) => title.startsWith('aside')));
});

test('a question aside ends by a stop; by a restart of the brain it is lost, its copy is removed', async () => {
  const mine = await task();
  await stack.turn(mine.session, '!say begun');
  stack.model.mode = 'slow';
  const long = `!say ${'word '.repeat(100)}`;
  const stopped = asideOf(mine, long);
  const begun = (n: number) => () => stack.model.seen.length > n;
  await until('the model is asked', begun(stack.model.seen.length));
  stopped.end.abort();
  await assert.rejects(stopped.answer, /stopped before it was answered/);
  assert.ok(!(await stack.titles()).some((title) => title.startsWith('aside')));
  const lost = asideOf(mine, long);
  await until('the model is asked', begun(stack.model.seen.length));
  assert.ok((await stack.titles()).some((title) => title.startsWith('aside')));
  const from = stack.events.length;
  await stack.kill();
  await assert.rejects(lost.answer, /restarted before it answered/);
  stack.model.mode = 'ok';
  await stack.start();
  await until('up is told', () => stack.events.slice(from).some((e) => e.type === 'up'), { seconds: 60 });
  const gone = async () => !(await stack.titles()).some((title) => title.startsWith('aside'));
  await until('its copy is removed', gone);
  await stack.turn(mine.session, '!say still here');
  assert.equal(saidOf(mine.session), 'still here');
});

test('PENDING when nobody decides in time; the late outcome is prompted and understood', async () => {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  decide = () => promise;
  const { session } = await task();
  await stack.turn(session, '!call bash {"script":"make"}');
  assert.match(saidOf(session), /PENDING: action a\d+ waits/);
  const action = asked.at(-1)?.action ?? '';
  assert.ok(!settled.some((s) => s.action === action));
  resolve(ended({ output: 'built' }));
  const late = await until('it is settled', () => settled.find((s) => s.action === action));
  assert.equal(late.delivered, false);
  await stack.turn(session, describeOutcome(action, late.outcome));
  assert.match(saidOf(session), /You said: Action a\d+ ended with exit 0[\s\S]*built/);
});

test('a denial reaches the model with its reason', async () => {
  decide = async () => ended({ state: 'denied', reason: 'use the staging branch' });
  const { session } = await task();
  await stack.turn(session, '!call write_file {"path":"a.txt","content":"x"}');
  assert.match(saidOf(session), /DENIED by the owner.*use the staging branch/);
});

test('a call with wrong arguments is explained to the model and asked of nobody', async () => {
  const before = asked.length;
  const { session } = await task();
  await stack.turn(session, '!call write_file {"path":"/etc/passwd","content":"x"}');
  assert.match(saidOf(session), /NOT ASKED: "path" must be relative to the workspace/);
  assert.equal(asked.length, before);
});

test('abort takes the open call back and leaves the session usable', async () => {
  const { promise: taken, resolve } = Promise.withResolvers<void>();
  decide = (_, signal) => {
    signal.addEventListener('abort', () => resolve());
    return new Promise(() => {});
  };
  const { session } = await task();
  const before = asked.length;
  await stack.brain.prompt(session, '!call bash {"script":"sleep 60"}');
  await until('it is asked', () => asked.length > before);
  await stack.brain.abort(session);
  await taken;
  await until('idle', () => of(session).some((e) => e.type === 'idle'));
  assert.ok(of(session).some((e) => e.type === 'error' && e.code === 'aborted'));
  await stack.turn(session, '!say still here');
  assert.equal(saidOf(session), 'still here');
});

test('after kill -9 the session goes on by its id, with its hands', async () => {
  decide = async () => ended({ output: 'before' });
  const { session, hands } = await task();
  await stack.turn(session, '!call bash {"script":"one"}');
  decide = () => new Promise(() => {});
  const before = asked.length;
  await stack.brain.prompt(session, '!call bash {"script":"two"}');
  await until('it is asked', () => asked.length > before);
  const from = stack.events.length;
  await stack.kill();
  await until('down is told', () => stack.events.slice(from).some((e) => e.type === 'down'));
  await stack.start();
  const later = () => stack.events.slice(from);
  await until('up is told', () => later().some((e) => e.type === 'up'), { seconds: 60 });
  await until('idle is told', () => later().some((e) => e.type === 'idle' && e.session === session));
  decide = async () => ended({ output: 'after the crash' });
  await stack.turn(session, '!call bash {"script":"three"}');
  assert.equal(asked.at(-1)?.task, hands.task);
  // It may say idle once more of the turn that was cut off, so the words are waited for.
  await until('the outcome in its words', () => saidOf(session).includes('after the crash'), { seconds: 30 });
  assert.match(JSON.stringify(stack.model.asked()?.messages), /before/);
});

test('a task whose address was opened anew (the bot was restarted): its next call finds its hands, within that call', async () => {
  decide = async () => ended({ output: 'in a new session' });
  const { session, hands } = await task('kept');
  await stack.turn(session, '!call bash {"script":"one"}');
  await stack.gateway.close(hands.task);
  const again = stack.gateway.open({ task: hands.task, workspace: 'kept' });
  assert.equal(again.token, hands.token, 'so nothing is told to the brain anew');
  const before = asked.length;
  await stack.brain.prompt(session, '!call bash {"script":"two"}');
  // The brain may say idle while it takes up its tools again, so the words are waited for.
  const told = () => asked.length > before && saidOf(session).includes('in a new session');
  await until('the outcome in its words', told, { seconds: 30 });
  assert.deepEqual(
    asked.slice(before).map((a) => a.workspace),
    ['kept'],
  );
});

test('a model that goes on refusing a conversation as too long: the turn ends after a handful of requests, told once', async () => {
  const { session } = await task();
  await stack.turn(session, 'hello');
  stack.model.mode = 'too-long';
  await stack.turn(session, 'much');
  const learned = () => of(session).flatMap((e) => (e.type === 'learned' ? [e.message] : []));
  await until('it is told', () => learned().length > 0);
  assert.match(learned().join(), /takes no more than 8,192 tokens at once.*model\.context: 8192/);
  const before = stack.model.seen.length;
  await stack.turn(session, 'more please');
  const told = () =>
    of(session).flatMap((e) => (e.type === 'error' && e.code === 'too_long' ? [e.message] : []));
  await until('it is told', () => told().length > 0);
  assert.equal(told().length, 1);
  assert.match(told()[0] ?? '', /too long for the model\. Start a new one with !new/);
  const after = stack.model.seen.length;
  assert.ok(after - before <= 8, `${after - before} requests`);
  stack.model.mode = 'ok';
  const other = await task();
  await stack.turn(other.session, '!say another');
  const since = stack.model.seen
    .slice(after)
    .filter((s) => JSON.stringify(s.messages).includes('more please'));
  assert.deepEqual(since, [], 'it has ended');
});

test('a wrong key, a model that writes less at once, and one that is down are told in words', async () => {
  const { session } = await task();
  const errors = () => of(session).flatMap((e) => (e.type === 'error' ? [e] : []));
  stack.model.mode = 'refuse-key';
  await stack.turn(session, 'hello');
  await until('it is told', () => errors().at(-1)?.code === 'model_key');
  assert.match(errors().at(-1)?.message ?? '', /refused our key/);
  stack.model.mode = 'less-output';
  await stack.turn(session, 'hello');
  const learned = () => of(session).flatMap((e) => (e.type === 'learned' ? [e.message] : []));
  await until('it is told', () => learned().length === 1);
  assert.match(learned()[0] ?? '', /writes no more than 2,000 tokens at once.*model\.output: 2000/);
  await stack.turn(session, '!say I write less');
  assert.equal(saidOf(session), 'I write less', 'what is asked for keeps to it from then on');
  assert.equal(stack.model.asked()?.output, 1024);
  assert.equal(learned().length, 1);
  stack.model.mode = 'down';
  await stack.brain.prompt(session, '!say back again');
  await until('it is told', () => errors().at(-1)?.code === 'model_unreachable');
  stack.model.mode = 'ok';
  await until('it goes on by itself', () => saidOf(session) === 'back again', { seconds: 30 });
});
