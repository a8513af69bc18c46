/** The verifier of an export and the ledger's rules, which share no code, take the same chains, and refuse the same at the same entry. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Entry } from '../../ledger/src/entry.ts';
import { exported, headOf, keptOf, readable, relinked, verified } from '../harness/export.ts';
import { chanceChain, forgedBy, forgeries, refusedBy } from '../harness/forger.ts';
import { files, fullDay } from '../harness/full-day.ts';
import { steps } from '../harness/random-chain.ts';

const chains = Number(process.env['CHAINS'] ?? 16);
const day = fullDay();
/** How often each code was given, by the kind of the entry. */
const seen = new Map<string, number>();

async function agree(entries: readonly Entry[]): Promise<void> {
  const { seq, why } = await refusedBy(entries, files);
  const { off } = await verified(await exported(readable(entries, files), { bot: headOf(entries) }));
  const said = Number(/^entry (\d+) /.exec(off)?.[1] ?? 0);
  const { kind, body } = entries[Math.max(seq, said) - 1] ?? {};
  assert.equal(said, seq, `${kind} ${body}\nthe rules, at ${seq}: ${why}\nthe verifier: ${off}`);
  const code = seq ? `${kind}: ${/[a-z_]+$/.exec(why)}` : 'taken';
  seen.set(code, (seen.get(code) ?? 0) + 1);
}

test('genuine-81 a day with each kind of entry and of action: rules and verifier take it, whole and in any part', async () => {
  await agree(day);
  const ledger = readable(day, files);
  const { checkpoint } = await verified(await exported(ledger, {}));
  const moments = day.filter((_, i) => i % 16 === 0).map(({ at }) => at);
  for (const since of [undefined, ...moments])
    for (const workspace of [undefined, 'work', 'shop']) {
      const part = { ...(since && { since }), ...(workspace && { workspace }) };
      const { off } = await verified(await exported(ledger, {}, part), [keptOf(checkpoint)]);
      assert.equal(off, '', JSON.stringify(part));
    }
});

test('attack-81 one thing changed in that day, and all that states it: the verifier refuses what the rules refuse, and nothing else', async () => {
  const changed = fc.asyncProperty(forgeries, (forgery) => agree(forgedBy(day, forgery)));
  await fc.assert(changed, { numRuns: chains * 25, endOnFailure: true });
  if (process.env['CHAINS']) console.log(Object.fromEntries([...seen].sort()));
  assert.ok((seen.get('taken') ?? 0) > chains && seen.size > 20, [...seen].join(' '));
});

test('attack-81 one thing changed in a chance chain, the same', async () => {
  const changed = fc.asyncProperty(steps, forgeries, forgeries, async (all, ...two) => {
    const { entries, refused } = chanceChain(all);
    await agree(entries);
    for (const forgery of two) await agree(forgedBy(entries, forgery));
    // What the rules refused when it came, put where it came.
    for (const { after, entry } of refused.slice(-8))
      await agree(relinked([...entries.slice(0, after), entry]));
  });
  await fc.assert(changed, { numRuns: chains, endOnFailure: true });
});
