/** Joins the gateway's open calls to what becomes of their actions. */

import { traits } from '@pocketcoder/ledger/rules/kinds.cjs';
import { isOver } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import { termOf } from '@pocketcoder/ledger/rules/policy.cjs';
import { type Act, makeAction } from '@pocketcoder/ledger/src/action.ts';
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

/** @param read the outcome of an action that is over, from the ledger */
export function createAsks(
  desk: Desk,
  book: Book,
  read: (action: string) => Promise<Outcome | undefined>,
): Asks {
  const waiting = new Map<string, (outcome: Outcome) => void>();
  return {
    async ask(asked) {
      const { action } = await desk.ask(asked);
      const outcome = new Promise<Outcome>((resolve) => waiting.set(action, resolve));
      // It can be over by now: a poll is answerable before its card is complete.
      if (isOver(book.state(action))) {
        const ended = await read(action);
        if (ended) waiting.get(action)?.(ended);
      }
      return { action, outcome };
    },
    covered: (asked) => book.cover(asked) !== undefined,
    together(all) {
      const [first] = all;
      if (!first || first.kind === 'plan' || all.length > mostSteps) return undefined;
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
