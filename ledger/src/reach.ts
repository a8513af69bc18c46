/** A service's first connection: it waits for a ledger that is not up yet, for as long as that takes. */
import { setTimeout as pause } from 'node:timers/promises';
import { connectLedger, type Ledger, LedgerError } from './client.ts';
import type { Login } from './session.ts';

/** @param waiting called each time the ledger did not answer. @throws LedgerError for anything but an absent ledger */
export async function reachLedger(login: Login, waiting: () => void): Promise<Ledger> {
  for (let wait = 200; ; wait = Math.min(2 * wait, 5000)) {
    try {
      return await connectLedger(login);
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== 'unreachable') throw error;
      waiting();
      await pause(wait);
    }
  }
}
