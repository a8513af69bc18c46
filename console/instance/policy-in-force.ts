/** The settings' policy and the one that the ledger goes by. */
import { canonical } from '../../ledger/rules/canonical.cjs';
import { enrolled } from '../../ledger/rules/identities.cjs';
import type { Policy } from '../../ledger/rules/policy.cjs';
import type { Instance } from './instance.ts';
import { operate } from './ledger.ts';
import { policyFrom } from './policy.ts';

/**
 * Makes the settings' policy the one in force where nobody is enrolled yet.
 * @returns the policy that has to be asked of an owner in the room, or null when it is in force
 */
export async function ensurePolicy(instance: Instance): Promise<Policy | null> {
  const wanted = policyFrom(instance.settings.approvals);
  const { ledger, state } = await operate(instance);
  if (canonical(state.policy) === canonical(wanted)) return null;
  if (enrolled(state.people).length > 0) return wanted;
  await ledger.append({ kind: 'policy.set', body: { policy: wanted } });
  return null;
}
