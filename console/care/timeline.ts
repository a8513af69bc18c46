/** `pocketcoder timeline`: lets somebody look at the page that the ledger serves, read-only and for a while. */
import { ledgerUrlOf } from '../engine/services.ts';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import type { Report } from '../report.ts';

/**
 * Prints the page's address. What lets one in stands behind its `#`, which a browser sends to nobody, and is no password: it looks,
 * for eight hours, and can't be renewed (ledger/page.go).
 */
export async function timeline(instance: Instance, report: Report): Promise<void> {
  const url = ledgerUrlOf(instance);
  const { auditor: password } = instance.state.passwords.ledger;
  const answer = await fetch(`${url}/api/collections/auditor/auth-with-password?look`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ identity: 'auditor@ledger.invalid', password }),
    signal: AbortSignal.timeout(10_000),
  }).catch(() => undefined);
  if (!answer)
    throw fault.unavailable(
      `The ledger does not answer at ${url}, so nobody was let in: start it with ./pocketcoder start -d.`,
    );
  if (!answer.ok)
    throw fault.failed(
      `The ledger let nobody in (${answer.status}): ./pocketcoder start -d gives it the auditor's password anew.`,
    );
  const { token } = (await answer.json()) as { token: string };
  const { timeline } = instance.settings;
  const address = `${timeline ?? url}/#token=${token}`;
  report.event(
    { event: 'timeline', address },
    `${address}\n\nOpen this in a browser${timeline ? '' : ' on this machine'}. Whoever has it may look for eight hours, and changes nothing.`,
  );
}
