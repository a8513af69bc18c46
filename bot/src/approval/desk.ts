/** From a wish to a card, and from a verdict to a decision in the ledger. What the ledger refuses did not happen. */
import {
  type Action,
  type Asked,
  actionText,
  type Clocks,
  makeAction,
} from '@pocketcoder/ledger/src/action.ts';
import { type Ledger, LedgerError } from '@pocketcoder/ledger/src/client.ts';
import { isOver } from '@pocketcoder/ledger/src/rules.cjs';
import type { Logger } from 'pino';
import type { Book, Page } from './book.ts';
import type { Verdict } from './gatekeeper.ts';
import type { Poster } from './poster.ts';
import type { Card, CardStore } from './store.ts';

export type DeskOptions = {
  ledger: Ledger;
  cards: CardStore;
  book: Book;
  poster: Poster;
  clocks: Clocks;
  /** Why nothing is asked in this workspace at present, or ''. */
  trouble(workspace: string): string;
  log: Logger;
};
export type Desk = {
  /** Records the wish and shows its card. Resolves when the card can be answered. */
  ask(asked: Asked): Promise<{ action: string; number: number }>;
  /** Carries out a verdict of the gatekeeper. Returns what a person should be told, or ''. */
  apply(verdict: Verdict): Promise<string>;
  addPoll(number: number): Promise<string>;
  addCode(number: number): Promise<string>;
  /** Ends what runs and denies what waits in a workspace. Returns how many actions that were. */
  stop(workspace: string, by: string): Promise<number>;
  /** Writes `expired` for every card whose decide-by has passed. */
  expire(now: number): Promise<void>;
  /** After a restart: shows the cards that were recorded but not shown, or not with all their chips. */
  resume(): Promise<void>;
};

export function createDesk(o: DeskOptions): Desk {
  const { ledger, cards, book, poster, log } = o;

  async function decide(kind: 'approved' | 'denied', card: Card, body: object): Promise<string> {
    try {
      const entry = await ledger.append({
        kind,
        action: card.action,
        body: { digest: card.digest, ...body },
      });
      cards.set(card.action, { open: false });
      log.info({ action: card.action, kind, seq: entry.seq }, 'decision');
      return '';
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code === 'unreachable') throw error;
      log.warn({ action: card.action, kind, code: error.code }, 'the ledger refused a decision');
      // A no that was refused for any other reason than its time must come again: the action may still run.
      if (kind === 'denied' && error.code !== 'lifecycle') throw error;
      return refused[error.code] ?? `the ledger refused it (${error.code}): nothing was run`;
    }
  }

  /** A denial counts until the executor has claimed the action; the ledger knows which came first. */
  const denyCard = (card: Card, by: string, why: string): Promise<string> =>
    decide('denied', card, { grade: 'plain', by, reason: why });

  async function apply(v: Verdict): Promise<string> {
    switch (v.do) {
      case 'approve':
        if (v.grade === 'sealed' && book.tapsSpoilt(v.card.action))
          return `⚠️ A device was revoked since #${v.card.number} was shown and may know its chips, so taps no longer count for it: answer with !poll ${v.card.number}.`;
        cards.set(v.card.action, { approval: v.evidence.event });
        return decide('approved', v.card, { grade: v.grade, evidence: v.evidence });
      case 'deny':
        return isOver(book.state(v.card.action)) ? '' : denyCard(v.card, v.evidence.user, v.why);
      case 'suspect':
        if (!v.card.open || v.card.dropped) return '';
        cards.set(v.card.action, { dropped: true });
        await ledger.append({ kind: 'alarm', body: { reason: 'token guessed', action: v.card.action } });
        return `⚠️ #${v.card.number} got a tap with a key nobody was given. Taps no longer count for it: answer with !poll ${v.card.number}.`;
      case 'explain':
        return v.why;
      default:
        return '';
    }
  }

  const voided = (action: string, digest: string, reason: string) =>
    ledger.append({ kind: 'void', action, body: { digest, reason } });

  /** What could not be shown is taken back, so that "nothing ran" is true. Throws why, unless it was claimed already. */
  async function withdraw(page: Page, error: unknown): Promise<void> {
    log.error({ action: page.action.id, err: error }, 'a card could not be shown');
    try {
      await voided(page.action.id, page.digest, 'its card could not be shown');
    } catch (refusal) {
      if (refusal instanceof LedgerError && refusal.code === 'lifecycle') return;
      throw refusal;
    }
    throw error;
  }

  const waiting = (number: number): { card: Card; action: Action } | string => {
    const card = cards.byNumber(number);
    const page = card && book.page(card.action);
    if (!card || !page) return `There is no #${number}. !pending lists what waits.`;
    if (!card.open) return `#${number} is already ${book.state(card.action)}.`;
    return { card, action: page.action };
  };

  return {
    async ask(asked) {
      const why = o.trouble(asked.workspace);
      if (why) throw new Error(`Not asked: ${why}. Nothing was run.`);
      const action = makeAction(asked, o.clocks);
      const entry = await ledger.append({
        id: action.id,
        kind: 'requested',
        action: action.id,
        body: JSON.parse(actionText(action)) as object,
      });
      await book.reached(entry.seq);
      const page = book.page(action.id);
      if (!page) throw new Error('the ledger did not show the action it took');
      await poster.show(page).catch((error: unknown) => withdraw(page, error));
      return { action: action.id, number: page.number };
    },
    apply,
    async addPoll(number) {
      const found = waiting(number);
      if (typeof found === 'string') return found;
      if (found.card.form === 'code') return `#${number} is too long for a poll: its file has a code.`;
      await poster.showPoll(found.card, found.action);
      return '';
    },
    async addCode(number) {
      const found = waiting(number);
      if (typeof found === 'string') return found;
      if (found.card.form === 'code') return `#${number} is too long to show: its file has the code.`;
      await poster.showCode(found.card, found.action);
      return '';
    },
    async stop(workspace, by) {
      const mine = book.unfinished().filter((p) => p.action.workspace === workspace);
      for (const { action, digest } of mine) {
        const state = book.state(action.id);
        const card = cards.get(action.id);
        if (card && (state === 'posted' || state === 'approved')) await denyCard(card, by, 'stopped');
        if (state === 'requested') await unless('lifecycle', voided(action.id, digest, 'stopped'));
        // Claimed meanwhile, or long since: then it is the executor's to end.
        else await unless('lifecycle', ledger.append({ kind: 'stop', action: action.id, body: { by } }));
      }
      return mine.length;
    },
    async expire(now) {
      // By the ledger's own state: a card may have been shut here without the ledger knowing.
      for (const { action, digest, requestedAt } of book.unfinished()) {
        if (now <= requestedAt + action.decide_within * 1000 || book.state(action.id) !== 'posted') continue;
        const body = { digest, reason: 'not decided in time' };
        await unless('lifecycle', ledger.append({ kind: 'expired', action: action.id, body }));
        cards.set(action.id, { open: false });
      }
    },
    async resume() {
      for (const page of book.unfinished()) {
        const state = book.state(page.action.id);
        const card = cards.get(page.action.id);
        const shown =
          state === 'requested'
            ? poster.show(page)
            : state === 'posted' && card?.form === 'chip' && !card.chips
              ? poster.showChips(card)
              : undefined;
        // One card that can't be shown must not keep the bot from starting.
        await shown?.catch((error: unknown) => withdraw(page, error)).catch(() => {});
      }
    },
  };
}

/** Lets one refusal of the ledger pass: somebody else was first, and that is as well. */
async function unless(code: string, appended: Promise<unknown>): Promise<void> {
  await appended.catch((error: unknown) => {
    if (!(error instanceof LedgerError) || error.code !== code) throw error;
  });
}

/** What the ledger's refusals mean to the person who tapped. */
const refused: Record<string, string> = {
  no_room: 'the ledger’s disk is full: nothing was run. Make room, then ask again',
  late: 'too late: the time to decide has passed, nothing was run',
  frozen: 'everything is frozen: nothing was run',
  lifecycle: 'it was decided already; what has started is ended by 🛑 or !stop',
  not_enrolled: 'that device is not enrolled: nothing was run. Pair it at the console',
  clock_back: 'the ledger’s clock went back: nothing was run. Ask again',
};
