/** `pocketcoder audit`: reads the whole ledger as the auditor and verifies it, also against what bot and executor saw of it. */
import { auditLedger } from '../../ledger/audit/audit.ts';
import { findEngine } from '../engine/engine.ts';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import { ledgerAs } from '../instance/ledger.ts';
import { pinsOf } from '../instance/pins.ts';
import type { Report } from '../report.ts';

/** A checkpoint, for people. */
export const toKeep = (checkpoint: string): string =>
  `What to keep elsewhere, to know this ledger by later:\n${checkpoint.replace(/^(?=.)/gm, '  ').trimEnd()}`;

/** Throws a Fault (`failed`) that names the first entry that is off. */
export async function audit(instance: Instance, report: Report): Promise<void> {
  const ledger = await ledgerAs(instance, 'auditor');
  // Before the chain is read, which goes on.
  const pins = await pinsOf(findEngine().docker, instance.state.project);
  const found = await auditLedger(ledger, pins);
  if (found.off) {
    const { seq, kind, id, why } = found.off;
    const named = [kind, id].filter(Boolean).join(' ');
    throw fault.failed(`The ledger is not as it was written: entry ${seq}${named && ` (${named})`}: ${why}.`);
  }
  const removed = found.removed.map((number) => `#${number}`).join(', ');
  report.event(
    { event: 'audit', ...found },
    `The chain is whole: ${found.entries} entries, head ${found.head}. Bot and executor saw it up to ${pins.bot.seq} and ` +
      `${pins.executor.seq}. The stories of ${found.actions} actions hold; ` +
      `${found.transcripts} transcripts have their hashes. ${toKeep(found.checkpoint)}` +
      (removed && `\nTaken out of the room by somebody, but whole in the ledger: the cards of ${removed}.`),
  );
}
