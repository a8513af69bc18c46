/** What of the ledger is handed on: reading, and some kinds of entries. Nobody but `decide.ts` may write an approval. */
import type { Append, Entry, Ledger } from '@pocketcoder/ledger/src/client.ts';

/**
 * What whoever asks, shows, takes back, ends and warns writes. None of it lets anything run that was not approved: what a
 * lease or plan covers, and what takes effect, the ledger judges wholly by itself.
 */
export const harmless = [
  ...(['requested', 'posted', 'leased', 'applied', 'denied', 'expired', 'void', 'stop', 'frozen'] as const),
  ...(['lease.ended', 'server.removed', 'identity.changed', 'identity.revoked'] as const),
  ...(['workspace.created', 'alarm', 'helper.ended'] as const),
];
export type Harmless = (typeof harmless)[number];

export type NarrowLedger = Omit<Ledger, 'append'> & {
  /** Writes one entry, or confirms that it is written. @throws LedgerError; Error for a kind that is not to be written here */
  append(entry: Append & { kind: Harmless }): Promise<Entry>;
  /** So that the whole ledger passes for none. */
  readonly kinds: readonly Harmless[];
};

export function narrow(ledger: Ledger): NarrowLedger {
  const kinds = Object.freeze([...harmless]);
  return {
    ...ledger,
    kinds,
    async append(entry) {
      const { kind, ...rest } = entry;
      const may = kinds.find((each) => each === kind);
      if (!may) throw new Error(`Nothing was recorded: “${kind}” is not written from here.`);
      return ledger.append({ ...rest, kind: may });
    },
  };
}
