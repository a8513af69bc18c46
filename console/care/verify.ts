/** `pocketcoder audit`: reads the whole ledger as the auditor and verifies it. */
import { auditLedger } from '../../ledger/audit/audit.ts';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import { ledgerAs } from '../instance/ledger.ts';
import type { Report } from '../report.ts';

/** Throws a Fault (`failed`) that names the first entry that is off. */
export async function audit(instance: Instance, report: Report): Promise<void> {
  const found = await auditLedger(await ledgerAs(instance, 'auditor'));
  if (found.off)
    throw fault.failed(
      `The ledger is not as it was written: entry ${found.off.seq} (${found.off.kind} ${found.off.id}): ${found.off.why}.`,
    );
  const removed = found.removed.map((number) => `#${number}`).join(', ');
  report.event(
    { event: 'audit', ...found },
    `The chain is whole: ${found.entries} entries, head ${found.head}. The stories of ${found.actions} actions hold; ` +
      `${found.transcripts} transcripts have their hashes.` +
      (removed && `\nTaken out of the room by somebody, but whole in the ledger: the cards of ${removed}.`),
  );
}
