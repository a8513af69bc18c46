/** Joins the gateway's open calls to what becomes of their actions. */

import { isOver } from '@pocketcoder/ledger/src/lifecycle.cjs';
import type { Book, Page } from '../approval/book.ts';
import type { Desk } from '../approval/desk.ts';
import type { Ask } from '../gateway/calls.ts';
import type { Outcome } from '../gateway/outcome.ts';

export type Asks = {
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
    over(page, outcome) {
      const resolve = waiting.get(page.action.id);
      waiting.delete(page.action.id);
      resolve?.(outcome);
      return resolve !== undefined;
    },
  };
}
