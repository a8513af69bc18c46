/** The page's figures: each decision is counted once, by how it stands at last, with its time from card to answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tally } from '../../ledger/pb_public/figures.js';

type Said = { kind: string; at: string; body: string; seq: number };
/** An action's entries, each so many seconds after its request. */
const story = (risk: string, ...kinds: [kind: string, after: number][]): Said[] =>
  [['requested', 0] as const, ...kinds].map(([kind, after], seq) => ({
    ...{ kind, seq, body: kind === 'requested' ? JSON.stringify({ kind: 'bash', class: risk }) : '{}' },
    at: new Date(Date.UTC(2026, 0, 1, 12, 0, after)).toISOString(),
  }));

test('decisions are counted by how they stand, and the median time is from the card to the answer', () => {
  const stories = [
    story('exec', ['posted', 1], ['approved', 3], ['claimed', 4], ['succeeded', 9]),
    story('exec', ['posted', 1], ['endorsed', 4], ['approved', 11]),
    story('exec', ['posted', 1], ['approved', 2], ['denied', 21]),
    story('exec', ['posted', 1], ['expired', 400]),
    story('exec', ['posted', 1]),
    story('read', ['leased', 1], ['claimed', 2]),
    story('read', ['posted', 1], ['void', 7]),
  ];
  assert.deepEqual(
    tally(stories, 'class').map(({ name, all, counts, median }) => [name, all, ...counts, median]),
    [
      ['exec', 4, 2, 0, 1, 1, 10_000],
      ['read', 2, 0, 1, 0, 1, undefined],
    ],
  );
  assert.deepEqual(
    tally(stories, 'kind').map(({ name, all }) => [name, all]),
    [['bash', 6]],
  );
  assert.deepEqual(
    tally(stories, 'day').map(({ all }) => all),
    [6],
  );
  assert.deepEqual(tally([], 'day'), []);
});
