/** What became of an action, shown in the room: live while it runs, then its output and the outcome below its card. */
import { isUtf8 } from 'node:buffer';
import type { Entry, Ledger } from '@pocketcoder/ledger/src/client.ts';
import { isUnreachable } from '@pocketcoder/ledger/src/errors.ts';
import { isOver } from '@pocketcoder/ledger/src/lifecycle.cjs';
import { sleep } from '@pocketcoder/ledger/src/session.ts';
import type { Logger } from 'pino';
import stripAnsi from 'strip-ansi';
import type { Book, Page } from '../approval/book.ts';
import { type Content, message, pollEnd, told } from '../approval/card.ts';
import type { Block } from '../approval/render.ts';
import type { Card, CardStore } from '../approval/store.ts';
import { visible } from '../approval/visible.ts';
import type { Outcome } from '../gateway/outcome.ts';
import type { EventId, Matrix, RoomId } from '../matrix/types.ts';
import { safeName } from './files.ts';
import { cardContent, createProgress } from './progress.ts';
import { pace, type Status, statusMessage } from './status.ts';
import { proofOf, verdictLine } from './verdict.ts';

export type OutcomesOptions = {
  ledger: Ledger;
  matrix: Matrix;
  cards: CardStore;
  book: Book;
  log: Logger;
  /** Called once an action is over, after the room was told. */
  onOver(page: Page, outcome: Outcome): Promise<void>;
};

/** What a phone shows without scrolling for ever; the rest goes along as a file. */
const shownLines = 25;
const shownCharacters = 2000;
const keptLive = 8192;

/** What is looked at of an output to show its end; and, head and tail together, what a model may be told of it. */
const lastBytes = 16_384;
const toldBytes = 65_536;

/** The end of an output as text that hides nothing. Outputs can be very large: no more than their end is touched. */
const clean = (bytes: Uint8Array): string =>
  visible(stripAnsi(Buffer.from(bytes.subarray(-lastBytes)).toString('utf8')).replace(/\r\n/g, '\n')).text;

function forModel(bytes: Uint8Array): { output: string; truncated: boolean } {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (whole.length <= toldBytes) return { output: whole.toString('utf8'), truncated: false };
  const head = whole.subarray(0, toldBytes / 4).toString('utf8');
  return {
    output: `${head}\n[…]\n${whole.subarray((-toldBytes * 3) / 4).toString('utf8')}`,
    truncated: true,
  };
}

/** The beginning of an output, for what is read from its top. */
function head(bytes: Uint8Array): { text: string; cut: boolean } {
  const text = clean(bytes.subarray(0, lastBytes)).trimEnd();
  const some = text.split('\n').slice(0, shownLines).join('\n').slice(0, shownCharacters).toWellFormed();
  return { text: some, cut: some.length < text.length || bytes.length > lastBytes };
}

/** What a result that is a file is called, made safe; '' where it is text to read. */
function fileName({ action }: Page): string {
  if (action.kind === 'export') return safeName(`${action.workspace}.${action.args.as}`);
  return action.kind === 'get_file' ? safeName(action.args.path.split('/').at(-1) ?? '') : '';
}

function tail(text: string): { text: string; cut: boolean } {
  const lines = text.replace(/\n+$/, '').split('\n');
  const some = lines.slice(-shownLines).join('\n').slice(-shownCharacters).toWellFormed();
  return { text: some, cut: some.length < text.replace(/\n+$/, '').length };
}

type Whole = Outcome & { bytes: Uint8Array };

/** It had no card. */
const ranByLease = (page: Page): boolean => page.story.some((e) => e.kind === 'leased');

type Ending = Partial<Record<'exit' | 'signal' | 'output' | 'reason' | 'bytes' | 'by', unknown>>;

export function createOutcomes(o: OutcomesOptions) {
  const { ledger, matrix, cards, book, log } = o;
  const progress = createProgress(o);
  const live = new Map<string, { status: Status; bytes: Buffer; timer?: NodeJS.Timeout }>();
  /** Shown before this process was started, so their output may be half shown already. */
  const begun = new Set(cards.unended().map((card) => card.action));
  const outputMessage = (card: Card): Status =>
    statusMessage(matrix, card.room, log, {
      txn: `output-${card.action}`,
      begun: begun.has(card.action),
    });

  async function outcomeOf(entry: Entry): Promise<Whole> {
    const body = JSON.parse(entry.body) as Ending;
    const bytes = entry.transcript
      ? await ledger.transcript(entry)
      : Buffer.from(typeof body.output === 'string' ? body.output : '');
    return {
      state: entry.kind as Outcome['state'],
      ...(typeof body.exit === 'number' && { exit: body.exit }),
      ...(typeof body.signal === 'string' && { signal: body.signal }),
      ...(typeof body.reason === 'string' && { reason: body.reason }),
      ...forModel(bytes),
      bytes,
    };
  }

  /** What the room keeps of the ledger, so that a ledger that was taken back shows. */
  const checkpoint = ({ seq, hash }: Entry): Content => ({ 'org.pocketcoder.checkpoint': { seq, hash } });

  /** The output as its own message, before the card's edit: it is what the person waits for. */
  async function showOutput(page: Page, card: Card, outcome: Whole): Promise<void> {
    const shown = live.get(page.action.id);
    clearTimeout(shown?.timer);
    live.delete(page.action.id);
    if (!page.story.some((e) => e.kind === 'claimed')) return;
    const status = shown?.status ?? outputMessage(card);
    const text = tail(clean(outcome.bytes));
    const cut = text.cut || outcome.bytes.length > lastBytes;
    const blocks: Block[] = [{ line: `#${page.number} output${cut ? ', its end' : ''}` }];
    blocks.push(text.text ? { quote: text.text } : { line: '(no output)' });
    const content = message(blocks);
    if (!status.shown() && card.event)
      content['m.relates_to'] = { 'm.in_reply_to': { event_id: card.event } };
    await status.finish(content);
    await attach(page, card, outcome, cut);
  }

  /** The whole output as a file, where the message has not all of it, or it is one. */
  async function attach(page: Page, card: Card, { state, bytes }: Whole, cut: boolean): Promise<void> {
    const name = state === 'succeeded' ? fileName(page) : '';
    const isText = isUtf8(bytes);
    if (!cut && isText && !name) return;
    const [extension, mime] = isText ? ['txt', 'text/plain'] : ['bin', 'application/octet-stream'];
    const file = await matrix.uploadEncrypted(bytes, name || `output-${page.number}.${extension}`, mime);
    await matrix.post(card.room, 'm.room.message', file, { txn: `output-file-${card.action}` });
  }

  /** What a command brought, in one message below it: a file, or its text from the top. */
  async function answer(page: Page, card: Card, outcome: Whole, entry: Entry): Promise<void> {
    const name = outcome.state === 'succeeded' ? fileName(page) : '';
    const { text, cut } = name ? { text: '', cut: true } : head(outcome.bytes);
    const content = message([
      { line: `#${page.number} ${verdictLine(page, outcome, book)}` },
      ...(text ? [{ quote: text }] : []),
      { line: proofOf(page, entry, book).join(' · ') },
    ]);
    await progress.finish(card, { ...content, ...checkpoint(entry) });
    await attach(page, card, outcome, cut);
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
    const outcome = await outcomeOf(entry);
    const card = cards.get(page.action.id);
    if (card?.form === 'command') return answer(page, card, outcome, entry);
    if (card) {
      if (card.open) cards.set(card.action, { open: false });
      await showOutput(page, card, outcome).catch((error: unknown) =>
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
      if (page && isOver(entry.kind)) void ending(page, entry);
      progress.look();
    },
    /** After a restart: shows how what is open stands, and the endings that the room has not seen. */
    async catchUp(): Promise<void> {
      progress.look();
      const shown = cards.unended().flatMap((card) => book.page(card.action) ?? []);
      for (const page of [...shown, ...book.over().filter(ranByLease)]) {
        const entry = page.story.find((e) => isOver(e.kind));
        if (entry) await ending(page, entry);
      }
    },
    /** Live output of a running action. Shown once it has run for longer than a pace. */
    onLive(action: string, chunk: Uint8Array): void {
      const page = book.page(action);
      const card = cards.get(action);
      if (!page || !card || card.form === 'command' || isOver(book.state(action))) return;
      const now = live.get(action) ?? {
        status: outputMessage(card),
        bytes: Buffer.alloc(0),
      };
      live.set(action, now);
      now.bytes = Buffer.concat([now.bytes, chunk]).subarray(-keptLive);
      const show = () =>
        now.status.show(
          message([{ line: `#${page.number} is running` }, { quote: tail(clean(now.bytes)).text }]),
        );
      if (now.status.shown()) show();
      else now.timer ??= setTimeout(show, pace);
    },
    /** The outcome of an action that is over, from the ledger. */
    async read(action: string): Promise<Outcome | undefined> {
      const entry = book.page(action)?.story.find((e) => isOver(e.kind));
      return entry && outcomeOf(entry);
    },
  };
}
