/** An action's output: read from the ledger, shown live and at the end, attached where the message has not all of it. */
import { isUtf8 } from 'node:buffer';
import type { Entry, Ledger } from '@pocketcoder/ledger/src/client.ts';
import type { Logger } from 'pino';
import stripAnsi from 'strip-ansi';
import type { Page } from '../approval/book.ts';
import { message } from '../approval/card.ts';
import type { Block } from '../approval/render.ts';
import type { Card, CardStore } from '../approval/store.ts';
import { visible } from '../approval/visible.ts';
import type { Outcome } from '../gateway/outcome.ts';
import type { Matrix } from '../matrix/types.ts';
import { safeName } from './files.ts';
import { pace, type Status, statusMessage } from './status.ts';

/** An outcome with all of its output. */
export type Whole = Outcome & { bytes: Uint8Array };

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

/** What stands below a command: the beginning of its output, for what is read from its top; nothing where it is a file. */
export function head(page: Page, { state, bytes }: Whole): { text: string; cut: boolean } {
  if (state === 'succeeded' && fileName(page)) return { text: '', cut: true };
  const text = clean(bytes.subarray(0, lastBytes)).trimEnd();
  const some = text.split('\n').slice(0, shownLines).join('\n').slice(0, shownCharacters).toWellFormed();
  return { text: some, cut: some.length < text.length || bytes.length > lastBytes };
}

type Ending = Partial<Record<'exit' | 'signal' | 'output' | 'reason' | 'bytes' | 'by', unknown>>;

/** The outcome that a final entry records, with its output. */
export async function outcomeOf(ledger: Pick<Ledger, 'transcript'>, entry: Entry): Promise<Whole> {
  const body = JSON.parse(entry.body) as Ending;
  const bytes = entry.transcript
    ? Buffer.concat(await Array.fromAsync(ledger.transcript(entry)))
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

  /** The whole output as a file, where the message has not all of it, or it is one. */
  async function attach(page: Page, card: Card, { state, bytes }: Whole, cut: boolean): Promise<void> {
    const name = state === 'succeeded' ? fileName(page) : '';
    const isText = isUtf8(bytes);
    if (!cut && isText && !name) return;
    const [extension, mime] = isText ? ['txt', 'text/plain'] : ['bin', 'application/octet-stream'];
    const file = await matrix.uploadEncrypted(bytes, name || `output-${page.number}.${extension}`, mime);
    await matrix.post(card.room, 'm.room.message', file, { txn: `output-file-${card.action}` });
  }

  return {
    attach,
    /** The output as its own message, before the card's edit: it is what the person waits for. */
    async show(page: Page, card: Card, outcome: Whole): Promise<void> {
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
