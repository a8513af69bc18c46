/** What the operator decides by hand, as entries of the ledger; the bot and the executor obey them by themselves. */
import { canonical } from '../../ledger/rules/canonical.cjs';
import { enrolled } from '../../ledger/rules/identities.cjs';
import { isFrozen } from '../../ledger/rules/lifecycle.cjs';
import type { Policy } from '../../ledger/rules/policy.cjs';
import { fault } from '../fault.ts';
import type { Report } from '../report.ts';
import type { Instance } from './instance.ts';
import { operate } from './ledger.ts';
import { policyFrom } from './policy.ts';

const frozenText =
  'Frozen: nothing is approved, and nothing that was approved starts. What runs already runs on: !stop in the room or ' +
  './pocketcoder stop ends it. ./pocketcoder thaw takes this back.';
const thawedText = 'Thawed: approvals count again. What was approved before the freeze has to be asked anew.';

/**
 * Frozen, nothing is approved and nothing approved starts; thawed, approvals count again, and those from before stay without
 * effect. What is so already is no error.
 */
export async function freeze(instance: Instance, report: Report, kind: 'frozen' | 'thawed'): Promise<void> {
  const { ledger, state } = await operate(instance);
  if (isFrozen(state) !== (kind === 'frozen')) await ledger.append({ kind, body: {} });
  report.event({ event: kind }, kind === 'frozen' ? frozenText : thawedText);
}

/** Lists the enrolled devices, or takes the enrolment of the named one back. Throws a Fault where there is no such device. */
export async function device(instance: Instance, report: Report, name?: string): Promise<void> {
  const { ledger, control, state } = await operate(instance);
  const since = new Map(control.map(({ seq, at }) => [seq, at]));
  const devices = enrolled(state.people).map((d) => ({ ...d, since: since.get(d.seq) ?? '' }));
  if (name === undefined) {
    const lines = devices.map(
      (d) =>
        `${d.user}  ${d.device}  ${d.role}  since ${d.since.slice(0, 16).replace('T', ' ')} UTC  ${d.ed25519}`,
    );
    const text = lines.join('\n') || 'No device is enrolled: ./pocketcoder pair enrols one.';
    return report.event({ event: 'devices', devices }, text);
  }
  const found = devices.find((d) => d.device === name);
  if (!found)
    throw fault.failed(
      `No device ${name} is enrolled, so nothing was changed: ./pocketcoder device list names those that are.`,
    );
  const { user } = found;
  await ledger.append({ kind: 'identity.revoked', body: { user, device: found.device } });
  report.event(
    { event: 'revoked', user, device: found.device },
    `Revoked: ${found.device} of ${user} approves nothing more and reads nothing new. Cards from before take signed ` +
      'answers only.',
  );
}

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
