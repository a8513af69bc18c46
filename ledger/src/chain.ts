/** Verifies a ledger from its entries alone: links, hashes, and that each entry was allowed where it stands. */
import { sha256 } from './action.ts';
import { type Entry, type Head, misfit } from './entry.ts';
import { controlKinds, refusal } from './rules.cjs';

export type Verdict = { size: number; head: string } | { broken: { seq: number; why: string } };

/** A verifier to feed the entries one by one: `take` returns why an entry is wrong, or ''. */
export function chainVerifier(): { take(entry: Entry): string; size(): number; head(): string } {
  let head: Head = { seq: 0, hash: '' };
  let at: string | undefined;
  const ids = new Set<string>();
  const stories = new Map<string, Entry[]>();
  const control: Entry[] = [];

  const take = (entry: Entry): string => {
    const unlinked = misfit(entry, head);
    if (unlinked) return unlinked;
    if (ids.has(entry.id)) return `its id ${entry.id} was used before`;
    const moment = Date.parse(entry.at);
    if (Number.isNaN(moment) || new Date(moment).toISOString() !== entry.at) return 'its time is none';
    const story = stories.get(entry.action) ?? [];
    const context = {
      story,
      control,
      head: at === undefined ? null : { seq: head.seq, at },
      now: entry.at, // what the ledger's clock said when it judged
      sha256,
    };
    const code = refusal(entry, context);
    if (code) return `"${entry.kind}" by ${entry.author || 'nobody'} was not allowed here: ${code}`;
    ids.add(entry.id);
    if (entry.action) {
      story.push(entry);
      stories.set(entry.action, story);
    } else if (controlKinds.includes(entry.kind)) control.push(entry);
    head = { seq: entry.seq, hash: entry.hash };
    at = entry.at;
    return '';
  };
  return { take, size: () => head.seq, head: () => head.hash };
}

/** Judges a whole chain from its first entry. Returns its size and head hash, or the first entry that is off. */
export async function verifyChain(entries: AsyncIterable<Entry> | Iterable<Entry>): Promise<Verdict> {
  const verifier = chainVerifier();
  for await (const entry of entries) {
    const why = verifier.take(entry);
    if (why) return { broken: { seq: verifier.size() + 1, why } };
  }
  return { size: verifier.size(), head: verifier.head() };
}
