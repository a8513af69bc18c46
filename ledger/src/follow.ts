/** Follows the chain: every entry, in order, once. Realtime events bring them early, pulling makes sure of them. */
import { type Entry, entryOf, type Head, misfit } from './entry.ts';
import { messageOf, retry } from './retry.ts';
import type { Session } from './session.ts';

export type Follow = {
  /** An entry counts as delivered when this has returned; if it throws, the same entry comes again later. It judges the entry, its link too. */
  onEntry(entry: Entry): void | Promise<void>;
  onState?(state: 'up' | 'down', why?: string): void;
};
export type Following = { ready: Promise<void>; stop(): Promise<void> };
export type Pull = (after: number) => Promise<Entry[]>;

const pullEvery = 2000; // ms: the floor, should realtime be stuck without saying so
const earlyAtMost = 1000; // entries kept that came before their turn

/** @param pull at most a page of the entries after a number, in order, in one attempt */
export function follow({ pb, once }: Session, pull: Pull, { onEntry, onState }: Follow): Following {
  const entries = pb.collection('entries');
  const ending = new AbortController();
  const { signal } = ending;
  const caughtUp = Promise.withResolvers<void>();
  const early = new Map<number, Entry>();
  let head: Head = { seq: 0, hash: '' };
  let stale = true; // there may be more at the ledger than was pulled
  let state = '';
  let wake = () => {};

  const tell = (next: 'up' | 'down', why?: string) => {
    const key = `${next} ${why ?? ''}`;
    if (key === state || signal.aborted) return;
    state = key;
    onState?.(next, why);
  };

  const deliver = async (entry: Entry) => {
    await onEntry(entry);
    head = { seq: entry.seq, hash: entry.hash };
  };

  /** Delivers what is known to be there. An event is taken only if it is the next link; all else is pulled. */
  const advance = async () => {
    while (!signal.aborted) {
      const next = early.get(head.seq + 1);
      early.delete(head.seq + 1);
      if (next && !misfit(next, head)) {
        await deliver(next);
        continue;
      }
      if (!stale && !next && early.size === 0) return;
      stale = false;
      const page = await pull(head.seq);
      for (const entry of page) if (!signal.aborted) await deliver(entry);
      for (const seq of early.keys()) if (seq <= head.seq) early.delete(seq);
      if (page.length > 0) stale = true;
      else early.clear(); // an event of something that the ledger does not have
    }
  };

  const patience = { first: 50, most: pullEvery, signal };
  const again = (error: unknown) => {
    stale = true;
    tell('down', messageOf(error));
    return true;
  };
  const run = async () => {
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      await retry(advance, { ...patience, again });
      tell('up');
      caughtUp.resolve();
      if (stale || early.size > 0) continue;
      const timer = setTimeout(lookAgain, pullEvery);
      await woken;
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
    async stop() {
      ending.abort();
      wake();
      await running;
      const leave = await subscribed;
      // The stream goes with the subscription; a ledger that is away needs no goodbye.
      await leave?.().catch(() => {});
      if (leave) await entries.unsubscribe('*').catch(() => {});
    },
  };
}
