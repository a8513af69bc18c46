/** What every step of an action is handed: where it reads, writes and runs. */
import type { Logger } from 'pino';
import { stateOf } from '../../ledger/rules/lifecycle.cjs';
import { newId } from '../../ledger/src/action.ts';
import type { Append, Entry, Ledger } from '../../ledger/src/client.ts';
import { isPassing } from '../../ledger/src/errors.ts';
import { retry } from '../../ledger/src/retry.ts';
import type { Book } from './claim.ts';
import type { Tasks } from './tasks.ts';
import { makeTips } from './tips.ts';

/** The same `name` after a restart: claims under it are this executor's. */
export type Parts = { ledger: Ledger; tasks: Tasks; name: string; log: Logger };
export type Context = Parts & {
  book: Book;
  tips: ReturnType<typeof makeTips>;
  /** Whether the action waits to be claimed: it was approved, or a lease covers it. */
  decided(id: string): boolean;
  /** Is given when the executor stops. */
  signal: AbortSignal;
  /** Writes an entry, again and again until the ledger has answered. @throws LedgerError where it refuses */
  write(entry: Append): Promise<Entry>;
};

/** How it is tried again to reach what an action needs, while there is sense in it. */
export const patiently = { first: 200, most: 5000 };

export function makeContext(parts: Parts, book: Book, signal: AbortSignal): Context {
  const { ledger, log } = parts;

  /** The same id makes it one entry however often it is sent. */
  function insist(entry: Append): Promise<Entry> {
    const once = { ...entry, id: newId() };
    return retry(() => ledger.append(once), {
      ...{ first: 100, most: 5000, signal },
      again(error) {
        if (!isPassing(error)) return false;
        log.warn({ kind: entry.kind, action: entry.action, err: error }, 'not recorded yet; trying again');
        return true;
      },
    });
  }

  let files: Promise<unknown> = Promise.resolve();
  return {
    ...{ ...parts, book, signal, tips: makeTips() },
    decided: (id) => ['approved', 'leased'].includes(stateOf(book.story(id))),
    /** One entry with a file at a time: the ledger keeps a part of each in memory while it comes. */
    write(entry) {
      if (!entry.transcript) return insist(entry);
      const sent = files.then(() => insist(entry));
      files = sent.catch(() => {});
      return sent;
    },
  };
}
