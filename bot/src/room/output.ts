/** An action's output: read from the ledger, shown live and at the end, attached where the message has not all of it. */
import { isUtf8 } from 'node:buffer';
import type { Changes } from '@pocketcoder/ledger/src/bodies.ts';
import type { Entry, Source } from '@pocketcoder/ledger/src/client.ts';
import { MatrixError } from 'matrix-bot-sdk';
import type { Logger } from 'pino';
import type { NarrowLedger } from '../approval/narrow.ts';
import { safeName } from '../approval/sent.ts';
import type { Card, CardStore } from '../approval/store.ts';
import type { Page } from '../approval/view.ts';
import type { Outcome } from '../gateway/outcome.ts';
import { type Block, type Content, message } from '../show/blocks.ts';
import { visible } from '../show/visible.ts';
import type { Matrix } from '../types.ts';
import { pace, type Status, statusMessage } from './status.ts';
import { forModel, onScreen } from './terminal.ts';

/** An outcome with both ends of its output, which are all of it where it is no longer than `toldBytes`. */
export type Whole = Outcome & { size: number; first: Buffer; last: Buffer; read: Source };

/** What a phone shows without scrolling for ever; the rest goes along as a file. */
const shownLines = 25;
const shownCharacters = 2000;
const keptLive = 8192;

/** What is looked at of an output to show one end of it; and, head and tail together, what a model may be told of it. */
const shownBytes = 16_384;
const toldBytes = 65_536;

/** The largest output that goes along as a file, and the largest file that was asked for, in MiB; the homeserver takes as much. */
const mostOutput = 8;
const mostFile = 32;

/** Output as text that hides nothing of what a terminal would show. */
const clean = (bytes: Uint8Array): string => visible(onScreen(Buffer.from(bytes).toString('utf8'))).text;

function tail(text: string): { text: string; cut: boolean } {
  const lines = text.replace(/\n+$/, '').split('\n');
  const some = lines.slice(-shownLines).join('\n').slice(-shownCharacters).toWellFormed();
  return { text: some, cut: some.length < text.replace(/\n+$/, '').length };
}

/** What a result that is a file is called, made safe; '' where it is text to read. */
function fileName({ action }: Page): string {
  if (action.kind === 'export') return safeName(`${action.workspace}.${action.args.as}`);
  return action.kind === 'get_file' ? safeName(action.args.path.split('/').at(-1) ?? '') : '';
}

/** What stands below a command: the beginning of its output, for what is read from its top, the end of a screen, nothing of a file. */
export function head(page: Page, { state, first, size }: Whole): { text: string; cut: boolean } {
  if (state === 'succeeded' && fileName(page)) return { text: '', cut: true };
  const text = clean(first.subarray(0, shownBytes)).trimEnd();
  if (page.action.kind === 'screen') return tail(text);
  const some = text.split('\n').slice(0, shownLines).join('\n').slice(0, shownCharacters).toWellFormed();
  return { text: some, cut: some.length < text.length || size > shownBytes };
}

type Ending = Partial<
  Record<'exit' | 'signal' | 'output' | 'reason' | 'bytes' | 'by', unknown> & { changes: Changes }
>;

/** The outcome that a final entry records. Of a long output no more than its ends is read. */
export async function outcomeOf(ledger: Pick<NarrowLedger, 'transcript'>, entry: Entry): Promise<Whole> {
  const body = JSON.parse(entry.body) as Ending;
  const text = Buffer.from(typeof body.output === 'string' ? body.output : '');
  const size = entry.transcript ? Number(body.bytes) : text.length;
  const part = async (from: number, to: number): Promise<Buffer> =>
    Buffer.concat(await Array.fromAsync(ledger.transcript(entry, from, to)));
  const truncated = size > toldBytes;
  const whole = entry.transcript && !truncated ? await part(0, size) : text;
  const first = truncated ? await part(0, toldBytes / 4) : whole;
  const last = truncated ? await part(size - (toldBytes * 3) / 4, size) : whole;
  const [top, end] = [first, last].map((bytes) => forModel(bytes.toString('utf8')));
  return {
    state: entry.kind as Outcome['state'],
    ...(typeof body.exit === 'number' && { exit: body.exit }),
    ...(typeof body.signal === 'string' && { signal: body.signal }),
    ...(typeof body.reason === 'string' && { reason: body.reason }),
    ...(body.changes && { changes: body.changes }),
    output: truncated ? `${top}\n[…]\n${end}` : (end ?? ''),
    truncated,
    ...{ size, first, last },
    read: entry.transcript ? () => ledger.transcript(entry) : () => [text],
  };
}

/** Whether both ends are text, however a character was cut. */
function isText({ first, last }: Whole): boolean {
  const reads = (bytes: Uint8Array) => {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true }) !== undefined;
    } catch {
      return false;
    }
  };
  const start = last === first ? 0 : last.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return reads(first) && reads(last.subarray(start)) && (last !== first || isUtf8(last));
}

/** In place of a file that can't be sent. */
const tooLarge = (page: Page, { size }: Whole, entry: Entry): Content =>
  message(
    `The whole output of #${page.number} is ${(size / 2 ** 20).toFixed(1)} MiB, too large to send: it is in the ledger, entry ${entry.seq}.`,
  );

export function createOutputs(o: { matrix: Matrix; cards: CardStore; log: Logger }) {
  const { matrix, cards, log } = o;
  const live = new Map<string, { status: Status; bytes: Buffer; timer?: NodeJS.Timeout }>();
  /** Shown before this process was started, so their output may be half shown already. */
  const begun = new Set(cards.unended().map((card) => card.action));
  const outputMessage = (card: Card): Status =>
    statusMessage(matrix, card.room, log, {
      txn: `output-${card.action}`,
      begun: begun.has(card.action),
    });

  let sending: Promise<unknown> = Promise.resolve();

  /** The whole output as a file, where the message has not all of it, or it is one. One goes up at a time. */
  function attach(page: Page, card: Card, outcome: Whole, cut: boolean, entry: Entry): Promise<void> {
    const name = outcome.state === 'succeeded' ? fileName(page) : '';
    const text = isText(outcome);
    if (!cut && text && !name) return Promise.resolve();
    const [extension, mime] = text ? ['txt', 'text/plain'] : ['bin', 'application/octet-stream'];
    const send = async () => {
      const most = (name ? mostFile : mostOutput) << 20;
      const file = name || `output-${page.number}.${extension}`;
      const content =
        outcome.size > most
          ? undefined
          : await matrix.uploadEncrypted(outcome.read(), file, mime).catch((error: unknown) => {
              if (!(error instanceof MatrixError) || error.errcode !== 'M_TOO_LARGE') throw error;
            });
      await matrix.post(card.room, 'm.room.message', content ?? tooLarge(page, outcome, entry), {
        txn: `output-file-${card.action}`,
      });
    };
    const sent = sending.then(send);
    sending = sent.catch(() => {});
    return sent;
  }

  return {
    attach,
    /** The output as its own message, before the card's edit: it is what the person waits for. */
    async show(page: Page, card: Card, outcome: Whole, entry: Entry): Promise<void> {
      const shown = live.get(page.action.id);
      clearTimeout(shown?.timer);
      live.delete(page.action.id);
      if (!page.story.some((e) => e.kind === 'claimed')) return;
      const status = shown?.status ?? outputMessage(card);
      const text = tail(clean(outcome.last.subarray(-shownBytes)));
      const cut = text.cut || outcome.size > shownBytes;
      const blocks: Block[] = [{ line: `#${page.number} output${cut ? ', its end' : ''}` }];
      blocks.push(text.text ? { quote: text.text } : { line: '(no output)' });
      const content = message(blocks);
      if (!status.shown() && card.event)
        content['m.relates_to'] = { 'm.in_reply_to': { event_id: card.event } };
      await status.finish(content);
      await attach(page, card, outcome, cut, entry);
    },
    /** Live output of a running action. Shown once it has run for longer than a pace. */
    live(page: Page, card: Card, chunk: Uint8Array): void {
      const now = live.get(card.action) ?? { status: outputMessage(card), bytes: Buffer.alloc(0) };
      live.set(card.action, now);
      now.bytes = Buffer.concat([now.bytes, chunk]).subarray(-keptLive);
      const show = () =>
        now.status.show(
          message([{ line: `#${page.number} is running` }, { quote: tail(clean(now.bytes)).text }]),
        );
      if (now.status.shown()) show();
      else now.timer ??= setTimeout(show, pace);
    },
  };
}
