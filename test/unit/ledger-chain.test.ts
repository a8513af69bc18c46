import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashed } from '../../ledger/rules/judge.cjs';
import { sha256 } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import {
  enrol,
  memoryLedger,
  someAction,
  start,
  verifyChain,
  type Wanted,
  wayOf,
} from '../harness/ledger-chain.ts';

/** Two whole actions, with the owner enrolled, a second apart each. */
function chain(): Entry[] {
  const ledger = memoryLedger();
  const alarm: Wanted = { author: 'bot', kind: 'alarm', body: { reason: 'x' } };
  for (const entry of [enrol, ...wayOf(someAction()), alarm, ...wayOf(someAction())]) {
    ledger.clock.now += 1000;
    assert.equal(ledger.put(entry), '');
  }
  return ledger.entries;
}
/** Makes a forged chain consistent again from an index on, as somebody with the file would. */
function relink(entries: Entry[], from: number): Entry[] {
  const out = entries.slice(0, from);
  for (const entry of entries.slice(from)) {
    const linked = { ...entry, seq: out.length + 1, prev: out.at(-1)?.hash ?? '' };
    out.push({ ...linked, hash: sha256(hashed(linked)) });
  }
  return out;
}
const good = chain();

test('a good chain verifies, with its size and head', () => {
  assert.deepEqual(verifyChain(good), { size: good.length, head: good.at(-1)?.hash });
  assert.deepEqual(verifyChain([]), { size: 0, head: '' });
});

const changed: Record<string, (e: Entry) => Partial<Entry>> = {
  id: (e) => ({ id: `${e.id.slice(1)}0` }),
  seq: (e) => ({ seq: e.seq + 1 }),
  prev: (e) => ({ prev: sha256(e.prev) }),
  at: () => ({ at: new Date(start - 1).toISOString() }),
  author: (e) => ({ author: e.author === 'bot' ? 'executor' : 'bot' }),
  kind: (e) => ({ kind: e.kind === 'alarm' ? 'frozen' : 'alarm' }),
  action: (e) => ({ action: `${e.action}0` }),
  body: (e) => ({ body: `${e.body} ` }),
  hash: (e) => ({ hash: sha256(e.hash) }),
};
for (const [field, change] of Object.entries(changed))
  test(`a changed "${field}" of any entry is found there`, () => {
    for (const [i, entry] of good.entries()) {
      const verdict = verifyChain(good.with(i, { ...entry, ...change(entry) }));
      assert.ok('broken' in verdict, `entry ${i + 1}`);
      assert.equal(verdict.broken.seq, i + 1);
    }
  });

test('attack-40 an entry removed, doubled or swapped with its neighbour is found', () => {
  for (let i = 0; i < good.length - 1; i++) {
    const forged = [
      good.toSpliced(i, 1),
      good.toSpliced(i, 0, good[i] as Entry),
      good.toSpliced(i, 2, good[i + 1] as Entry, good[i] as Entry),
    ];
    for (const entries of forged) assert.ok('broken' in verifyChain(entries), `entry ${i + 1}`);
  }
});

test('attack-40 a forged entry is found even when every hash after it was made to fit', () => {
  const approved = good.findIndex((e) => e.kind === 'approved');
  const stories: [string, Entry[]][] = [
    ['the approval taken out', good.toSpliced(approved, 1)],
    ['the enrolment taken out', good.slice(1)],
    ['the claim doubled', good.toSpliced(approved + 2, 0, good[approved + 1] as Entry)],
    [
      'the request changed after the fact',
      good.with(approved - 2, {
        ...(good[approved - 2] as Entry),
        body: (good[approved - 2] as Entry).body.replace('echo hello', 'echo other'),
      }),
    ],
    [
      'approved late',
      good.with(approved, {
        ...(good[approved] as Entry),
        at: new Date(start + 3_600_000).toISOString(),
      }),
    ],
  ];
  for (const [name, entries] of stories) {
    const verdict = verifyChain(relink(entries, 0));
    assert.ok('broken' in verdict, name);
    assert.match(verdict.broken.why, /not allowed here|used before/, name);
  }
});
