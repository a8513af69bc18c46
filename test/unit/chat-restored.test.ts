import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takenBack } from '../../bot/src/room/restored.ts';
import type { Entry } from '../../ledger/src/client.ts';

const chain = ['a', 'b', 'c'].map((c, i) => ({ seq: i + 1, hash: c.repeat(64) }) as Entry);
const ledger = { since: async (seq: number) => chain.filter((e) => e.seq > seq) };
const mark = (seq: number, letter: string) => ({
  body: 'words',
  'org.pocketcoder.checkpoint': { seq, hash: letter.repeat(64) },
});

test('a checkpoint that the ledger does not have is told, whether it ends before it or went another way', async () => {
  const head = chain.at(-1);
  for (const said of [[mark(9, 'f')], [mark(3, 'x')], [mark(1, 'a'), mark(9, 'f'), mark(2, 'b')]])
    assert.match(
      (await takenBack(ledger, said, head)) ?? '',
      /knows the ledger up to ⛓ [39].*ends at ⛓ 3 cccccccccccc/,
    );
  const nothing = { 'org.pocketcoder.checkpoint': { seq: 'all', hash: 1 } };
  for (const said of [[], [{ body: 'words' }], [nothing], [mark(2, 'b'), mark(3, 'c'), mark(1, 'a')]])
    assert.equal(await takenBack(ledger, said, head), undefined);
});
