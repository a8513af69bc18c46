/** What the ledger answers when it did not do what was asked. */
import { ClientResponseError } from 'pocketbase';
import { type Code, refusals } from '../rules/codes.cjs';

/**
 * `code` is one of the rules' (`codes.cjs`), `unreachable` (nobody knows whether it was written: ask
 * again with the same id), `no_room`, `unauthorized`, `id_taken`, or `failed` for anything else.
 */
export class LedgerError extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, status: number, message: string) {
    super(message);
    this.name = 'LedgerError';
    this.code = code;
    this.status = status;
  }
}

/**
 * What answers is not the ledger that was read so far: that one is away, so all that waits for it waits on. Passes where it
 * comes back.
 */
export class TurnedBack extends LedgerError {
  /** @param seq of the entry that was seen */
  constructor(seq: number) {
    super(
      'unreachable',
      0,
      `The ledger was turned back, or goes another way: it does not have entry ${seq} as it was seen here. Nothing is asked, ` +
        'decided or run by it. ./pocketcoder audit says more; ./pocketcoder restore brings a backup back; where it was turned ' +
        'back on purpose, ./pocketcoder repin takes it as it is.',
    );
  }
}

/** What is asked again with the same id, for nobody knows what came of it. */
export const unreachable = (message: string, status = 0): LedgerError =>
  new LedgerError('unreachable', status, message);

/** Any error of the SDK as one of ours; others come back as they are. */
export function asLedgerError(error: unknown): unknown {
  if (!(error instanceof ClientResponseError)) return error;
  const { status } = error;
  // The ledger's code, which PocketBase leaves alone, unlike messages.
  const { data } = error.response as { data?: { entry?: { code?: unknown } } };
  const code = data?.entry?.code;
  if (typeof code === 'string' && code) {
    const why = Object.hasOwn(refusals, code) ? `: ${refusals[code as Code]}` : '';
    return new LedgerError(code, status, `The ledger refused it (${code})${why}. Nothing was written.`);
  }
  if (status === 0 || status >= 500)
    return unreachable(`The ledger does not answer at ${error.url || 'its address'}.`, status);
  // What PocketBase says of a write that SQLite refused; every other refusal names what is wrong.
  if (status === 400 && data && Object.keys(data).length === 0)
    return new LedgerError(
      'no_room',
      status,
      'The ledger could not store what was to be recorded; most likely its disk is full. Nothing was recorded, so nothing ' +
        "was run. Make room where Docker keeps the ledger's data, then ask again.",
    );
  if (status === 401 || status === 403)
    return new LedgerError('unauthorized', status, 'The ledger does not know this identity.');
  return new LedgerError('failed', status, `The ledger answered ${status}: ${error.message}`);
}

/** What passes by itself, or once somebody has made room. */
export const isPassing = (error: unknown): boolean =>
  error instanceof LedgerError && (error.code === 'unreachable' || error.code === 'no_room');

export const isUnreachable = (error: unknown): boolean =>
  error instanceof LedgerError && error.code === 'unreachable';
