/** What became of an action, shown in the room: live while it runs, then how it ended with the end of its output, in its card's message. */

import { bodyOf, isOver } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import { sha256 } from '@pocketcoder/ledger/src/action.ts';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import { isUnreachable } from '@pocketcoder/ledger/src/errors.ts';
import { retry } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { NarrowLedger } from '../approval/narrow.ts';
import type { Cards, Posted } from '../approval/store.ts';
import type { Book, Page } from '../approval/view.ts';
import type { Outcome } from '../gateway/outcome.ts';
import { RefusedLeak } from '../proof/post.ts';
import { type Block, type Content, message } from '../show/blocks.ts';
import { told } from '../show/card.ts';
import { pollEnd } from '../show/poll.ts';
import type { EventId, Matrix, RoomId } from '../types.ts';
import { createOutputs, head, isFile, outcomeOf, outputBelow, type Whole } from './output.ts';
import { cardContent, createProgress, standsText, wasOpen } from './progress.ts';
import { createReads } from './reads.ts';
import { proofOf, verdictLine } from './verdict.ts';

export type OutcomesOptions = {
  ledger: Pick<NarrowLedger, 'story' | 'transcript' | 'last'>;
  matrix: Matrix;
  cards: Cards;
  book: Book;
  log: Logger;
  /** Where the owner opens the timeline's page. */
  timeline?: string | undefined;
  /** Called once an action is over, after the room was told. */
  onOver(page: Page, outcome: Outcome): Promise<void>;
  /** Called once the room has its output, and again where that was cut off before its card ended. Never rejects. */
  onShown(page: Page, outcome: Whole): Promise<void>;
  /** Called when a lease of the network is open, and again after a restart: that is what whoever asked for it waits for. */
  onOpen(page: Page): Promise<void>;
};

/** What the ledger has of an action whose page was dropped. */
function pageOf(story: Entry[], number: number): Page | undefined {
  const [requested] = story;
  if (!requested) return undefined;
  const action = bodyOf(requested, 'requested');
  return { action, digest: sha256(requested.body), number, requestedAt: Date.parse(requested.at), story };
}

export function createOutcomes(o: OutcomesOptions) {
  const { ledger, matrix, cards, book, log, timeline } = o;
  const outputs = createOutputs(matrix);
  const progress = createProgress({ ...o, written: outputs.written });
  const reads = createReads(o);

  /** It had no card: it ran by a lease, or a restart cut off what a person asked for. */
  const hadNone = ({ action, story }: Page): boolean =>
    story.some((e) => e.kind === 'leased') ||
    (action.requester !== 'brain' && book.state(action.id) === 'void' && !cards.get(action.id));

  /** What the room keeps of the ledger, so that a ledger that was taken back shows. */
  const checkpoint = ({ seq, hash }: Entry): Content => ({ 'org.pocketcoder.checkpoint': { seq, hash } });

  /** Who let it, and the ledger's last entry of it; where a tap leads to that, it is by the owner's setting and a number alone. */
  const proven = (page: Page, entry: Entry) => ({
    more: proofOf(page, entry, book),
    link: timeline && `${timeline}/#/${entry.seq}`,
  });

  /** What a command brought, in one message below it: a file, or its text from the top. */
  async function answer(page: Page, card: Posted, outcome: Whole, entry: Entry): Promise<void> {
    const { text, cut } = head(page, outcome);
    const { more, link } = proven(page, entry);
    const content = message([
      { line: `#${page.number} ${verdictLine(page, outcome, book)}` },
      ...(text ? [{ quote: text }] : []),
      { line: more.join(' · '), ...(link && { link }) },
    ]);
    await progress.finish(card, { ...content, ...checkpoint(entry) });
    await outputs.attach(page, card.room, outcome, cut, entry, `output-file-${card.action}`);
    await o.onShown(page, outcome);
    cards.set(card.action, { open: false, ended: true });
  }

  /** How it ended, what it wrote and who let it, as it stands below an action. */
  const ended = (page: Page, outcome: Whole, entry: Entry, below = outputBelow(page, outcome).below) => ({
    line: verdictLine(page, outcome, book),
    how: { below, ...proven(page, entry) },
  });

  /** A person who asked for it themselves has all that it wrote, as a file where it is long; files and what a server answered with come whoever asked. */
  async function attachOwn(page: Page, room: RoomId, outcome: Whole, entry: Entry): Promise<void> {
    const { id, requester } = page.action;
    await outputs.attachHeld(page, room, outcome, entry, `output-held-${id}`);
    const isAsked = requester !== 'brain' || isFile(page, outcome);
    if (!isAsked || !page.story.some((e) => e.kind === 'claimed')) return;
    await outputs.attach(page, room, outcome, outputBelow(page, outcome).cut, entry, `output-file-${id}`);
  }

  /** Ends the card in its message, below the unchanged action (a poll by its reply). */
  async function close(page: Page, card: Posted, outcome: Whole, entry: Entry): Promise<void> {
    if (card.open) cards.set(card.action, { open: false });
    const { line, how } = ended(page, outcome, entry);
    if (card.poll) {
      const { type, content } = pollEnd(card.poll, line);
      await matrix.post(card.room, type, content, { txn: `poll-end-${card.action}` });
    }
    const show = (below: Block[]) =>
      progress.finish(card, { ...cardContent(card, page, line, { ...how, below }), ...checkpoint(entry) });
    await show(how.below).catch((error: unknown) => {
      if (!(error instanceof RefusedLeak)) throw error;
      return show([]); // how it ended is told all the same
    });
    await attachOwn(page, card.room, outcome, entry);
  }

  /** Then takes the bot's chips away. */
  async function clear(card: Posted): Promise<void> {
    for (const id of card.chips.split(' ').filter(Boolean))
      await matrix.redact(card.room, id as EventId, 'the card has ended');
    cards.set(card.action, { open: false, ended: true, chips: '' });
  }

  /** One quiet message says how it ended and what it was. */
  async function tellUncarded(page: Page, outcome: Whole, entry: Entry): Promise<void> {
    const room = book.rooms().get(page.action.workspace) as RoomId | undefined;
    if (!room) return;
    const { line, how } = ended(page, outcome, entry);
    const content = { ...told(page.action, page, `#${page.number} ${line}`, how), ...checkpoint(entry) };
    await matrix.post(room, 'm.room.message', content, { txn: `end-${page.action.id}` });
    await attachOwn(page, room, outcome, entry);
  }

  async function end(page: Page, entry: Entry): Promise<void> {
    const outcome = await outcomeOf(ledger, entry, page.action);
    const card = cards.get(page.action.id);
    outputs.over(page.action.id);
    if (card?.form === 'command') return answer(page, card, outcome, entry);
    // How it ended comes first, since that is what a person waits for; where it can't be shown the agent hears of it all the same.
    const [shown] = await Promise.allSettled(card ? [close(page, card, outcome, entry)] : []);
    const output = `The owner is sent the file (${outcome.size} bytes; more than 32 MiB are not sent). You are not shown it.`;
    await o.onOver(page, isFile(page, outcome) ? { ...outcome, output, truncated: false } : outcome);
    await o.onShown(page, outcome);
    if (shown?.status === 'rejected') throw shown.reason;
    if (card) await clear(cards.get(card.action) ?? card);
    else if (reads.counts(page)) reads.show(page);
    else if (hadNone(page)) await tellUncarded(page, outcome, entry);
  }

  /** Never throws: what could not be shown is logged, and shown when the ledger is back, or at the next start. */
  async function ending(page: Page, entry: Entry): Promise<void> {
    const again = (error: unknown): boolean => {
      log.error({ action: entry.action, err: error }, 'an outcome could not be shown');
      return isUnreachable(error);
    };
    const shown = () => log.info({ action: entry.action, number: page.number }, 'outcome shown');
    await retry(() => end(page, entry), { first: 1000, most: 60_000, again }).then(shown, () => {}); // the log has it
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
      reads.begin();
      for (const page of book.unfinished().filter(wasOpen)) await opened(page);
      const shown = cards.unended().flatMap((card) => book.page(card.action) ?? []);
      for (const page of [...shown, ...book.over().filter(hadNone)]) {
        const entry = page.story.find((e) => isOver(e.kind));
        if (entry) await ending(page, entry);
      }
    },
    /** Live output of a running action. */
    onLive(action: string, chunk: Uint8Array): void {
      const page = book.page(action);
      const card = cards.get(action);
      if (!page || !card || card.form === 'command' || isOver(book.state(action))) return;
      outputs.took(page, chunk);
      progress.wrote(action);
    },
    /** Shows what #N came to, and what it wrote. Returns what to say, or ''. */
    async show(workspace: string, number: number): Promise<string> {
      const action = book.byNumber(number)?.action.id ?? cards.byNumber(number)?.action ?? '';
      const page = book.page(action) ?? pageOf(action ? await ledger.story(action) : [], number);
      const room = book.rooms().get(workspace);
      if (!room || page?.action.workspace !== workspace)
        return `There is no #${number} here that could be shown.`;
      const entry = page.story.find((e) => isOver(e.kind));
      if (!entry) return `#${number} is not over: ${standsText(page, book) || 'it waits for an answer'}.`;
      const outcome = await outcomeOf(ledger, entry, page.action);
      await outputs.show(page, room as RoomId, outcome, entry, (below) => {
        const { line, how } = ended(page, outcome, entry, below);
        return told(page.action, page, `#${number} ${line}`, how);
      });
      return '';
    },
  };
}
