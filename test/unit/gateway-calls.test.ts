/** How long a call is held, how many are open at once, and who is told an outcome. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Asked } from '@pocketcoder/ledger/src/action.ts';
import { mostOpen, openCalls, type Settled } from '../../bot/src/gateway/calls.ts';
import type { Outcome } from '../../bot/src/gateway/outcome.ts';
import { until } from '../harness/wait.ts';

const done: Outcome = { state: 'succeeded', exit: 0, output: 'fine', truncated: false };
const asked = (task = 't', script = 'x'): Asked => ({
  kind: 'bash',
  args: { script, cwd: '.', env: {}, timeout: 1 },
  workspace: 'w',
  task,
  requester: 'brain',
});

function setUp(wait: number, fails?: Error) {
  const open: ((o: Outcome) => void)[] = [];
  const asks: Asked[] = [];
  const settled: Settled[] = [];
  const call = openCalls({
    wait,
    beat: 0.02,
    settled: (s) => settled.push(s),
    async ask(a) {
      asks.push(a);
      if (fails) throw fails;
      return { action: `a${asks.length}`, outcome: new Promise((resolve) => open.push(resolve)) };
    },
  });
  const said: string[] = [];
  const start = (a = asked(), o: { signal?: AbortSignal; sent?: Promise<boolean> } = {}) =>
    call(a, {
      signal: o.signal ?? new AbortController().signal,
      sent: o.sent ?? Promise.resolve(true),
      progress: (m) => said.push(m),
    });
  return { open, asks, settled, said, start };
}

test('an outcome in time is the answer and counts as delivered', async () => {
  const { open, settled, said, start } = setUp(5);
  const answer = start();
  await until('progress is told', () => said.length > 2);
  open[0]?.(done);
  assert.match((await answer).text, /a1 succeeded/);
  await until('settled', () => settled.length === 1);
  assert.equal(settled[0]?.delivered, true);
  assert.match(said[0] ?? '', /action a1 waits for the owner/);
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
  const { open, settled, start } = setUp(0.05);
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
  const { asks, start } = setUp(5, new Error('the ledger is down'));
  for (let i = 0; i < mostOpen + 1; i++) {
    const answer = await start();
    assert.equal(answer.isError, true);
    assert.match(answer.text, /NOT ASKED.*the ledger is down.*Nothing ran/);
  }
  assert.equal(asks.length, mostOpen + 1);
});

test('attack-28 a flood of calls opens few cards; the rest wait, in order; another task is not held up', async () => {
  const { open, asks, start } = setUp(5);
  const flood = Array.from({ length: 20 }, (_, i) => start(asked('t', `script ${i}`)));
  await until('the first are asked', () => asks.length === mostOpen);
  const other = start(asked('other'));
  await until('the other task is asked', () => asks.length === mostOpen + 1);
  open[mostOpen]?.(done);
  await other;
  for (let i = 0; i < 20; i++) {
    const at = i < mostOpen ? i : i + 1;
    await until(`call ${i} is asked`, () => open.length > at);
    assert.ok(asks.length <= mostOpen + 1 + i);
    open[at]?.(done);
    await flood[i];
  }
  const order = asks.filter((a) => a.task === 't').map((a) => a.kind === 'bash' && a.args.script);
  assert.deepEqual(
    order,
    Array.from({ length: 20 }, (_, i) => `script ${i}`),
  );
});

test('attack-28 calls beyond the limit give up without a card when nobody decides', async () => {
  const { asks, start } = setUp(0.05);
  const answers = await Promise.all(Array.from({ length: 10 }, () => start()));
  assert.equal(asks.length, mostOpen);
  assert.equal(answers.filter((a) => a.text.startsWith('PENDING')).length, mostOpen);
  assert.equal(answers.filter((a) => a.text.startsWith('NOT ASKED')).length, 10 - mostOpen);
});
