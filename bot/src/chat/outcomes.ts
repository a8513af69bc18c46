/** What became of an action, shown in the room: live while it runs, then its output and the outcome below its card. */
import type { Entry, Ledger } from '@pocketcoder/ledger/src/client.ts';
import { isUnreachable } from '@pocketcoder/ledger/src/errors.ts';
import { isOver } from '@pocketcoder/ledger/src/lifecycle.cjs';
import { sleep } from '@pocketcoder/ledger/src/session.ts';
import type { Logger } from 'pino';
import type { Book, Page } from '../approval/book.ts';
import { type Content, cardBlocks, ended, message, pollEnd, told } from '../approval/card.ts';
import type { Card, CardStore } from '../approval/store.ts';
import type { Outcome } from '../gateway/outcome.ts';
import type { EventId, Matrix, RoomId } from '../matrix/types.ts';
import { createOutputs, head, outcomeOf, type Whole } from './output.ts';

export type OutcomesOptions = {
  ledger: Ledger;
  matrix: Matrix;
  cards: CardStore;
  book: Book;
  log: Logger;
  /** Called once an action is over, after the room was told. */
  onOver(page: Page, outcome: Outcome): Promise<void>;
};

/** One line that says how it ended, for the card. */
function verdictLine(page: Page, outcome: Outcome, approval: string): string {
  const again = 'Nothing was run.';
  switch (outcome.state) {
    case 'succeeded':
      return `✅ ${approval} · exit 0`;
    case 'failed':
      return `⚠️ ${approval} · ${outcome.signal ? `ended by ${outcome.signal}` : `exit ${outcome.exit}`}`;
    case 'killed':
      return `🛑 ${approval} · ended: ${outcome.reason ?? 'stopped'}`;
    case 'denied':
      return `❌ denied (${outcome.reason ?? 'no reason given'}). ${again}${page.action.requester === 'brain' ? ' Say why, and the agent is told.' : ''}`;
    case 'expired':
      return `⌛ expired: ${outcome.reason ?? 'not decided in time'}. ${again}`;
    case 'void':
      return `🚫 void: ${outcome.reason ?? 'withdrawn'}. ${again}`;
    case 'applied':
      return `✅ ${approval} · in force`;
    case 'unknown':
      return `❓ outcome unknown (${outcome.reason ?? 'a part crashed'}). It is not run again by itself: look, then ask again.`;
  }
}

/** It had no card. */
const ranByLease = (page: Page): boolean => page.story.some((e) => e.kind === 'leased');

export function createOutcomes(o: OutcomesOptions) {
  const { ledger, matrix, cards, book, log } = o;
  const outputs = createOutputs(o);

  const checkpoint = (entry: Entry): { line: string; field: Content } => ({
    line: `⛓ ${entry.seq} ${entry.hash.slice(0, 12)}`,
    field: { 'org.pocketcoder.checkpoint': { seq: entry.seq, hash: entry.hash } },
  });

  function approvalOf(page: Page): string {
    const leased = page.story.find((e) => e.kind === 'leased');
    if (leased) {
      const { lease, use } = JSON.parse(leased.body) as { lease: string; use: number };
      return `by #${book.number(lease) ?? lease}, use ${use}`;
    }
    const approved = page.story.find((e) => e.kind === 'approved');
    if (!approved) return 'not approved';
    const { grade, evidence } = JSON.parse(approved.body) as { grade: string; evidence: { form: string } };
    return `approved (${grade}, ${evidence.form})`;
  }

  /** What a command brought, in one message below it: a file, or its text from the top. */
  async function answer(page: Page, card: Card, outcome: Whole, entry: Entry): Promise<void> {
    const mark = checkpoint(entry);
    const { text, cut } = head(page, outcome);
    const line = `#${page.number} ${verdictLine(page, outcome, approvalOf(page))} ${mark.line}`;
    const content = { ...message([{ line }, ...(text ? [{ quote: text }] : [])]), ...mark.field };
    content['m.relates_to'] = { 'm.in_reply_to': { event_id: card.event } };
    await matrix.post(card.room, 'm.room.message', content, { txn: `end-${card.action}` });
    await outputs.attach(page, card, outcome, cut, entry);
    cards.set(card.action, { open: false, ended: true });
  }

  /** Ends the card by an edit below the unchanged action (a poll by a reply), then takes the bot's chips away. */
  async function close(page: Page, card: Card, outcome: Outcome, entry: Entry): Promise<void> {
    const mark = checkpoint(entry);
    const line = verdictLine(page, outcome, approvalOf(page));
    if (card.poll) {
      const { type, content } = pollEnd(card.poll, line);
      await matrix.post(card.room, type, content, { txn: `poll-end-${card.action}` });
    }
    if (card.form === 'chip' && card.event) {
      const original = cardBlocks(page.action, { ...page, decideBy: new Date(card.decideBy) });
      const content = ended(card.event, original, `${line} ${mark.line}`);
      Object.assign(content['m.new_content'] as Content, mark.field);
      await matrix.post(
        card.room,
        'm.room.message',
        { ...content, ...mark.field },
        { txn: `end-${card.action}` },
      );
    } else {
      const content = message([{ line: `#${page.number} ${line} ${mark.line}` }]);
      if (card.event) content['m.relates_to'] = { 'm.in_reply_to': { event_id: card.event } };
      await matrix.post(
        card.room,
        'm.room.message',
        { ...content, ...mark.field },
        { txn: `end-${card.action}` },
      );
    }
    for (const id of card.chips.split(' ').filter(Boolean))
      await matrix.redact(card.room, id as EventId, 'the card has ended');
    cards.set(card.action, { open: false, ended: true, chips: '' });
  }

  /** What ran by a lease had no card: one quiet message says what it was and how it ended. */
  async function tellLeased(page: Page, outcome: Outcome, entry: Entry): Promise<void> {
    const room = book.rooms().get(page.action.workspace);
    if (!room) return;
    const mark = checkpoint(entry);
    const line = `#${page.number} ${verdictLine(page, outcome, approvalOf(page))} ${mark.line}`;
    const content = { ...told(line, page.action), ...mark.field };
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
    if (card) await close(page, card, outcome, entry);
    else if (ranByLease(page)) await tellLeased(page, outcome, entry);
  }

  /** Never throws: what could not be shown is logged, and shown when the ledger is back, or at the next start. */
  async function ending(page: Page, entry: Entry): Promise<void> {
    for (let wait = 1000; ; wait = Math.min(2 * wait, 60_000))
      try {
        return await end(page, entry);
      } catch (error) {
        log.error({ action: entry.action, err: error }, 'an outcome could not be shown');
        if (!isUnreachable(error)) return;
        await sleep(wait);
      }
  }

  return {
    /** Takes an entry of the chain once the book has read it. Never holds up the next one. */
    take(entry: Entry): void {
      const page = book.page(entry.action);
      if (!page || !isOver(entry.kind)) return;
      void ending(page, entry);
    },
    /** After a restart: shows the endings that the room has not seen. */
    async catchUp(): Promise<void> {
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
    /** The outcome of an action that is over, from the ledger. */
    async read(action: string): Promise<Outcome | undefined> {
      const entry = book.page(action)?.story.find((e) => isOver(e.kind));
      return entry && outcomeOf(ledger, entry);
    },
  };
}
