/** A ledger read from its entries alone: links, hashes, and that each entry was allowed where it stands. */
import { sha256 } from './action.ts';
import { type Entry, type Head, misfit } from './entry.ts';
import { controlKinds, isOver } from './lifecycle.cjs';
import { refusal } from './rules.cjs';

export type Proposed = Pick<Entry, 'id' | 'author' | 'kind' | 'action' | 'body'>;
export type Chain = {
  /** Takes the next entry. Returns why it is wrong, and then takes nothing, or ''. */
  take(entry: Entry): string;
  /** The entries of an action; of one that is over only the last. */
  story(action: string): readonly Entry[];
  /** The actions that are not over, oldest first. */
  open(): string[];
  control(): readonly Entry[];
  /** How often a lease was used. */
  uses(lease: string): number;
  /** The code with which this would be refused as the next entry, or ''. @param now ISO 8601 */
  refusal(entry: Proposed, now: string): string;
  head(): Head & { at: string };
};

/** An empty chain, to feed with the entries one by one. */
export function createChain(): Chain {
  let head = { seq: 0, hash: '', at: '' };
  const ids = new Set<string>();
  const stories = new Map<string, Entry[]>();
  const open = new Set<string>();
  const control: Entry[] = [];
  const used = new Map<string, number>();
  const uses = (lease: string): number => used.get(lease) ?? 0;
  const story = (action: string): Entry[] => stories.get(action) ?? [];
  const refused = (entry: Proposed, now: string): string =>
    refusal(entry, { story: story(entry.action), control, head: head.seq ? head : null, now, sha256, uses });

  function wrong(entry: Entry): string {
    const unlinked = misfit(entry, head);
    if (unlinked) return unlinked;
    if (ids.has(entry.id)) return `its id ${entry.id} was used before`;
    const moment = Date.parse(entry.at);
    if (Number.isNaN(moment) || new Date(moment).toISOString() !== entry.at) return 'its time is none';
    let code: string;
    try {
      code = refused(entry, entry.at); // what the ledger's clock said when it judged
    } catch {
      code = 'it cannot be judged';
    }
    return code && `"${entry.kind}" by ${entry.author || 'nobody'} was not allowed here: ${code}`;
  }

  return {
    take(entry) {
      const why = wrong(entry);
      if (why) return why;
      ids.add(entry.id);
      if (controlKinds.includes(entry.kind)) control.push(entry);
      if (entry.kind === 'leased') {
        const { lease } = JSON.parse(entry.body) as { lease: string };
        used.set(lease, uses(lease) + 1);
      }
      if (entry.action) {
        // Nothing follows what is over, so its last entry is all that a judgement needs of it.
        stories.set(entry.action, isOver(entry.kind) ? [entry] : [...story(entry.action), entry]);
        if (isOver(entry.kind)) open.delete(entry.action);
        else open.add(entry.action);
      }
      head = { seq: entry.seq, hash: entry.hash, at: entry.at };
      return '';
    },
    story,
    open: () => [...open],
    control: () => control,
    uses,
    refusal: refused,
    head: () => head,
  };
}

export type Verdict = { size: number; head: string } | { broken: { seq: number; why: string } };

/** Judges a whole chain from its first entry. Returns its size and head hash, or the first entry that is off. */
export async function verifyChain(entries: AsyncIterable<Entry> | Iterable<Entry>): Promise<Verdict> {
  const chain = createChain();
  for await (const entry of entries) {
    const why = chain.take(entry);
    if (why) return { broken: { seq: chain.head().seq + 1, why } };
  }
  return { size: chain.head().seq, head: chain.head().hash };
}
