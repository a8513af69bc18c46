/** What the operator decides by hand, as entries of the ledger; the bot and the executor obey them by themselves. */
import { enrolled } from '../../ledger/rules/identities.cjs';
import { isFrozen } from '../../ledger/rules/lifecycle.cjs';
import { stateAfter } from '../../ledger/rules/state.cjs';
import { Fault } from '../fault.ts';
import type { Report } from '../report.ts';
import type { Instance } from './instance.ts';
import { ledgerAs } from './ledger.ts';

/** From now on nothing is approved and nothing approved starts. Frozen already is no error. */
export async function freeze(instance: Instance, report: Report): Promise<void> {
  const ledger = await ledgerAs(instance, 'operator');
  if (!isFrozen(stateAfter(await ledger.control()))) await ledger.append({ kind: 'frozen', body: {} });
  report.event(
    { event: 'frozen' },
    'Frozen: nothing is approved, and nothing that was approved starts. What runs already runs on: !stop in the room or ' +
      './pocketcoder stop ends it. ./pocketcoder thaw takes this back.',
  );
}

/** Approvals count again; those from before stay without effect. Not frozen is no error. */
export async function thaw(instance: Instance, report: Report): Promise<void> {
  const ledger = await ledgerAs(instance, 'operator');
  if (isFrozen(stateAfter(await ledger.control()))) await ledger.append({ kind: 'thawed', body: {} });
  report.event(
    { event: 'thawed' },
    'Thawed: approvals count again. What was approved before the freeze has to be asked anew.',
  );
}

/** Lists the enrolled devices, or takes the enrolment of the named one back. Throws a Fault where there is no such device. */
export async function device(instance: Instance, report: Report, name?: string): Promise<void> {
  const ledger = await ledgerAs(instance, 'operator');
  const control = await ledger.control();
  const since = new Map(control.map(({ seq, at }) => [seq, at]));
  const devices = enrolled(stateAfter(control).people).map((d) => ({ ...d, since: since.get(d.seq) ?? '' }));
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
    throw new Fault(
      'failed',
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
