/** What the bot's figures count of a chain. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBook } from '../../bot/src/approval/view.ts';
import { createFigures } from '../../bot/src/metrics.ts';
import { newId, sha256 } from '../../ledger/src/action.ts';
import { enrol, memoryLedger, owner, someAction, type Wanted, wayOf } from '../harness/ledger-chain.ts';

const now = {
  parts: { homeserver: 'up', ledger: 'up', history: 'up', executor: 'down', brain: 'unknown', disk: 'up' },
  ...{ events: 0, debts: 0, tasks: 0, spent: { dollars: 1.5, tokens: 70 }, free: 1 },
} as const;

test('cards, answers and ends are counted from the chain, each once, and a command’s own yes is no decision', async () => {
  const ledger = memoryLedger();
  const book = createBook(sha256);
  const figures = createFigures(book, '/none');
  const put = (wanted: Wanted, seconds = 0) => {
    ledger.clock.now += 1000 * seconds;
    assert.equal(ledger.put(wanted), '');
    const entry = ledger.entries.at(-1) ?? assert.fail();
    book.read(entry);
    figures.read(entry);
  };
  const way = (form = 'chip') => {
    const all = wayOf(someAction({ id: newId() }));
    Object.assign(all[1]?.body ?? {}, { form });
    return all as [Wanted, Wanted, Wanted, Wanted, Wanted, Wanted];
  };
  put(enrol);
  const ran = way();
  for (const [i, wanted] of ran.entries()) put(wanted, [0, 1, 20, 1, 1, 90][i]);
  const said = way('command');
  for (const wanted of said.slice(0, 3)) put(wanted);
  // Approved, and denied before it began: one decision, two answers.
  const { action = '', body } = said[2];
  const { digest } = body as { digest: string };
  put({ author: 'bot', kind: 'denied', action, body: { digest, grade: 'plain', by: owner.user } });
  for (const wanted of way().slice(0, 2)) put(wanted);
  put({ author: 'bot', kind: 'alarm', body: { reason: 'x' } });
  figures.appended(0.001);
  await figures.text(now);
  const text = await figures.text(now); // asked again it says the same
  for (const line of [
    'answers_total{answer="approved",grade="sealed"} 2',
    'answers_total{answer="denied",grade="plain"} 1',
    'decision_seconds_sum 20',
    'decision_seconds_count 1',
    'actions_total{outcome="succeeded"} 1',
    'actions_total{outcome="denied"} 1',
    'action_seconds_sum{outcome="succeeded"} 91',
    'action_seconds_bucket{le="60",outcome="succeeded"} 0',
    'action_seconds_bucket{le="300",outcome="succeeded"} 1',
    'actions_open{state="posted"} 1',
    'actions_open{state="running"} 0',
    'alarms_total 1',
    'ledger_append_seconds_count 1',
    'part_up{part="executor"} 0',
    'part_up{part="disk"} 1',
    'model_tokens_total 70',
    'model_cost_total 1.5',
    'backup_timestamp_seconds 0',
  ])
    assert.ok(text.includes(`\npocketcoder_${line}\n`), `${line} in\n${text}`);
  assert.ok(!text.includes('part="brain"'), 'of what is not known nothing is said');
  const [, oldest] = /^pocketcoder_card_oldest_seconds (\S+)$/m.exec(text) ?? [];
  assert.ok(Number(oldest) > 0);
});
