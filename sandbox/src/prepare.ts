/** What an action needs before it is claimed: had, or waited for, for as long as it may still be claimed. */
import { mostSent } from '../../ledger/src/action.ts';
import { isPassing } from '../../ledger/src/errors.ts';
import { retry } from '../../ledger/src/retry.ts';
import { wholeOf } from '../../ledger/src/transcript.ts';
import { placeOf } from './apart.ts';
import { isOfServer } from './calling.ts';
import type { Request } from './claim.ts';
import { SandboxError } from './container.ts';
import { type Context, patiently } from './step.ts';

/** `missing` says why there will never be a container; '' where there is one. `sent` came with the request of a `put_file`. */
export type Prepared = { sent: Uint8Array | undefined; missing: string };

/** @throws what stood in the way when the action's time was over */
export async function prepare(c: Context, request: Request): Promise<Prepared> {
  return { sent: await sentWith(c, request), missing: await container(c, request) };
}

/** The bytes are held against the action before anything is run, so that none do where they cannot be had. */
async function sentWith(
  { ledger, decided, signal }: Context,
  { id, action, requested }: Request,
): Promise<Uint8Array | undefined> {
  if (action.kind !== 'put_file' || !requested.transcript || action.args.size > mostSent) return undefined;
  const { size } = action.args;
  const again = (error: unknown) => isPassing(error) && decided(id);
  try {
    return await retry(() => wholeOf(ledger.transcript(requested), size), { ...patiently, again, signal });
  } catch (error) {
    if (isPassing(error)) throw error;
    return undefined;
  }
}

async function container({ tasks, decided, log, signal }: Context, { id, action }: Request): Promise<string> {
  const again = (error: unknown) => {
    if (error instanceof SandboxError || !decided(id)) return false;
    log.warn({ action: id, err: error }, 'no container; trying again until its time is over');
    return true;
  };
  if (action.kind === 'try' || isOfServer(action)) return ''; // its container comes after its copy, or with its server
  try {
    await retry(() => tasks.warm(placeOf(action)), { ...patiently, again, signal });
    return '';
  } catch (error) {
    if (error instanceof SandboxError) return error.message;
    throw error;
  }
}
