/** The settings' policy and the one that the ledger goes by. */
import { canonical } from '../../ledger/src/canonical.cjs';
import { connectLedger } from '../../ledger/src/client.ts';
import { enrolled } from '../../ledger/src/identities.cjs';
import { policyOf } from '../../ledger/src/leases.cjs';
import { controlKinds } from '../../ledger/src/lifecycle.cjs';
import type { Policy } from '../../ledger/src/policy.cjs';
import type { Instance } from './instance.ts';
import { policyFrom } from './policy.ts';
import { ledgerUrlOf } from './services.ts';

/**
 * Makes the settings' policy the one in force where nobody is enrolled yet.
 * @returns the policy that has to be asked of an owner in the room, or null when it is in force
 */
export async function ensurePolicy(instance: Instance): Promise<Policy | null> {
  const wanted = policyFrom(instance.settings.approvals);
  const password = instance.state.passwords.ledger.operator;
  const ledger = await connectLedger({ url: ledgerUrlOf(instance), identity: 'operator', password });
  const control = (await ledger.since(0)).filter((entry) => controlKinds.includes(entry.kind));
  if (canonical(policyOf(control)) === canonical(wanted)) return null;
  if (enrolled(control).length > 0) return wanted;
  await ledger.append({ kind: 'policy.set', body: { policy: wanted } });
  return null;
}
