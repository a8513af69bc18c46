/** Leases and plans at the desk: what asks no card, what ends them, and what the room is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Evidence } from '../../bot/src/approval/verdict.ts';
import { type Asked, digestOf, makeAction } from '../../ledger/src/action.ts';
import { type Entry, LedgerError } from '../../ledger/src/client.ts';
import { asked, startDesk, workspace } from '../harness/desk.ts';
import { aPolicy, controlWay, owner, type Person } from '../harness/ledger-chain.ts';
import { until } from '../harness/wait.ts';

const bob: Person = { user: '@bob:home', master: 'B', device: 'PHONE', ed25519: 'EB', curve25519: 'CB' };
type Desk = ReturnType<typeof startDesk>;
const evidence = (event = '$vote'): Evidence => ({
  user: owner.user,
  device: owner.device,
  event,
  form: 'poll',
});
const step = (script: string): Asked => ({ ...asked(script), requester: 'brain' });
const act = (script: string) => ({ kind: 'bash' as const, args: { script, cwd: '.', env: {}, timeout: 60 } });
const stateOf = (d: Desk, action: string) => d.kinds(action).join(' ');

/** Asks for a lease or a plan and approves it. @returns its action, once it is in force */
async function granted(d: Desk, kind: 'lease' | 'plan', scripts: readonly string[]): Promise<string> {
  const acts = scripts.map(act);
  const args = kind === 'plan' ? { steps: acts, seconds: 600 } : { acts, uses: 5, seconds: 600 };
  const requester = kind === 'plan' ? 'brain' : owner.user;
  const { action } = await d.desk.ask({ kind, args, workspace, task: 'task', requester } as Asked);
  const card = d.secrets.get(action);
  assert.ok(card);
  assert.equal(await d.apply({ do: 'approve', card, grade: 'signed', evidence: evidence() }), '');
  const approved = d.memory.entries.findLast((e) => e.kind === 'approved');
  assert.ok(approved);
  d.desk.onEntry(approved);
  await until('it is in force', () => d.kinds(action).includes('applied'));
  return action;
}
const usedBy = (d: Desk, action: string): string =>
  (
    JSON.parse(d.memory.entries.find((e) => e.action === action && e.kind === 'leased')?.body ?? '{}') as {
      lease?: string;
    }
  ).lease ?? '';

test('🛑 ends a plan that stands: its next step is asked for', async () => {
  const d = startDesk();
  const plan = await granted(d, 'plan', ['one', 'two', 'three']);
  const first = await d.desk.ask(step('one'));
  assert.equal(usedBy(d, first.action), plan);
  assert.equal(await d.desk.stop(workspace, owner.user), 2, 'the step and the plan');
  assert.equal(stateOf(d, first.action), 'requested leased denied');
  const second = await d.desk.ask(step('two'));
  assert.equal(stateOf(d, second.action), 'requested posted');
  d.stop();
});

test('🛑 ends what was covered and claimed while it was being taken back', async () => {
  const d = startDesk();
  const lease = await granted(d, 'lease', ['one']);
  const made = makeAction(step('one'), d.book.policy());
  const put = (author: string, kind: string, body: object) =>
    d.put({ author, kind, action: made.id, body: { digest: digestOf(made), ...body } });
  d.put({ author: 'bot', kind: 'requested', action: made.id, body: made });
  const { append } = d.wide;
  d.wide.append = async (entry) => {
    if (entry.kind === 'void') {
      put('bot', 'leased', { lease, use: 1 });
      put('executor', 'claimed', { executor: 'one' });
    }
    return append(entry);
  };
  assert.equal(await d.desk.stop(workspace, owner.user), 1);
  assert.equal(stateOf(d, made.id), 'requested leased claimed stop');
  d.stop();
});

test('a ❌ on the card of a lease or plan that stands ends it, and says so', async () => {
  for (const kind of ['lease', 'plan'] as const) {
    const d = startDesk();
    const grant = await granted(d, kind, ['one', 'two']);
    const card = d.cards.get(grant);
    assert.ok(card);
    const no = { do: 'deny', card, evidence: evidence('$no'), why: '❌ on the card' } as const;
    assert.match(await d.apply(no), /is over: what it covered is asked for again/);
    assert.equal(await d.apply(no), '', 'once');
    const { action } = await d.desk.ask(step('one'));
    assert.equal(stateOf(d, action), 'requested posted', kind);
    d.stop();
  }
});

test('a step that did not run ends its plan', async () => {
  const d = startDesk();
  const plan = await granted(d, 'plan', ['one', 'two']);
  const { action } = await d.desk.ask(step('one'));
  assert.equal(usedBy(d, action), plan);
  const digest = d.book.page(action)?.digest ?? '';
  d.desk.onEntry(d.put({ author: 'bot', kind: 'denied', action, body: { digest, reason: 'taken back' } }));
  await until('the plan is over', () => d.book.standing().length === 0);
  const next = await d.desk.ask(step('two'));
  assert.equal(stateOf(d, next.action), 'requested posted');
  d.stop();
});

test('a lease that covers a plan’s step as well does not take it out of the plan’s order', async () => {
  const d = startDesk();
  await granted(d, 'lease', ['one']);
  const plan = await granted(d, 'plan', ['one', 'two']);
  for (const script of ['one', 'two']) assert.equal(usedBy(d, (await d.desk.ask(step(script))).action), plan);
  d.stop();
});

test('where the words about a left plan cannot be said, what was asked for is taken back, not left half-way', async () => {
  let down = false;
  const d = startDesk({
    posting() {
      if (down) throw new Error('too large');
    },
  });
  await granted(d, 'plan', ['one']);
  down = true;
  await assert.rejects(d.desk.ask(step('something else')), /too large/);
  const action = d.memory.entries.findLast((e) => e.kind === 'requested')?.action ?? '';
  assert.equal(stateOf(d, action), 'requested void');
  d.stop();
});

test('what was requested and never shown is taken back once its time is over', async () => {
  const d = startDesk();
  const { action } = await d.desk.ask(step('one'));
  const request = d.memory.entries.find((e) => e.action === action);
  const left = { ...JSON.parse(request?.body ?? '{}'), id: 'left00000000000' };
  d.put({ author: 'bot', kind: 'requested', action: left.id, id: left.id, body: left });
  await d.desk.expire(Date.now());
  assert.equal(stateOf(d, left.id), 'requested');
  await d.desk.expire(Date.now() + left.decide_within * 1000 + 1000);
  assert.equal(stateOf(d, left.id), 'requested void');
  assert.equal(stateOf(d, action), 'requested posted expired');
  d.stop();
});

test('what a crash cut off after it was recorded: a lease covers it, a card asks, or its own message is to be said again', async () => {
  for (const halted of ['', 'the task was stopped']) {
    const d = startDesk({ halted: () => halted });
    await granted(d, 'lease', ['one']);
    const recorded = (wish: Asked): string => {
      const made = makeAction(wish, d.book.policy());
      d.put({ author: 'bot', kind: 'requested', action: made.id, id: made.id, body: made });
      return made.id;
    };
    const list = (requester: string) =>
      ({ kind: 'list', args: { path: '.' }, workspace, task: 'task', requester }) as Asked;
    const left = {
      covered: recorded(asked('one')),
      agents: recorded(step('one')),
      carded: recorded(asked('two')),
      said: recorded(list(owner.user)),
      looked: recorded(list('brain')),
    };
    await d.desk.resume();
    const of = (name: keyof typeof left) => stateOf(d, left[name]);
    assert.equal(of('covered'), 'requested leased');
    assert.equal(of('carded'), 'requested posted');
    assert.equal(of('said'), 'requested void');
    for (const agents of ['agents', 'looked'] as const)
      assert.equal(
        of(agents),
        halted ? 'requested void' : `requested ${agents === 'agents' ? 'leased' : 'posted'}`,
      );
    await d.desk.resume();
    assert.equal(of('carded'), 'requested posted', 'and a second start changes nothing');
    d.stop();
  }
});

test('a lease stands for the answer as often as it says, each use with its own number, then a card asks again', async () => {
  const d = startDesk();
  await granted(d, 'lease', ['one']);
  const { append } = d.wide;
  d.wide.append = (entry) => new Promise(setImmediate).then(() => append(entry)); // others come in between
  const uses = await Promise.all(Array.from({ length: 5 }, () => d.desk.ask(step('one'))));
  for (const { action } of uses) assert.equal(stateOf(d, action), 'requested leased');
  const posted = d.posted.length;
  assert.equal(stateOf(d, (await d.desk.ask(step('one'))).action), 'requested posted');
  assert.ok(d.posted.length > posted);
  d.stop();
});

test('a plan of one workspace is left alone by what happens in another', async () => {
  const d = startDesk();
  const plan = await granted(d, 'plan', ['one']);
  d.put({ author: 'bot', kind: 'workspace.created', body: { workspace: 'other', room: '!other:x' } });
  await d.desk.ask({ ...step('something else'), workspace: 'other' });
  assert.equal(await d.desk.stop('other', owner.user), 1);
  assert.equal(usedBy(d, (await d.desk.ask(step('one'))).action), plan);
  d.stop();
});

test('only the brain’s own next wish in the same task leaves its plan', async () => {
  const d = startDesk();
  const plan = await granted(d, 'plan', ['one', 'two']);
  for (const other of [asked('something else'), { ...step('something else'), task: 'other' }])
    assert.equal(stateOf(d, (await d.desk.ask(other)).action), 'requested posted');
  assert.equal(usedBy(d, (await d.desk.ask(step('one'))).action), plan);
  assert.equal(stateOf(d, (await d.desk.ask(step('something else'))).action), 'requested posted');
  assert.ok(d.said.some((words) => words.startsWith('The agent left its plan after 1 of 2 steps')));
  assert.equal(stateOf(d, (await d.desk.ask(step('two'))).action), 'requested posted');
  d.stop();
});

test('what was approved and is refused when it should take effect is told, and what runs is not put in force', async () => {
  const d = startDesk();
  const approve = async (asks: Asked): Promise<[action: string, number: number, approved: Entry]> => {
    const { action, number } = await d.desk.ask(asks);
    const card = d.secrets.get(action);
    assert.ok(card);
    await d.apply({ do: 'approve', card, grade: 'signed', evidence: evidence(`$${number}`) });
    const approved = d.memory.entries.find((e) => e.action === action && e.kind === 'approved');
    assert.ok(approved);
    return [action, number, approved];
  };
  const args = { acts: [act('one')], uses: 1, seconds: 60 };
  const [bash, , runs] = await approve(asked('one'));
  const [lease, number, holds] = await approve({ ...asked(''), kind: 'lease', args } as Asked);
  d.put({ author: 'operator', kind: 'frozen', body: {} });
  for (const entry of [runs, holds]) d.desk.onEntry(entry);
  const told = () => d.said.filter((words) => words.includes('was approved, but is not in force'));
  await until('the room is told', () => told().length > 0);
  assert.deepEqual(told(), [
    `#${number} was approved, but is not in force: everything is frozen: nothing was run.`,
  ]);
  for (const action of [bash, lease]) assert.equal(stateOf(d, action), 'requested posted approved');
  d.stop();
});

test('where somebody reads who may not approve, every card asks for a signed answer', async () => {
  const d = startDesk();
  const grade = async () => d.book.page((await d.desk.ask(asked('one'))).action)?.action.grade;
  assert.equal(await grade(), 'sealed');
  d.put({ author: 'operator', kind: 'identity.enrolled', body: { ...bob, role: 'asks' } });
  assert.equal(await grade(), 'signed');
  d.stop();
});

test('of several answers all but the last are endorsements', async () => {
  const d = startDesk();
  d.put({ author: 'operator', kind: 'identity.enrolled', body: { ...bob, role: 'approves' } });
  const two = { ...asked('one'), requester: '@somebody:home' } as Asked;
  const policy = aPolicy({ grade: 'signed', approvers: 2 });
  for (const entry of controlWay(
    makeAction(
      { kind: 'policy', args: { policy }, workspace, task: 'task', requester: 'operator' },
      d.book.policy(),
    ),
  ))
    d.put(entry);
  const { action } = await d.desk.ask(two);
  const answer = ({ user, device }: Person, event: string) => {
    const card = d.secrets.get(action);
    assert.ok(card);
    const given = { ...evidence(event), user, device };
    return d.apply({ do: 'approve', card, grade: 'signed', evidence: given });
  };
  assert.equal(await answer(owner, '$first'), '');
  assert.match(await answer(owner, '$again'), /counted already/);
  assert.equal(stateOf(d, action), 'requested posted endorsed');
  assert.equal(await answer(bob, '$second'), '');
  assert.equal(stateOf(d, action), 'requested posted endorsed approved');
  d.stop();
});

test('a brain that was denied three times is not asked for, people are; after decoys cards ask for a signed answer', async () => {
  const d = startDesk();
  const decided = (reason: string, brain: boolean) => {
    const entry = { action: `a${reason}`, at: new Date().toISOString() };
    d.attention.read({ ...entry, kind: 'posted', body: '{}' } as Entry, brain);
    d.attention.read({ ...entry, kind: 'denied', body: JSON.stringify({ reason }) } as Entry, brain);
  };
  for (let i = 0; i < 3; i++) decided('no', true);
  await assert.rejects(
    d.desk.ask(step('one')),
    /Not asked: the last 3 actions were denied.* Nothing was run/,
  );
  const grade = async () => d.book.page((await d.desk.ask(asked('one'))).action)?.action.grade;
  assert.equal(await grade(), 'sealed');
  for (let i = 0; i < 2; i++) decided('the decoy was tapped', false);
  assert.equal(await grade(), 'signed');
  d.attention.heard();
  await d.desk.ask(step('one'));
  d.stop();
});

test('a no that the ledger refuses for anything but its time comes again: it is not lost', async () => {
  const d = startDesk();
  const { action } = await d.desk.ask(asked('one'));
  const card = d.cards.get(action);
  assert.ok(card);
  const no = { do: 'deny', card, evidence: evidence('$no'), why: '❌ on the card' } as const;
  const { append } = d.wide;
  d.wide.append = async () => {
    throw new LedgerError('odd', 400, 'odd');
  };
  await assert.rejects(d.apply(no), /odd/);
  d.wide.append = append;
  assert.equal(await d.apply(no), '');
  assert.equal(stateOf(d, action), 'requested posted denied');
  d.stop();
});

test('a guessed key turns the taps of its card off, once, with an alarm', async () => {
  const d = startDesk();
  const { action, number } = await d.desk.ask(asked('one'));
  const guess = () => {
    const card = d.cards.get(action);
    assert.ok(card);
    return d.apply({ do: 'suspect', card, why: 'a key that was never issued' });
  };
  assert.match(await guess(), new RegExp(`^⚠️ #${number} got a tap with a key nobody was given`));
  assert.equal(d.cards.get(action)?.dropped, true);
  assert.equal(await guess(), '');
  assert.equal(d.memory.entries.filter((e) => e.kind === 'alarm').length, 1);
  d.stop();
});
