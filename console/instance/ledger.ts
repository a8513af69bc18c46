/** The ledger as the set-up's own identities reach it. */
import { stateAfter } from '../../ledger/rules/state.cjs';
import { connectLedger, type Ledger } from '../../ledger/src/client.ts';
import { isUnreachable } from '../../ledger/src/errors.ts';
import { ledgerUrlOf } from '../engine/services.ts';
import { fault } from '../fault.ts';
import type { Instance } from './instance.ts';

/** Throws a Fault (`unavailable`) when the ledger does not answer. */
export async function ledgerAs(instance: Instance, identity: 'operator' | 'auditor'): Promise<Ledger> {
  const url = ledgerUrlOf(instance);
  const password = instance.state.passwords.ledger[identity];
  try {
    return await connectLedger({ url, identity, password });
  } catch (error) {
    if (!isUnreachable(error)) throw error;
    throw fault.unavailable(
      `The ledger does not answer at ${url}. Nothing was read or written: start it with ./pocketcoder start -d.`,
    );
  }
}

/** The ledger as the operator's, its control entries, and the state that they make. */
export async function operate(instance: Instance) {
  const ledger = await ledgerAs(instance, 'operator');
  const control = await ledger.control();
  return { ledger, control, state: stateAfter(control) };
}
