/** The executor's own copy of what the ledger says: open actions' stories and who may approve, judged again. */
import { type Action, sha256 } from '../../ledger/src/action.ts';
import { canonical } from '../../ledger/src/canonical.cjs';
import type { Entry } from '../../ledger/src/client.ts';
import { controlKinds, isOver, refusal, stateOf } from '../../ledger/src/rules.cjs';

/** An entry and the chain's head before it, which is what it was judged against. */
type Seen = { entry: Entry; head: { seq: number; at: string } | null };

export type Book = {
  /** Takes the next entry of the chain, in order; one that it has is left alone. */
  add(entry: Entry): void;
  /** The actions that are not over, oldest first. */
  open(): string[];
  /** The kind of the action's last lifecycle entry; '' when it is over or was never there. */
  state(action: string): string;
  story(action: string): Entry[];
  /** The action as it was requested, and the digest of exactly that text. */
  request(action: string): { action: Action; digest: string; requested: Entry };
  /**
   * Why this executor may not claim the action now: every entry of its story judged again as the ledger had to, and
   * then the claim itself. `broken` means that the ledger took an entry it had to refuse.
   */
  claimRefusal(action: string, body: object, now: number): { code: string; broken: boolean };
};

export function makeBook(): Book {
  const stories = new Map<string, Seen[]>();
  const control: Entry[] = [];
  let head: Seen['head'] = null;

  const story = (action: string): Entry[] => (stories.get(action) ?? []).map((s) => s.entry);

  function requestOf(action: string) {
    const requested = stories.get(action)?.[0]?.entry;
    if (requested?.kind !== 'requested') throw new Error(`no open action ${action}`);
    return {
      action: JSON.parse(requested.body) as Action,
      digest: sha256(requested.body),
      requested,
    };
  }

  function judge(
    entry: Omit<Entry, 'seq' | 'at' | 'prev' | 'hash' | 'transcript'>,
    before: Seen[],
    at: Seen['head'],
    now: string,
  ) {
    const last = at?.seq ?? 0;
    return refusal(entry, {
      story: before.map((s) => s.entry),
      control: control.filter((c) => c.seq <= last),
      head: at,
      now,
      sha256,
    });
  }

  return {
    add(entry) {
      if (head && entry.seq <= head.seq) return;
      if (entry.action) {
        const seen = stories.get(entry.action) ?? [];
        stories.set(entry.action, [...seen, { entry, head }]);
        if (isOver(entry.kind)) stories.delete(entry.action);
      }
      if (controlKinds.includes(entry.kind)) control.push(entry);
      head = { seq: entry.seq, at: entry.at };
    },
    open: () => [...stories.keys()],
    state: (action) => stateOf(story(action)),
    story,
    request: requestOf,
    claimRefusal(action, body, now) {
      const seen = stories.get(action) ?? [];
      for (const [i, { entry, head: before }] of seen.entries()) {
        const code = judge(entry, seen.slice(0, i), before, entry.at);
        if (code) return { code, broken: true };
      }
      // The ledger's clock decides; this process may be a little behind it, and is never taken as proof of the contrary.
      const time = new Date(Math.max(now, head ? Date.parse(head.at) : 0)).toISOString();
      const claim = { id: '', author: 'executor', kind: 'claimed', action, body: canonical(body) };
      return { code: judge(claim, seen, head, time), broken: false };
    },
  };
}
