/** Follows the chain: every entry, in order, once. Realtime events bring them early, pulling makes sure of them. */
import { type Entry, entryOf, type Head, misfit } from './entry.ts';
import { isUnreachable } from './errors.ts';
import { messageOf } from './retry.ts';
import { backOff, type Session, sleep } from './session.ts';

export type Follow = {
  /** Number of the last entry already known; 0 for all. */
  from: number;
  /** That entry's hash, if it is known; else the ledger is asked for it. */
  prev?: string;
  /** An entry counts as delivered when this has returned; if it throws, the same entry comes again later. */
  onEntry(entry: Entry): void | Promise<void>;
  onState?(state: 'up' | 'down', why?: string): void;
};
export type Following = { ready: Promise<void>; stop(): Promise<void> };
export type Pull = (after: number) => Promise<Entry[]>;

const pullEvery = 2000; // ms: the floor, should realtime be stuck without saying so
const earlyAtMost = 1000; // entries kept that came before their turn

/** @param pull at most a page of the entries after a number, in order, in one attempt */
export function follow(session: Session, pull: Pull, options: Follow): Following {
  const { pb } = session;
  const early = new Map<number, Entry>();
  let head: Head = { seq: options.from, hash: options.from === 0 ? '' : (options.prev ?? '') };
  let anchored = options.from === 0 || options.prev !== undefined;
  let stopped = false;
  let stale = true; // there may be more at the ledger than was pulled
  let state = '';
  let wake = () => {};
  const caughtUp = Promise.withResolvers<void>();

  const tell = (next: 'up' | 'down', why?: string) => {
    const key = `${next} ${why ?? ''}`;
    if (key === state || stopped) return;
    state = key;
    options.onState?.(next, why);
  };

  const deliver = async (entry: Entry) => {
    const why = misfit(entry, head);
    if (why) throw new Error(`the ledger's chain is broken at entry ${entry.seq}: ${why}`);
    await options.onEntry(entry);
    head = { seq: entry.seq, hash: entry.hash };
  };

  const anchor = async () => {
    const last = (await pull(head.seq - 1))[0];
    if (last?.seq !== head.seq) throw new Error(`the ledger has no entry ${head.seq} any more`);
    head = { seq: last.seq, hash: last.hash };
    anchored = true;
  };

  /** Delivers what is known to be there. An event is taken only if it is the next link; all else is pulled. */
  const advance = async () => {
    if (!anchored) await anchor();
    while (!stopped) {
      const next = early.get(head.seq + 1);
      early.delete(head.seq + 1);
      if (next && !misfit(next, head)) {
        await deliver(next);
        continue;
      }
      if (!stale && !next && early.size === 0) return;
      stale = false;
      const page = await pull(head.seq);
      for (const entry of page) if (!stopped) await deliver(entry);
      for (const seq of early.keys()) if (seq <= head.seq) early.delete(seq);
      if (page.length > 0) stale = true;
      else early.clear(); // an event of something that the ledger does not have
    }
  };

  const run = async () => {
    for (let failures = 0; !stopped; ) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      try {
        await advance();
        failures = 0;
        tell('up');
        caughtUp.resolve();
        if (stopped || stale || early.size > 0) continue;
        const timer = setTimeout(() => {
          stale = true;
          wake();
        }, pullEvery);
        await woken;
        clearTimeout(timer);
      } catch (error) {
        stale = true;
        const why = messageOf(error);
        tell('down', why);
        const pause = isUnreachable(error) ? backOff(failures++) : pullEvery;
        await Promise.race([sleep(pause), stopping.promise]);
      }
    }
  };
  const stopping = Promise.withResolvers<void>();

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
  /** The stream came or went: events may have been missed, and a ledger that is away is noticed at once. */
  const onStream = () => {
    stale = true;
    wake();
  };
  const before = pb.realtime.onDisconnect;
  pb.realtime.onDisconnect = (topics) => {
    before?.(topics);
    onStream();
  };

  const subscribe = async () => {
    for (let failures = 0; !stopped; failures++) {
      try {
        await session.once(() => pb.collection('entries').subscribe('*', onEvent));
        const leaveConnect = await pb.realtime.subscribe('PB_CONNECT', onStream);
        onStream();
        return async () => {
          await leaveConnect();
          await pb.collection('entries').unsubscribe('*');
        };
      } catch {
        await pb
          .collection('entries')
          .unsubscribe('*')
          .catch(() => {}); // it keeps the listener of a failed attempt
        await Promise.race([sleep(backOff(failures)), stopping.promise]);
      }
    }
    return async () => {};
  };

  const running = run();
  const subscribed = subscribe();
  return {
    ready: caughtUp.promise,
    async stop() {
      stopped = true;
      stopping.resolve();
      wake();
      await running;
      // The stream goes with the subscription; a ledger that is away needs no goodbye.
      await subscribed.then((leave) => leave()).catch(() => {});
    },
  };
}
