/** Between the answer and the claim: an action begins when its grace is over, and expires where it does not begin in time. */
import { last } from '../../ledger/rules/lifecycle.cjs';
import type { Context } from './step.ts';

/** @param begin may be called more than once for an action */
export function makeWaits({ book, decided, write, log }: Context, begin: (id: string) => void) {
  const timers = new Map<string, NodeJS.Timeout[]>();

  /** At once where it is time, since a tap waits for it. */
  function after(id: string, ms: number, work: (id: string) => void): void {
    const timely = () => decided(id) && work(id);
    if (ms <= 0) timely();
    else timers.get(id)?.push(setTimeout(timely, ms));
  }

  function expire(id: string): void {
    const body = { digest: book.request(id).digest, reason: 'not executed in time' };
    write({ kind: 'expired', action: id, body }).catch((error: unknown) =>
      log.info({ action: id, err: error }, 'not expired'),
    );
  }

  /** Nothing is to come of the action by this any more. */
  function over(id: string): void {
    for (const timer of timers.get(id) ?? []) clearTimeout(timer);
    timers.delete(id);
  }

  return {
    /** The action was decided: begins it once its grace is over. */
    answered(id: string): void {
      const answer = last(book.story(id), 'approved', 'leased');
      if (!answer || timers.has(id)) return;
      timers.set(id, []);
      const { action, leased } = book.request(id);
      const since = Date.parse(answer.at) - Date.now();
      const grace = leased ? 0 : (action.grace ?? 0);
      // A control action has nothing to run: the ledger applies it.
      if (action.class !== 'control') after(id, since + grace * 1000, begin);
      after(id, since + action.execute_within * 1000 + 1, expire);
    },
    /** Begins it a little later, for timers and the ledger's clock differ; and each time later, for a policy may have a longer grace by now. */
    again(id: string): void {
      const set = timers.get(id)?.length ?? 0;
      after(id, Math.min(25 * 2 ** set, 5000), begin);
    },
    over,
    stop: (): void => [...timers.keys()].forEach(over),
  };
}
