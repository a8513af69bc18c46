/** How an action ended, in the words that a phone shows: what happened first, who let it and how last. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from '../../bot/src/approval/view.ts';
import type { Outcome } from '../../bot/src/gateway/outcome.ts';
import { proofOf, verdictLine } from '../../bot/src/room/verdict.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { actionOf, bash } from '../harness/shown.ts';

const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`;
const entry = (kind: string, second: number, body: object = {}): Entry =>
  ({ kind, at: at(second), body: JSON.stringify(body), seq: second, hash: 'cd'.repeat(32) }) as Entry;
const tap = entry('approved', 1, { grade: 'sealed', evidence: { user: '@owner:home', form: 'chip' } });
const pageOf = (story: Entry[], action = bash('true')) => ({ action, number: 12, story }) as unknown as Page;
const people = (...users: string[]) =>
  ({ enrolled: () => users.map((user) => ({ user })), number: () => 7 }) as unknown as Parameters<
    typeof proofOf
  >[2];
const owner = people('@owner:home');

test('the first words say what happened, and a reason that the executor gives follows in each of them', () => {
  const ran = [tap, entry('claimed', 2)];
  const ended = (kind: string, outcome: Partial<Outcome>, story: Entry[] = ran, action = bash('true')) =>
    verdictLine(pageOf([...story, entry(kind, 14)], action), { ...outcome, state: kind } as Outcome, owner);
  const left = '1 process still ran and was ended';
  const memory = 'out of memory (limit 1024 MB; setting sandbox.memory_mb)';
  const stop = entry('stop', 3, { by: '@owner:home' });
  const rows: [said: string, words: string][] = [
    [ended('succeeded', { exit: 0 }), '✅ ended with exit 0 (12 s)'],
    [ended('succeeded', { exit: 0, reason: left }), `✅ ended with exit 0 (12 s) · ${left}`],
    [ended('succeeded', { exit: 0 }, ran, actionOf('list', { path: '.' })), '✅ done (12 s)'],
    [ended('failed', { exit: 1 }), '⚠️ exit 1 (12 s)'],
    [ended('failed', { exit: 1, reason: left }), `⚠️ exit 1 (12 s) · ${left}`],
    [ended('failed', { reason: 'its container could not start it' }), '⚠️ its container could not start it'],
    [ended('killed', { reason: 'stopped' }, [...ran, stop]), '🛑 stopped by you (12 s)'],
    [ended('killed', { signal: 'SIGKILL', reason: memory }), `🛑 ended: ${memory} (12 s)`],
    [ended('killed', { signal: 'SIGSEGV' }), '🛑 ended by SIGSEGV (12 s)'],
    [
      ended('expired', { reason: 'not decided in time' }, []),
      '⌛ expired: not decided in time. Nothing was run.',
    ],
    [ended('applied', {}, [tap]), '✅ in force'],
  ];
  for (const [said, words] of rows) assert.equal(said, words);
});

test('a no says whose it was, yours where nobody else is there, and asks for the reason where the agent had asked', () => {
  const no = entry('denied', 2, { by: '@ann:home', reason: 'voted against' });
  const said = (known: typeof owner, requester = '@ann:home') =>
    verdictLine(
      pageOf([no], { ...bash('true'), requester } as Page['action']),
      { state: 'denied', reason: 'voted against' } as Outcome,
      known,
    );
  const ann = people('@ann:home');
  assert.equal(said(ann), '❌ denied by you (voted against). Nothing was run.');
  assert.equal(said(ann, 'brain'), `${said(ann)} Say why, and the agent is told.`);
  const both = people('@ann:home', '@owner:home');
  assert.equal(said(both), '❌ denied by ann (voted against). Nothing was run.');
});

test('who approved it and how, and the ledger’s last entry, are what auditors find', () => {
  const mark = '⛓ 9 cdcdcdcdcdcd';
  const last = entry('succeeded', 9);
  const bob = entry('endorsed', 1, { grade: 'signed', evidence: { user: '@bob:home', form: 'poll' } });
  const code = entry('approved', 2, { grade: 'signed', evidence: { user: '@owner:home', form: 'code' } });
  const leased = entry('leased', 1, { lease: 'l', use: 3 });
  const rows: [story: Entry[], proof: string[]][] = [
    [
      [tap, last],
      ['approved by owner (sealed, chip)', mark],
    ],
    [
      [bob, code, last],
      ['approved by bob and owner (signed, poll; signed, code)', mark],
    ],
    [
      [leased, last],
      ['by #7, use 3', mark],
    ],
    [[last], [mark]],
  ];
  for (const [story, proof] of rows) assert.deepEqual(proofOf(pageOf(story), last, owner), proof);
});
