/**
 * The first start after a restore or a repin, before bot and executor run: whatever was open in that ledger may have been
 * decided, run or taken back since, so none of it counts. All stays frozen until a person at the console has looked.
 */

import { isFrozen, isUnderWay, stateOf } from '../../ledger/rules/lifecycle.cjs';
import { sha256 } from '../../ledger/src/action.ts';
import { createChain } from '../../ledger/src/chain.ts';
import { fault } from '../fault.ts';
import { type Instance, withState } from '../instance/instance.ts';
import { ledgerAs } from '../instance/ledger.ts';
import type { Report } from '../report.ts';

/** Ends what was open and freezes; again is no harm. Returns the instance as one that needs this no more. */
export async function closeOpen(instance: Instance, report: Report): Promise<Instance> {
  const { restored, ...state } = instance.state;
  if (restored === undefined) return instance;
  const ledger = await ledgerAs(instance, 'operator');
  const chain = createChain();
  for (const entry of await ledger.since(0)) {
    const wrong = chain.take(entry);
    if (wrong)
      throw fault.failed(
        `The restored ledger is off at entry ${entry.seq}: ${wrong}. Nothing more was started.`,
      );
  }
  const { seq, hash } = chain.head();
  // Frozen first: it ends every lease, and no approval of before counts after it.
  if (!isFrozen(chain.state())) await ledger.append({ kind: 'frozen', body: {} });
  const reason = `the ledger was put back, as of ${restored}`;
  for (const action of chain.open()) {
    const story = [...chain.story(action)];
    const begun = isUnderWay(stateOf(story));
    const body = { digest: sha256(story[0]?.body ?? ''), reason };
    await ledger.append({ kind: begun ? 'unknown' : 'void', action, body });
  }
  await ledger.append({ kind: 'alarm', body: { reason, seq, hash } });
  report.event(
    { event: 'closed', restored, seq, hash, open: chain.open().length },
    `The ledger that was put back ends at entry ${seq} (${hash.slice(0, 12)}). Whatever came after it is not known here: a device that was ` +
      'revoked since is enrolled again. So all is frozen: ./pocketcoder device list, then ./pocketcoder thaw.',
  );
  return withState(instance, state);
}
