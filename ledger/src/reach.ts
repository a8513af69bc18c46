/** A service's first connection: it waits for a ledger that is not up yet, for as long as that takes. */
import { connectLedger, type Ledger } from './client.ts';
import { isUnreachable } from './errors.ts';
import { retry } from './retry.ts';
import type { Login } from './session.ts';

/** @param waiting called each time the ledger did not answer. @throws LedgerError for anything but an absent ledger */
export const reachLedger = (login: Login, waiting: () => void): Promise<Ledger> =>
  retry(() => connectLedger(login), {
    first: 200,
    most: 5000,
    again(error) {
      if (isUnreachable(error)) waiting();
      return isUnreachable(error);
    },
  });
