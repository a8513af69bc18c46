/** `pocketcoder audit`: reads the whole ledger as the auditor and verifies it. */
import { verifyChain } from '../../ledger/src/chain.ts';
import { connectLedger } from '../../ledger/src/client.ts';
import { Fault } from './fault.ts';
import type { Instance } from './instance.ts';
import type { Report } from './report.ts';
import { ledgerUrlOf } from './services.ts';

/** Throws a Fault (`failed`) that names the first entry that is off. */
export async function audit(instance: Instance, report: Report): Promise<void> {
  const password = instance.state.passwords.ledger.auditor;
  const ledger = await connectLedger({ url: ledgerUrlOf(instance), identity: 'auditor', password });
  const result = await verifyChain(await ledger.since(0));
  if ('broken' in result)
    throw new Fault(
      'failed',
      `The ledger is not as it was written: entry ${result.broken.seq}: ${result.broken.why}.`,
    );
  report.event(
    { event: 'audit', ...result },
    `The chain is whole: ${result.size} entries, head ${result.head}. Every action's story holds.`,
  );
}
