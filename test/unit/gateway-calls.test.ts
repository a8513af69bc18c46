/** How long a call is held, how many are open at once, and who is told an outcome. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Asked } from '@pocketcoder/ledger/src/action.ts';
import { type CallsOptions, openCalls } from '../../bot/src/gateway/calls.ts';
import type { Settled } from '../../bot/src/gateway/line.ts';
import { mostOpen } from '../../bot/src/gateway/line.ts';
import type { Outcome } from '../../bot/src/gateway/outcome.ts';
import { alone } from '../harness/alone.ts';
import { callOf } from '../harness/pins.ts';
import { until } from '../harness/wait.ts';

const done: Outcome = { state: 'succeeded', exit: 0, output: 'fine', truncated: false };
const asked = (task = 't', script = 'x'): Asked => ({
  kind: 'bash',
  args: { script, cwd: '.', env: {}, timeout: 1 },
  workspace: 'w',
  task,
  requester: 'brain',
});

function setUp(wait: number, o: Partial<CallsOptions> & { fails?: Error } = {}) {
  const open: ((o: Outcome) => void)[] = [];
  const asks: Asked[] = [];
  const settled: Settled[] = [];
  const call = openCalls({
    ...alone,
    ...o,
    wait,
    beat: 0.02,
    settled: (s) => settled.push(s),
    async ask(a) {
      asks.push(a);
      if (o.fails) throw o.fails;
      return { action: `a${asks.length}`, outcome: new Promise((resolve) => open.push(resolve)) };
    },
  });
  const said: string[] = [];
  const start = (
    a = asked(),
    o: { spoken?: Promise<void>; signal?: AbortSignal; sent?: Promise<boolean> } = {},
  ) =>
    call(a, {
      spoken: o.spoken ?? Promise.resolve(),
      signal: o.signal ?? new AbortController().signal,
      sent: o.sent ?? Promise.resolve(true),
      progress: (m) => said.push(m),
    });
  return { open, asks, settled, said, start };
}

test('an outcome in time is the answer and counts as delivered', async () => {
  const { open, settled, said, start } = setUp(5);
  const answer = start();
  await until('it is asked, and progress told', () => open.length === 1 && said.length > 2);
  open[0]?.(done);
  assert.match((await answer).text, /a1 ended with exit 0/);
  await until('settled', () => settled.length === 1);
  assert.equal(settled[0]?.delivered, true);
  assert.match(said.at(-1) ?? '', /action a1 waits for the owner/);
});

test('a tool server’s tool that failed is an error, as MCP has it; a command that failed has run, and is none', async () => {
  const failed: Outcome = { state: 'failed', exit: 1, output: 'it went wrong', truncated: false };
  const isErrorOf = async (a: Asked, outcome: Outcome) => {
    const { open, start } = setUp(5);
    const answer = start(a);
    await until('it is asked', () => open.length === 1);
    open[0]?.(outcome);
    return (await answer).isError;
  };
  for (const kind of ['mcp', 'mcp_read', 'mcp_out'] as const) {
    const args = { ...callOf('say'), ...(kind === 'mcp_out' && { url: 'https://example.org/mcp' }) };
    const call = { ...asked(), kind, args } as Asked;
    for (const state of ['failed', 'killed', 'unknown', 'denied'] as const)
      assert.equal(await isErrorOf(call, { ...failed, state }), true, `${kind} ${state}`);
    assert.equal(await isErrorOf(call, done), false, kind);
  }
  assert.equal(await isErrorOf(asked(), failed), false);
  assert.equal(await isErrorOf(asked(), { ...failed, state: 'denied' }), true);
});

test('nothing is recorded before the words before each call stand, and the wait for company goes on meanwhile', async () => {
  const plans: Asked[][] = [];
  const { asks, start } = setUp(5, {
    together(all) {
      if (all.length < 2) return undefined;
      plans.push([...all]);
      return asked('t', 'both');
    },
  });
  const words = Promise.withResolvers<void>();
  const more = Promise.withResolvers<void>();
  void start(asked('t', 'one'), { spoken: words.promise });
  void start(asked('t', 'two'), { spoken: more.promise });
  void start(asked('u', 'another task’s'));
  await until('what came later, of another task, to have waited for company', () => asks.length === 1);
  assert.deepEqual(plans, []);
  words.resolve();
  await until('both to be put together', () => plans.length === 1);
  assert.equal(asks.length, 1, 'the words before the second do not stand yet');
  more.resolve();
  await until('the plan to be recorded', () => asks.length === 2);
});

test('an outcome whose answer never went out is not delivered', async () => {
  const { open, settled, start } = setUp(5);
  const answer = start(asked(), { sent: Promise.resolve(false) });
  await until('asked', () => open.length === 1);
  open[0]?.(done);
  await answer;
  await until('settled', () => settled.length === 1);
  assert.equal(settled[0]?.delivered, false);
});

test('a late outcome: PENDING first, then told once as not delivered', async () => {
  const { open, settled, start } = setUp(0.2);
  const answer = await start();
  assert.match(answer.text, /^PENDING: action a1/);
  assert.equal(answer.isError, false);
  open[0]?.(done);
  await until('settled', () => settled.length === 1);
  assert.deepEqual(settled, [{ task: 't', action: 'a1', outcome: done, delivered: false }]);
});

test('a call taken back ends at once; its action stands and is told when it is over', async () => {
  const { open, settled, start } = setUp(5);
  const taken = new AbortController();
  const answer = start(asked(), { signal: taken.signal });
  await until('asked', () => open.length === 1);
  taken.abort();
  await answer;
  open[0]?.(done);
  await until('settled', () => settled.length === 1);
  assert.equal(settled[0]?.delivered, false);
});

test('what could not be recorded was not asked, and frees its place', async () => {
  const { asks, start } = setUp(5, { fails: new Error('the ledger is down') });
  for (let i = 0; i < mostOpen + 1; i++) {
    const answer = await start();
    assert.equal(answer.isError, true);
    assert.match(answer.text, /NOT ASKED.*the ledger is down.*Nothing ran/);
  }
  assert.equal(asks.length, mostOpen + 1);
});

test('where the owner wants a plan first, nothing else is asked but what reads; a plan ends the turn, and takes another’s place', async () => {
  const replaced: string[] = [];
  const { open, asks, settled, start } = setUp(5, {
    planning: (task) => task === 't',
    replacePlan: async (task) => void replaced.push(task),
  });
  const refused = await start();
  assert.match(refused.text, /^NOT ASKED: the owner wants to approve a plan first/);
  assert.equal(refused.isError, true);
  assert.equal(asks.length, 0);
  const where = { workspace: 'w', task: 't', requester: 'brain' as const };
  const plan: Asked = { ...where, kind: 'plan', args: { words: 'Look.', steps: [], seconds: 9 } };
  assert.match((await start(plan)).text, /^PENDING: action a1/, 'at once, while nobody decided');
  assert.deepEqual(replaced, ['t'], 'any that waits goes before it is asked');
  open[0]?.({ state: 'applied', output: '', truncated: false });
  await until('settled', () => settled.length === 1);
  assert.equal(settled[0]?.delivered, false, 'its end is told as a message');
  const reads = start({ ...where, kind: 'list', args: { path: '.' } });
  await until('the read is asked', () => asks.length === 2);
  open[1]?.(done);
  assert.match((await reads).text, /ended with exit 0/);
  const other = start(asked('other'));
  await until('another task is asked as usual', () => asks.length === 3);
  open[2]?.(done);
  await other;
});

/** As many of one kind as there are become one plan. */
const together = (all: readonly Asked[]): Asked =>
  ({
    ...asked(),
    kind: 'plan',
    args: { steps: all.map(({ kind, args }) => ({ kind, args })), seconds: 9 },
  }) as Asked;
const applied: Outcome = { state: 'applied', output: '', truncated: false };
const scriptOf = (a: Asked | undefined) => (a?.kind === 'bash' ? a.args.script : a?.kind);

test('attack-28 calls of one turn are one card, then one with the list of all others; another task is not held up', async () => {
  const { open, asks, settled, start } = setUp(5, { together });
  const flood = [start(asked('t', 'script 0'))];
  await until('the first is asked', () => asks.length === 1);
  for (let i = 1; i < 20; i++) flood.push(start(asked('t', `script ${i}`)));
  const other = start(asked('other'));
  await until('both tasks are asked', () => asks.length === 2);
  open[1]?.(done);
  await other;
  open[0]?.(done);
  await until('the rest is asked', () => asks.length === 3);
  const plan = asks[2];
  assert.ok(plan?.kind === 'plan' && plan.args.steps.length === 19);
  open[2]?.(applied);
  for (let i = 1; i < 20; i++) {
    await until(`step ${i} is asked`, () => open.length > i + 2);
    open[i + 2]?.(done);
  }
  const answers = await Promise.all(flood);
  assert.ok(answers.every(({ text }) => /ended with exit 0/.test(text)));
  assert.deepEqual(
    asks.slice(3).map(scriptOf),
    Array.from({ length: 19 }, (_, i) => `script ${i + 1}`),
  );
  const told = settled.find((s) => s.action === 'a3');
  assert.equal(told?.delivered, true, 'the calls themselves carry what became of the plan');
});

test('only what is of one kind goes together, in the order it came, and no more than one card holds', async () => {
  const few = (all: readonly Asked[]) => (all.length > 2 ? undefined : together(all));
  const { open, asks, start } = setUp(5, { together: few });
  const read = { ...asked(), kind: 'read_file', args: { path: 'a', offset: 0, limit: 1 } } as Asked;
  const wishes = [asked('t', '1'), asked('t', '2'), asked('t', '3'), read, asked('t', '4'), asked('t', '5')];
  const answers = wishes.map((a) => start(a));
  const expected = ['plan', '1', '2', '3', 'read_file', 'plan', '4', '5'];
  for (const [i, what] of expected.entries()) {
    await until(`${what} is asked`, () => asks.length > i && open.length > i);
    assert.equal(scriptOf(asks[i]), what);
    open[i]?.(what === 'plan' ? applied : done);
  }
  for (const answer of answers) assert.match((await answer).text, /ended with exit 0/);
});

test('a no to the list is a no to each of its calls; what else was on its way is not asked', async () => {
  const { open, asks, start } = setUp(5, { together });
  const no: Outcome = { state: 'denied', output: '', truncated: false };
  const read = { ...asked(), kind: 'read_file', args: { path: 'a', offset: 0, limit: 1 } } as Asked;
  const answers = [asked('t', '1'), asked('t', '2'), asked('t', '3'), read].map((a) => start(a));
  await until('the list is asked', () => open.length === 1);
  open[0]?.(no);
  const last = await answers.pop();
  for (const one of answers) assert.match((await one).text, /a1 was DENIED/);
  assert.match(
    last?.text ?? '',
    /NOT ASKED: the owner just denied another action of this task\. Nothing ran/,
  );
  assert.equal(asks.length, 1);
  const next = start(read);
  await until('what comes afterwards is asked', () => open.length === 2);
  open[1]?.(done);
  await next;
});

test('whoever can’t wait for the list is told PENDING, and later of the plan itself', async () => {
  const { open, asks, settled, start } = setUp(0.2, { together });
  const answers = [asked('t', '1'), asked('t', '2')].map((a) => start(a));
  for (const answer of answers) assert.match((await answer).text, /^PENDING: action a1/);
  open[0]?.(applied);
  await until('settled', () => settled.length === 2);
  for (const one of settled) assert.deepEqual([one.action, one.delivered], ['a1', false]);
  assert.equal(asks.length, 1, 'its steps are the agent’s to call');
});

test('what needs no card waits behind none', async () => {
  const { open, asks, start } = setUp(5, { covered: (a) => a.kind === 'read_file' });
  const read = { ...asked(), kind: 'read_file', args: { path: 'a', offset: 0, limit: 1 } } as Asked;
  const first = start();
  await until('a card is open', () => open.length === 1);
  const answers = Array.from({ length: mostOpen + 2 }, () => start(read));
  await until('all were asked', () => asks.length === mostOpen + 3);
  for (const decide of open) decide(done);
  for (const answer of [first, ...answers]) assert.match((await answer).text, /ended with exit 0/);
});

test('attack-28 calls beyond the limit give up without a card when nobody decides', async () => {
  const { asks, start } = setUp(0.2);
  for (let i = 0; i < mostOpen; i++) assert.match((await start()).text, /^PENDING/);
  for (let i = 0; i < 3; i++) assert.match((await start()).text, /^NOT ASKED/);
  assert.equal(asks.length, mostOpen);
});

test('whoever was stopped hears nothing by an open call: it waits to be taken back, and the outcome is still to be told', async () => {
  let halted = '';
  const { open, settled, start } = setUp(5, { halted: () => halted });
  const taken = new AbortController();
  const answers: string[] = [];
  for (const script of ['running', 'waiting'])
    void start(asked('t', script), { signal: taken.signal }).then(({ text }) => answers.push(text));
  await until('the first is asked', () => open.length === 1);
  halted = 'the owner stopped everything';
  open[0]?.({ ...done, state: 'denied' });
  await until('settled', () => settled.length === 1);
  assert.equal(settled[0]?.delivered, false);
  await new Promise(setImmediate);
  assert.deepEqual(answers, []);
  taken.abort();
  await until('both are over', () => answers.length === 2);
  for (const text of answers) assert.match(text, /^NOT ASKED: the owner stopped everything/);
  assert.equal(open.length, 1, 'no card comes of what waited');
});
