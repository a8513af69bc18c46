/** Random calls of an evil brain at the real gateway and desk, on a ledger in memory: what would run is what was approved. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createAttention } from '../../bot/src/desk/attention.ts';
import { isOver } from '../../ledger/rules/lifecycle.cjs';
import type { Entry } from '../../ledger/src/entry.ts';
import { never, stepsOf } from '../adversary/evil/calls.ts';
import { createEvil } from '../adversary/evil/client.ts';
import { type Gate, openGate } from '../adversary/evil/gate.ts';
import { askersIn, brokenIn, counted, owedBy } from '../adversary/evil/owed.ts';
import { createOwner } from '../adversary/evil/owner.ts';
import { startDesk, workspace } from '../harness/desk.ts';
import { until } from '../harness/wait.ts';

const seed = Number(process.env['EVIL_SEED'] ?? Math.floor(Math.random() * 1e9));
const attention = createAttention(0);
let gate: Gate | undefined;
const d = startDesk({ onEntry: take, attention: { ...attention, hold: () => '' } });
const owner = createOwner(seed, {
  async read({ action }) {
    const content = d.posted.find(({ txn }) => /^(card|poll)-/.test(txn) && txn.endsWith(action.id))?.content;
    const poll = content?.['org.matrix.msc3381.poll.start'] as { question: { body: string } } | undefined;
    return poll?.question.body ?? String(content?.['body']);
  },
  async approve({ action }) {
    const card = d.secrets.get(action.id) ?? assert.fail('no card');
    const { user, device } = d.device;
    const evidence = { user, device, event: `$yes-${action.id}`, form: 'poll' } as const;
    return (await d.apply({ do: 'approve', card, grade: 'signed', evidence })) === '';
  },
  async deny({ action }) {
    const card = d.cards.get(action.id) ?? assert.fail('no card');
    const evidence = { user: d.device.user, event: `$no-${action.id}`, form: 'reaction' } as const;
    await d.apply({ do: 'deny', card, evidence, why: '❌' });
  },
});
/** What an executor would have run, by the ledger's leave. */
const ran: string[] = [];
const evil = createEvil();

/** Runs what may be claimed, and nothing else: the ledger's rules are asked, as the hook asks them. */
function run(entry: Entry): void {
  const page = d.book.page(entry.action) ?? assert.fail('nobody asked for it');
  const by = (kind: string) =>
    d.put({ author: 'executor', kind, action: entry.action, body: { digest: page.digest, executor: 'one' } });
  by('claimed');
  if (page.action.kind === 'bash') ran.push(...owedBy(page.story));
  by('running');
  by('succeeded');
}

function take(entry: Entry): void {
  const page = gate && d.book.page(entry.action);
  if (!page) return;
  d.desk.onEntry(entry);
  if (entry.kind === 'posted') owner.look(page);
  if (['approved', 'leased'].includes(entry.kind) && page.action.class !== 'control')
    setImmediate(run, entry);
  const state = entry.kind as 'succeeded';
  if (isOver(entry.kind)) setImmediate(() => gate?.over(page, { state, output: '', truncated: false }));
}

before(async () => {
  gate = await openGate({ desk: d.desk, book: d.book, workspace, wait: 0.5 });
  const { hands, walkers, told } = gate;
  const walks = walkers.map((one, i) => evil.walk(one, 20_000 * (i + 1), 2, 8, told));
  const storm = evil.storm(stepsOf(seed, 1000), hands, 48);
  await Promise.all([storm, ...walks]);
  await owner.done();
  await d.desk.expire(Number.MAX_SAFE_INTEGER);
  await until('all of it is over', () => d.book.unfinished().length === 0);
});
after(async () => {
  await gate?.stop();
  d.stop();
});

test('attack-30 whatever an evil brain calls, by whichever door, only what was approved is let run, each time once', (t) => {
  t.diagnostic(`EVIL_SEED=${seed} ${JSON.stringify(owner.counts)}`);
  const { entries } = d.memory;
  const { asked, outside } = evil.played;
  assert.deepEqual(counted(ran), counted(owedBy(entries)));
  const approved = counted(owner.approved);
  for (const [mark, times] of counted(ran))
    assert.ok(times <= (approved.get(mark) ?? 0), `${mark} was let run ${times} times`);
  assert.ok(!ran.includes(never));
  assert.equal(brokenIn(entries), '');
  assert.ok(
    !outside.has(200) && outside.has(401) && outside.has(403) && outside.has(404),
    [...outside].join(),
  );
  for (const [mark, task] of askersIn(entries)) assert.ok(asked.get(mark)?.has(task), `${mark} of ${task}`);
});

test('attack-30 what was approved of it was let run', () => {
  assert.ok(ran.length >= 30, `${ran.length} runs`);
});
