/** Between the answer and the claim: an action begins when its grace is over, and expires where it does not begin in time. */
import type { Context } from './step.ts';

export type Waits = {
  /** The action was decided: begins it once its grace is over. */
  decided(id: string): void;
  /** Begins it a little later: timers and the ledger's clock differ by that. */
  again(id: string): void;
  /** Nothing is to come of the action by this any more. */
  over(id: string): void;
  stop(): void;
};

/** @param begin may be called more than once for an action */
export function makeWaits({ book, write, log }: Context, begin: (id: string) => void): Waits {
  const timers = new Map<string, NodeJS.Timeout[]>();

  /** At once where it is time, since a tap waits for it. */
  function after(id: string, ms: number, work: (id: string) => void): void {
    const timely = () => book.decided(id) && work(id);
    if (ms <= 0) timely();
    else timers.get(id)?.push(setTimeout(timely, ms));
  }

  function expire(id: string): void {
    const body = { digest: book.request(id).digest, reason: 'not executed in time' };
    write({ kind: 'expired', action: id, body }).catch((error: unknown) =>
      log.info({ action: id, err: error }, 'not expired'),
    );
  }

  function over(id: string): void {
    for (const timer of timers.get(id) ?? []) clearTimeout(timer);
    timers.delete(id);
  }

  return {
    decided(id) {
      const decided = book.story(id).findLast((e) => e.kind === 'approved' || e.kind === 'leased');
      if (!decided || timers.has(id)) return;
      timers.set(id, []);
      const { action, leased } = book.request(id);
      const since = Date.parse(decided.at) - Date.now();
      const grace = leased ? 0 : (action.grace ?? 0);
      // A control action has nothing to run: the ledger applies it.
      if (action.class !== 'control') after(id, since + grace * 1000, begin);
      after(id, since + action.execute_within * 1000 + 1, expire);
    },
    again: (id) => after(id, 100, begin),
    over,
    stop: () => [...timers.keys()].forEach(over),
  };
}
