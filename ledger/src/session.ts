/** One identity's login at the ledger: kept fresh, and asked again with patience while the ledger is away. */
import PocketBase, { ClientResponseError } from 'pocketbase';
import { asLedgerError, isUnreachable, LedgerError } from './errors.ts';
import { attempt, retry } from './retry.ts';

export type Identity = 'bot' | 'executor' | 'operator' | 'auditor';
export type Login = { url: string; identity: Identity; password: string };
export type Session = ReturnType<typeof makeSession>;

const answerWithin = 10; // seconds for one request
const patience = 15; // seconds of an unreachable ledger before the caller hears of it
const renewBefore = 24 * 3600; // seconds before a token's end (they last a week)

/** When a JWT ends, in seconds since 1970; 0 for what is none. RFC 7519. */
function expiry(token: string): number {
  const claims = attempt(() => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()));
  return Number(claims?.exp) || 0;
}

export function makeSession({ url, identity, password }: Login) {
  const pb = new PocketBase(url).autoCancellation(false);
  let entering: Promise<unknown> | undefined;

  const enter = (): Promise<unknown> => {
    entering ??= pb
      .collection(identity)
      .authWithPassword(`${identity}@ledger.invalid`, password, {
        signal: AbortSignal.timeout(answerWithin * 1000),
      })
      .catch((error: unknown) => {
        if (error instanceof ClientResponseError && error.status === 400)
          throw new LedgerError(
            'unauthorized',
            400,
            `The ledger refused the password of ${identity}. Nothing was read or written; run the set-up again.`,
          );
        throw asLedgerError(error);
      })
      .finally(() => {
        entering = undefined;
      });
    return entering;
  };

  /** Runs a request with a valid token. Throws LedgerError; one attempt but for an expired login. */
  const once = async <T>(
    request: (signal: AbortSignal) => Promise<T>,
    seconds = answerWithin,
  ): Promise<T> => {
    if (expiry(pb.authStore.token) < Date.now() / 1000 + renewBefore) await enter();
    const attempt = () => request(AbortSignal.timeout(seconds * 1000));
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ClientResponseError) || error.status !== 401) throw asLedgerError(error);
    }
    await enter(); // the ledger took another password or lost its keys since
    return attempt().catch((error: unknown) => {
      throw asLedgerError(error);
    });
  };

  /** The same, again and again while the ledger is unreachable, for `patience` seconds. */
  const patient = <T>(request: (signal: AbortSignal) => Promise<T>, seconds?: number): Promise<T> => {
    const end = Date.now() + patience * 1000;
    const again = (error: unknown) => isUnreachable(error) && Date.now() <= end;
    return retry(() => once(request, seconds), { first: 50, most: 2000, again });
  };

  return { pb, once, patient };
}
