/** Reads that a task's first card leases besides, at the desk: which card offers them, what they spare, what ends them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Evidence } from '../../bot/src/approval/verdict.ts';
import { createAsks } from '../../bot/src/gateway/asks.ts';
import { runCommand } from '../../bot/src/room/commands/table.ts';
import { readsOf } from '../../ledger/rules/answers.cjs';
import { defaultPolicy, type Term } from '../../ledger/rules/policy.cjs';
import { type Action, type Asked, digestOf, makeAction } from '../../ledger/src/action.ts';
import { asked, startDesk, workspace } from '../harness/desk.ts';
import { controlWay, owner, person } from '../harness/ledger-chain.ts';
import { until } from '../harness/wait.ts';

type Desk = ReturnType<typeof startDesk>;
const reads = { uses: 2, seconds: 600 };
const words = 'also, for the rest of this task';
const step = (script: string, over: object = {}): Asked => ({
  ...asked(script),
  requester: 'brain',
  ...over,
});
const read = (path: string, over: object = {}): Asked =>
  ({ ...step(''), kind: 'read_file', args: { path, offset: 0, limit: 9 }, ...over }) as Asked;

function offering(over: Partial<Term> = {}): Desk {
  const d = startDesk();
  const policy = { ...defaultPolicy, read: { ...(defaultPolicy['read'] as Term), reads, ...over } };
  const ask = makeAction(
    { kind: 'policy', args: { policy }, workspace, task: 'task', requester: 'operator' },
    d.book.policy(),
  );
  for (const entry of controlWay(ask)) d.put(entry);
  return d;
}
const actionOf = (d: Desk, id: string): Action => {
  const page = d.book.page(id);
  assert.ok(page);
  return page.action;
};
/** Asks for it and says whether its card, which there must be, offers reads: in its text and in its action alike. */
async function offers(d: Desk, what: Asked): Promise<boolean> {
  const { action } = await d.desk.ask(what);
  assert.equal(d.kinds(action).join(' '), 'requested posted');
  const card = d.posted.findLast((p) => p.txn === `card-${action}` || p.txn === `poll-${action}`);
  assert.ok(card);
  const shown = JSON.stringify(card.content).includes(words);
  assert.equal(shown, actionOf(d, action).reads !== undefined);
  return shown;
}
const last = (d: Desk): string => d.memory.entries.findLast((e) => e.kind === 'requested')?.action ?? '';
/** What gives the reads that an approved card leased besides. */
const readsEntry = (d: Desk, id: string) => {
  const action = actionOf(d, id);
  const body = readsOf(action, digestOf(action), d.book.page(id)?.story ?? []);
  return { author: 'executor', kind: 'lease.granted', action: id, body };
};
/** Approves the newest card and runs it, as an executor does. */
async function approved(d: Desk, given = true): Promise<string> {
  const id = last(d);
  const card = d.secrets.get(id);
  assert.ok(card);
  const evidence: Evidence = { user: owner.user, event: `$tap-${id}`, form: 'chip' };
  assert.equal(await d.apply({ do: 'approve', card, grade: 'sealed', evidence }), '');
  const action = actionOf(d, id);
  const digest = digestOf(action);
  d.put({ author: 'executor', kind: 'claimed', action: id, body: { digest, executor: 'x' } });
  if (action.reads && given) d.put(readsEntry(d, id));
  return id;
}
const run = (d: Desk, line: string): Promise<string> =>
  runCommand(line, {
    ...{ desk: d.desk, book: d.book, cards: d.cards, ledger: d.ledger, workspace, user: owner.user },
    role: 'owner',
    task: () => ({ id: 'task' }),
    conversation: {
      newTask: () => ({ number: 2 }),
      taskOf: (_: string, n: number) => ({ id: n === 1 ? 'task' : 'other' }),
      interrupt: async () => {},
    },
    tour: { did: () => {} },
  } as unknown as Parameters<typeof runCommand>[1]);
const isLeased = async (d: Desk, what: Asked): Promise<boolean> => {
  const { action } = await d.desk.ask(what);
  return d.kinds(action).includes('leased');
};

test('the first card of a task offers its reads; once it is approved they take none, as often as it said', async () => {
  const d = offering();
  assert.equal(await offers(d, step('make')), true);
  assert.equal(await offers(d, step('make twice')), false, 'one card at a time');
  assert.equal(d.book.standing().length, 0, 'not before it is approved');
  d.stop();

  const e = offering();
  await offers(e, step('make'));
  const action = await approved(e);
  const digest = e.book.page(action)?.digest;
  for (const kind of ['running', 'killed']) e.put({ author: 'executor', kind, action, body: { digest } });
  assert.equal(await isLeased(e, read('a')), true);
  assert.equal(await offers(e, step('make test')), false, 'while they stand');
  assert.equal(await isLeased(e, read('b')), true);
  assert.equal(await offers(e, read('c')), true, 'used up: the next card offers them again');
  assert.equal(await offers(e, step('else', { task: 'other' })), true, 'another task has its own');
  e.stop();
});

test('nobody is offered reads but the agent, by a card, where the policy gives them', async () => {
  const d = offering();
  assert.equal(await offers(d, asked('make')), false);
  const acts = [{ kind: 'bash', args: asked('make').args }];
  const plan = { ...step(''), kind: 'plan', args: { steps: acts, seconds: 60 } } as Asked;
  assert.equal(await offers(d, plan), false);
  const lease = {
    ...asked(''),
    kind: 'lease',
    args: { acts, uses: 9, seconds: 60 },
  } as Asked;
  const made = makeAction(lease, d.book.policy());
  for (const entry of controlWay(made)) d.put(entry);
  const { action } = await d.desk.ask(step('make'));
  assert.equal(d.kinds(action).join(' '), 'requested leased');
  assert.equal(actionOf(d, action).reads, undefined, 'no card would show them');
  assert.equal(await offers(d, step('make test')), true);
  d.stop();
  for (const over of [{ mode: 'ask' as const }, { grace: 1 }, { grade: 'signed' as const, approvers: 2 }]) {
    const none = offering(over);
    assert.equal(await offers(none, step('make')), false, JSON.stringify(over));
    none.stop();
  }
});

test('a no to the first card is a no to reads in that task: nothing is leased or offered again', async () => {
  const d = offering();
  await offers(d, step('make'));
  const card = d.cards.get(last(d));
  assert.ok(card);
  const evidence: Evidence = { user: owner.user, event: '$no', form: 'reaction' };
  await d.apply({ do: 'deny', card, evidence, why: '❌ on the card' });
  assert.equal(d.book.standing().length, 0);
  assert.equal(await offers(d, read('a')), false);
  assert.equal(await offers(d, step('make', { task: 'other' })), true);
  d.stop();
});

test('!revoke, a ❌ on the card, 🛑 and !stop of their task end reads that stand; !new, and a stop of another task, end none', async () => {
  const ways: [string, (d: Desk, id: string) => Promise<unknown>, RegExp][] = [
    ['!revoke', (d, id) => run(d, `!revoke ${d.book.number(id)}`), /is over: what it covered is asked for/],
    [
      '❌',
      async (d, id) => {
        const card = d.cards.get(id);
        assert.ok(card);
        const evidence: Evidence = { user: owner.user, event: '$no', form: 'reaction' };
        return d.apply({ do: 'deny', card, evidence, why: '❌ on the card' });
      },
      /what has started is ended by 🛑/,
    ],
    ['🛑', (d) => d.desk.stop(workspace, owner.user), /^2$/],
    ['!stop 1', (d) => run(d, '!stop 1'), /Stopped in task 1: 2/],
  ];
  for (const [name, way, said] of ways) {
    const d = offering();
    await offers(d, step('make'));
    const id = await approved(d);
    assert.match(await run(d, '!leases'), /reads of this workspace in its task: 0 of 2 used/);
    assert.match(await run(d, '!new'), /New task 2/);
    assert.match(await run(d, '!stop 2'), /Nothing was running or waiting in task 2/);
    assert.equal(d.book.standing().length, 1, 'the genuine twin');
    assert.match(String(await way(d, id)), said, name);
    assert.equal(d.book.standing().length, 0, name);
    assert.ok(d.kinds(id).includes('claimed') && !d.kinds(id).includes('denied'), name);
    assert.equal(await offers(d, read('a')), false, `${name}: taken back is not offered again`);
    d.stop();
  }
});

test('🛑 ends reads that are given while it is carried out, and lets none be given after it', async () => {
  for (const given of [true, false]) {
    const d = offering();
    await offers(d, step('make'));
    const id = await approved(d, given);
    const stop = d.put({ author: 'bot', kind: 'stop', action: id, body: {} });
    assert.equal(d.book.standing().length, given ? 1 : 0);
    d.desk.onEntry(stop);
    await until('the reads to end', () => d.book.standing().length === 0);
    if (!given) assert.throws(() => d.put(readsEntry(d, id)), { code: 'lifecycle' });
    d.stop();
  }
});

test('calls become one plan where that takes no more answers and one card shows it; reads do not that the first card leases', () => {
  const putTogether = (d: Desk, ...all: Asked[]) => createAsks(d.desk, d.book, () => false).together(all);
  const d = offering();
  const plan = putTogether(d, step('a'), step('b'));
  assert.ok(plan?.kind === 'plan' && plan.requester === 'brain' && plan.task === 'task');
  assert.deepEqual(
    plan.args.steps,
    ['a', 'b'].map((script) => ({ kind: 'bash', args: { script, cwd: '.', env: {}, timeout: 60 } })),
  );
  assert.equal(putTogether(d, read('a'), read('b')), undefined);
  d.stop();
  const none = offering({ mode: 'ask' });
  assert.equal(putTogether(none, read('a'), read('b'))?.kind, 'plan', 'where no card leases them');
  const first = createAsks(none.desk, none.book, () => true).together([read('a'), read('b')]);
  assert.equal(first, undefined, 'nor where a plan is wanted first: two reads are none');
  assert.equal(putTogether(none, plan, plan), undefined, 'a plan holds no plans');
  const long = 'echo\n'.repeat(120);
  assert.equal(putTogether(none, step(long))?.kind, 'plan');
  assert.equal(putTogether(none, step(long), step(long)), undefined, 'too long for one card');
  assert.equal(putTogether(none, ...Array.from({ length: 51 }, () => step('a'))), undefined);
  none.stop();
  const two = startDesk();
  const control = { ...(defaultPolicy['control'] as Term), approvers: 2 };
  two.put({ author: 'operator', kind: 'identity.enrolled', body: person('ann') });
  const policy = { ...defaultPolicy, control };
  const args = { kind: 'policy', args: { policy }, workspace, task: 'task', requester: 'operator' } as const;
  for (const entry of controlWay(makeAction(args, two.book.policy()))) two.put(entry);
  assert.equal(putTogether(two, step('a'), step('b')), undefined, 'it would take two people');
  two.stop();
});

test('the policy as people read it says what a first card leases', async () => {
  const d = offering();
  assert.match(
    await run(d, '!policy'),
    /^read: .*leased by a task’s first card, 2 times at most, within 10 min$/m,
  );
  d.stop();
});
