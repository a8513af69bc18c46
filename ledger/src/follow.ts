/**
 * Follows the chain: every entry, in order, once. Realtime events bring them early, pulling makes sure of them, and that the
 * ledger still has what was seen of it last.
 */
import { type Entry, entryOf, type Head, misfit } from './entry.ts';
import { isUnreachable, TurnedBack, unreachable } from './errors.ts';
import type { Pin } from './pin.ts';
import { messageOf, retry } from './retry.ts';
import type { Session } from './session.ts';

export type Follow = {
  /**
   * An entry counts as delivered when this has returned; if it throws, the same entry comes again later. It judges the entry,
   * its link too: false says that the chain broke, here or before.
   */
  onEntry(entry: Entry): void | boolean | Promise<void>;
  onState?(state: LedgerState, why?: string): void;
  /** What was seen of this ledger before. Takes each entry that stands. */
  pin?: Pin;
};
/** `turned back`: it lacks what was seen of it. */
export type LedgerState = 'up' | 'down' | 'turned back';
/** At which level a log says so. */
export const levelOf = { up: 'info', down: 'warn', 'turned back': 'error' } as const;
export type Following = ReturnType<typeof follow>;
export type Pull = (after: number) => Promise<Entry[]>;

const pullEvery = 2000; // ms: the floor, should realtime be stuck without saying so
const earlyAtMost = 1000; // entries kept that came before their turn, and hashes of those that had it

const over = () => unreachable('the ledger is followed no further');

/** @param pull at most a page of the entries after a number, in order, in one attempt */
export function follow({ pb, once }: Session, pull: Pull, { onEntry, onState, pin }: Follow) {
  const entries = pb.collection('entries');
  const ending = new AbortController();
  const { signal } = ending;
  const caughtUp = Promise.withResolvers<void>();
  const early = new Map<number, Entry>();
  const known: Head = pin?.last() ?? { seq: 0, hash: '' };
  const recent = new Map<number, string>();
  const waiting = new Map<number, PromiseWithResolvers<void> & { hash: string }>();
  let off: TurnedBack | undefined;
  let head: Head = { seq: 0, hash: '' };
  let stale = true; // there may be more at the ledger than was pulled
  let state = '';
  let wake = () => {};

  const tell = (next: LedgerState, why?: string) => {
    const key = `${next} ${why ?? ''}`;
    if (key === state || signal.aborted) return;
    state = key;
    onState?.(next, why);
  };

  /** What waits for that number hears whether it is the one. @param hash of what stands there */
  const settle = (seq: number, hash: string | undefined) => {
    const one = waiting.get(seq);
    waiting.delete(seq);
    if (one?.hash === hash) one?.resolve();
    else one?.reject(new TurnedBack(seq));
  };
  const fail = (error: unknown) => {
    for (const one of waiting.values()) one.reject(error);
    waiting.clear();
  };
  const deliver = async (entry: Entry) => {
    const { seq, hash } = entry;
    if (seq === known.seq && hash !== known.hash) throw new TurnedBack(seq);
    if ((await onEntry(entry)) !== false) pin?.see(entry);
    head = { seq, hash };
    recent.set(seq, hash).delete(seq - earlyAtMost);
    settle(seq, hash);
  };

  /** At most a page of what comes after one that was seen. @throws TurnedBack where the ledger does not have that one */
  const after = async ({ seq, hash }: Head): Promise<Entry[]> => {
    if (seq === 0) return pull(0);
    const [seen, ...page] = await pull(seq - 1);
    if (seen?.hash !== hash) throw new TurnedBack(seq);
    return page;
  };

  /** Delivers what is known to be there. An event is taken only if it is the next link; all else is pulled. */
  const advance = async () => {
    if (head.seq < known.seq) await after(known);
    while (!signal.aborted) {
      const next = early.get(head.seq + 1);
      early.delete(head.seq + 1);
      if (next && !misfit(next, head)) {
        await deliver(next);
        continue;
      }
      if (!stale && !next && early.size === 0) return;
      stale = false;
      const page = await after(head);
      for (const entry of page) if (!signal.aborted) await deliver(entry);
      for (const seq of early.keys()) if (seq <= head.seq) early.delete(seq);
      if (page.length > 0) stale = true;
      else if (head.seq < known.seq) throw new TurnedBack(known.seq);
      else early.clear(); // an event of something that the ledger does not have
    }
  };

  const patience = { first: 50, most: pullEvery, signal };
  const again = (error: unknown) => {
    stale = true;
    if (error instanceof TurnedBack) off = error;
    tell(off ? 'turned back' : 'down', messageOf(off ?? error));
    // While the ledger is away nobody knows; all else is known, and will not become the entry that was waited for.
    if (off || !isUnreachable(error)) fail(off ?? error);
    return true;
  };
  const run = async () => {
    while (!signal.aborted) {
      const woken = Promise.withResolvers<void>();
      wake = woken.resolve;
      await retry(advance, { ...patience, again });
      off = undefined;
      tell('up');
      caughtUp.resolve();
      if (stale || early.size > 0) continue;
      const timer = setTimeout(lookAgain, pullEvery);
      await woken.promise;
      clearTimeout(timer);
    }
  };

  /** What may have come is asked for: the stream came or went, or has been silent. A ledger that is away is noticed at once. */
  const lookAgain = () => {
    stale = true;
    wake();
  };
  const onEvent = (event: { action: string; record: Record<string, unknown> }) => {
    try {
      const entry = entryOf(event.record);
      if (entry.seq <= head.seq) return;
      if (early.size < earlyAtMost) early.set(entry.seq, entry);
      else stale = true;
    } catch {
      stale = true;
    }
    wake();
  };
  const before = pb.realtime.onDisconnect;
  pb.realtime.onDisconnect = (topics) => {
    before?.(topics);
    lookAgain();
  };
  const subscribe = async () => {
    try {
      await once(() => entries.subscribe('*', onEvent));
      const leave = await pb.realtime.subscribe('PB_CONNECT', lookAgain);
      lookAgain();
      return leave;
    } catch (error) {
      await entries.unsubscribe('*').catch(() => {}); // it keeps the listener of a failed attempt
      throw error;
    }
  };

  // Either ends by the signal alone.
  const running = run().catch(() => {});
  const subscribed = retry(subscribe, { ...patience, again: () => true }).catch(() => undefined);
  return {
    ready: caughtUp.promise,
    /** Resolves when this entry, which an append gave, was delivered in its turn. @throws TurnedBack where another one stands there */
    async took(entry: Entry): Promise<void> {
      const { seq, hash } = entry;
      if (signal.aborted) throw over();
      const one = waiting.get(seq) ?? { ...Promise.withResolvers<void>(), hash };
      waiting.set(seq, one);
      if (seq > head.seq) early.set(seq, entry);
      else if (recent.has(seq)) settle(seq, recent.get(seq));
      else await pull(seq - 1).then(([there]) => settle(seq, there?.hash), one.reject); // it stands there for long
      lookAgain();
      return one.promise;
    },
    /** @throws TurnedBack from when the ledger was seen to lack something until it has it again */
    stands(): void {
      if (off) throw off;
    },
    async stop(): Promise<void> {
      ending.abort();
      wake();
      await running;
      fail(over());
      pin?.keep();
      const leave = await subscribed;
      // The stream goes with the subscription; a ledger that is away needs no goodbye.
      await leave?.().catch(() => {});
      if (leave) await entries.unsubscribe('*').catch(() => {});
    },
  };
}
