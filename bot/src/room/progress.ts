/** A card lives: from the first answer on, one message says how its action stands, by edits, and at last how it ended. */
import { answers } from '@pocketcoder/ledger/rules/answers.cjs';
import { traits } from '@pocketcoder/ledger/rules/kinds.cjs';
import { bodyOf, isUnderWay } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import type { Logger } from 'pino';
import type { Cards, Posted } from '../approval/store.ts';
import type { Book, Page } from '../approval/view.ts';
import { refused } from '../desk/refusals.ts';
import { clock, nameOf } from '../show/action.ts';
import { type Block, type Content, message } from '../show/blocks.ts';
import { answered, type Below } from '../show/card.ts';
import { duration } from '../show/control.ts';
import type { EventId, Matrix } from '../types.ts';
import { type Status, statusMessage } from './status.ts';

export type ProgressOptions = {
  matrix: Matrix;
  cards: Cards;
  book: Book;
  /** The end of what a running action has written. */
  written(page: Page): Block[];
  log: Logger;
};

/** A card's message, what it says now, and what says it again. */
type Living = { status: Status; line: string; draw(): void };

/** Milliseconds until a state is shown: most actions are over by then, and their end is what people wait for. */
const soon = 300;
/** The same for what its own message decided: there is no card that would be silent. */
const later = 1000;

/** Whether the card itself is a message that can be edited; a poll can't, and below a long action stands its file. */
const isEdited = ({ form, event }: Posted): boolean => form === 'chip' && event !== '';

/** What the card of an action says, its number and action aside. */
export const cardContent = (card: Posted, page: Page, line: string, how: Below): Content =>
  isEdited(card)
    ? answered(page.action, card, line, how)
    : message([
        { line: `#${page.number} ${line}` },
        ...(how.below ?? []),
        ...(how.more ? [{ line: how.more.join(' · '), ...(how.link && { link: how.link }) }] : []),
      ]);

/** Whether it is a lease of the network that was open once. */
export const wasOpen = ({ story }: Page): boolean =>
  story.some((e) => e.kind === 'running' && bodyOf(e, 'running').open === true);

/** How an action stands between its first answer and its end; '' before and after. */
export function standsText(
  page: Page,
  book: Pick<Book, 'state' | 'lacking' | 'held' | 'unfinished'>,
): string {
  const { action, story } = page;
  const since = (kind: string) => story.findLast((e) => e.kind === kind)?.at ?? '';
  switch (book.state(action.id)) {
    case 'endorsed': {
      const { people, devices } = book.lacking(action.id);
      const names = answers(story).map(({ evidence }) => nameOf(evidence.user));
      const needs =
        people > 0
          ? `${people} more ${people === 1 ? 'person' : 'people'}`
          : `${devices} more of your devices`;
      return `👍 yes from ${[...new Set(names)].join(', ')} · still needs ${needs}`;
    }
    case 'approved': {
      const why = book.held(page);
      if (why === 'grace') return `⏳ approved · starts in ${duration(action.grace)}, ❌ stops it`;
      if (why) return `⏸ approved, but does not start: ${refused[why] ?? why}`;
      const first = book
        .unfinished()
        .find(
          (p) =>
            !traits(action.kind).beside &&
            p.action.task === action.task &&
            !wasOpen(p) &&
            isUnderWay(book.state(p.action.id)),
        );
      return first ? `👍 approved · waits for #${first.number}` : '👍 approved · not begun yet';
    }
    case 'claimed':
    case 'running': {
      const stopped = story.some((e) => e.kind === 'stop');
      if (wasOpen(page) && !stopped)
        return `${action.kind === 'egress' ? '🌐' : '⌨️'} open since ${clock(new Date(since('running')))}`;
      return stopped ? '🛑 is being stopped' : `▶️ running since ${clock(new Date(since('claimed')))}`;
    }
    default:
      return '';
  }
}

export function createProgress({ matrix, cards, book, written, log }: ProgressOptions) {
  const shown = new Map<string, Living>();
  /** Answered before this process was started, so what they say may stand in the room already. */
  const begun = new Set(cards.unended().map((card) => card.action));

  const open = (card: Posted): Living => ({
    status: statusMessage(matrix, card.room, log, {
      txn: `end-${card.action}`,
      begun: begun.has(card.action),
      after: card.form === 'command' ? later : soon,
      ...(isEdited(card)
        ? { event: card.event as EventId }
        : card.event && { replyTo: card.event as EventId }),
    }),
    line: '',
    draw: () => {},
  });

  function show(page: Page): void {
    const line = standsText(page, book);
    const card = line ? cards.get(page.action.id) : undefined;
    if (!card || card.ended) return;
    const now = shown.get(card.action) ?? open(card);
    shown.set(card.action, now);
    if (now.line === line) return;
    now.line = line;
    now.draw = () => now.status.show(() => cardContent(card, page, line, { below: written(page) }));
    now.draw();
  }

  return {
    /** Looks at every open action again, after an entry of the chain or a restart. Never throws and holds nothing up. */
    look(): void {
      const pages = book.unfinished();
      const going = new Set(pages.map((page) => page.action.id));
      for (const [action, { status }] of shown) if (!going.has(action)) status.drop();
      for (const page of pages)
        try {
          show(page);
        } catch (error) {
          log.warn({ action: page.action.id, err: error }, 'a card does not say how its action stands');
        }
    },
    /** It wrote something: shown with how it stands. */
    wrote: (action: string): void => shown.get(action)?.draw(),
    /** Shows this for good in that card's message. Resolves when it is sent, and throws when it can't be. */
    finish(card: Posted, content: Content): Promise<EventId> {
      const { status } = shown.get(card.action) ?? open(card);
      shown.delete(card.action);
      return status.finish(content);
    },
  };
}
