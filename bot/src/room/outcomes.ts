/** What became of an action, shown in the room: live while it runs, then its output and the outcome below its card. */

import { isOver } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import { isUnreachable } from '@pocketcoder/ledger/src/errors.ts';
import { retry } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { NarrowLedger } from '../approval/narrow.ts';
import type { Card, CardStore } from '../approval/store.ts';
import type { Book, Page } from '../approval/view.ts';
import type { Outcome } from '../gateway/outcome.ts';
import { type Content, message } from '../show/blocks.ts';
import { pollEnd, told } from '../show/card.ts';
import type { EventId, Matrix, RoomId } from '../types.ts';
import { createOutputs, head, outcomeOf, type Whole } from './output.ts';
import { cardContent, createProgress, wasOpen } from './progress.ts';
import { proofOf, verdictLine } from './verdict.ts';

export type OutcomesOptions = {
  ledger: Pick<NarrowLedger, 'story' | 'transcript' | 'last'>;
  matrix: Matrix;
  cards: CardStore;
  book: Book;
  log: Logger;
  /** Called once an action is over, after the room was told. */
  onOver(page: Page, outcome: Outcome): Promise<void>;
  /** Called once the room has its output, and again where that was cut off before its card ended. Never rejects. */
  onShown(page: Page, outcome: Whole): Promise<void>;
  /** Called when a lease of the network is open, and again after a restart: that is what whoever asked for it waits for. */
  onOpen(page: Page): Promise<void>;
};

/** It had no card. */
const ranByLease = (page: Page): boolean => page.story.some((e) => e.kind === 'leased');

export function createOutcomes(o: OutcomesOptions) {
  const { ledger, matrix, cards, book, log } = o;
  const progress = createProgress(o);
  const outputs = createOutputs(o);

  /** What the room keeps of the ledger, so that a ledger that was taken back shows. */
  const checkpoint = ({ seq, hash }: Entry): Content => ({ 'org.pocketcoder.checkpoint': { seq, hash } });

  /** What a command brought, in one message below it: a file, or its text from the top. */
  async function answer(page: Page, card: Card, outcome: Whole, entry: Entry): Promise<void> {
    const { text, cut } = head(page, outcome);
    const content = message([
      { line: `#${page.number} ${verdictLine(page, outcome, book)}` },
      ...(text ? [{ quote: text }] : []),
      { line: proofOf(page, entry, book).join(' · ') },
    ]);
    await progress.finish(card, { ...content, ...checkpoint(entry) });
    await outputs.attach(page, card, outcome, cut, entry);
    await o.onShown(page, outcome);
    cards.set(card.action, { open: false, ended: true });
  }

  /** Ends the card in its message, below the unchanged action (a poll by its reply), then takes the bot's chips away. */
  async function close(page: Page, card: Card, outcome: Outcome, entry: Entry): Promise<void> {
    const line = verdictLine(page, outcome, book);
    if (card.poll) {
      const { type, content } = pollEnd(card.poll, line);
      await matrix.post(card.room, type, content, { txn: `poll-end-${card.action}` });
    }
    const content = cardContent(card, page, line, proofOf(page, entry, book));
    await progress.finish(card, { ...content, ...checkpoint(entry) });
    for (const id of card.chips.split(' ').filter(Boolean))
      await matrix.redact(card.room, id as EventId, 'the card has ended');
    cards.set(card.action, { open: false, ended: true, chips: '' });
  }

  /** What ran by a lease had no card: one quiet message says how it ended and what it was. */
  async function tellLeased(page: Page, outcome: Outcome, entry: Entry): Promise<void> {
    const room = book.rooms().get(page.action.workspace);
    if (!room) return;
    const line = `#${page.number} ${verdictLine(page, outcome, book)}`;
    const content = { ...told(page.action, page, line, proofOf(page, entry, book)), ...checkpoint(entry) };
    await matrix.post(room as RoomId, 'm.room.message', content, { txn: `end-${page.action.id}` });
  }

  async function end(page: Page, entry: Entry): Promise<void> {
    const outcome = await outcomeOf(ledger, entry);
    const card = cards.get(page.action.id);
    if (card?.form === 'command') return answer(page, card, outcome, entry);
    if (card) {
      if (card.open) cards.set(card.action, { open: false });
      await outputs
        .show(page, card, outcome, entry)
        .catch((error: unknown) =>
          log.error({ action: page.action.id, err: error }, 'the output could not be shown'),
        );
    }
    await o.onOver(page, outcome);
    await o.onShown(page, outcome);
    if (card) await close(page, card, outcome, entry);
    else if (ranByLease(page)) await tellLeased(page, outcome, entry);
  }

  /** Never throws: what could not be shown is logged, and shown when the ledger is back, or at the next start. */
  async function ending(page: Page, entry: Entry): Promise<void> {
    const again = (error: unknown): boolean => {
      log.error({ action: entry.action, err: error }, 'an outcome could not be shown');
      return isUnreachable(error);
    };
    await retry(() => end(page, entry), { first: 1000, most: 60_000, again }).catch(() => {}); // the log has it
  }

  const opened = (page: Page): Promise<void> =>
    o.onOpen(page).catch((error: unknown) => {
      log.error({ action: page.action.id, err: error }, 'nobody was told that the network is open');
    });

  return {
    /** Takes an entry of the chain once the book has read it. Never holds up the next one. */
    take(entry: Entry): void {
      const page = book.page(entry.action);
      if (page && isOver(entry.kind)) void ending(page, entry);
      if (page && entry.kind === 'running' && wasOpen(page)) void opened(page);
      progress.look();
    },
    /** After a restart: shows how what is open stands, and the endings that the room has not seen. */
    async catchUp(): Promise<void> {
      progress.look();
      for (const page of book.unfinished().filter(wasOpen)) await opened(page);
      const shown = cards.unended().flatMap((card) => book.page(card.action) ?? []);
      for (const page of [...shown, ...book.over().filter(ranByLease)]) {
        const entry = page.story.find((e) => isOver(e.kind));
        if (entry) await ending(page, entry);
      }
    },
    /** Live output of a running action. */
    onLive(action: string, chunk: Uint8Array): void {
      const page = book.page(action);
      const card = cards.get(action);
      if (page && card && card.form !== 'command' && !isOver(book.state(action)))
        outputs.live(page, card, chunk);
    },
  };
}
