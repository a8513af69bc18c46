/** Joins the gateway's open calls to what becomes of their actions. */
import { traits } from '@pocketcoder/ledger/rules/kinds.cjs';
import { termOf } from '@pocketcoder/ledger/rules/policy.cjs';
import { type Act, makeAction, newId } from '@pocketcoder/ledger/src/action.ts';
import type { Book, Page } from '../approval/view.ts';
import type { Desk } from '../desk/desk.ts';
import { fitsCard } from '../show/card.ts';
import type { Ask, LineOptions } from './line.ts';
import type { Outcome } from './outcome.ts';
import { mostSteps, planOf } from './plan.ts';

export type Asks = Pick<LineOptions, 'covered' | 'together'> & {
  ask: Ask;
  /** Hands an outcome to the call that waits for it. False when none does: the bot was restarted since. */
  over(page: Page, outcome: Outcome): boolean;
};

/** @param plans whether the owner wants a plan of a task first: then what reads is not put together, since that would be a plan */
export function createAsks(desk: Desk, book: Book, plans: (task: string) => boolean): Asks {
  const waiting = new Map<string, (outcome: Outcome) => void>();
  return {
    async ask(asked) {
      // It waits before anything is recorded: a lease's act, or a card that is denied at once, is over before its asking is.
      const id = newId();
      const outcome = new Promise<Outcome>((resolve) => waiting.set(id, resolve));
      try {
        await desk.ask(asked, { id });
      } catch (error) {
        // What was recorded and taken back comes to its end here: the call is told why, and nobody else.
        if (!book.page(id)) waiting.delete(id);
        throw error;
      }
      return { action: id, outcome };
    },
    covered: (asked) => book.cover(asked) !== undefined,
    together(all) {
      const [first] = all;
      if (!first || first.kind === 'plan' || traits(first.kind).lasts || all.length > mostSteps)
        return undefined;
      if (plans(first.task)) return undefined;
      // The first one's card spares the others theirs.
      if (traits(first.kind).class === 'read' && book.offersReads(first)) return undefined;
      const steps = all.map(({ kind, args }) => ({ kind, args }) as Act);
      const plan = planOf(first, steps);
      const [one, each] = [plan, first].map((asked) => termOf(book.policy(), asked));
      const more = (['approvers', 'devices', 'grace'] as const).some(
        (n) => (one?.[n] ?? 0) > (each?.[n] ?? 0),
      );
      if (!one || more || one.mode === 'never') return undefined;
      return fitsCard(makeAction(plan, book.policy())) ? plan : undefined;
    },
    over(page, outcome) {
      const resolve = waiting.get(page.action.id);
      waiting.delete(page.action.id);
      resolve?.(outcome);
      return resolve !== undefined;
    },
  };
}
