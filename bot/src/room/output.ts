/** An action's output: read from the ledger, its end below the card's line, all of it on demand, as a file where a message has not all. */
import { isUtf8 } from 'node:buffer';
import type { Action } from '@pocketcoder/ledger/src/action.ts';
import type { Changes } from '@pocketcoder/ledger/src/bodies.ts';
import type { Entry, Source } from '@pocketcoder/ledger/src/client.ts';
import { attempt } from '@pocketcoder/ledger/src/retry.ts';
import { MatrixError } from 'matrix-bot-sdk';
import type { NarrowLedger } from '../approval/narrow.ts';
import { safeName } from '../approval/sent.ts';
import type { Page } from '../approval/view.ts';
import { mimeOf } from '../brain/pictures.ts';
import type { Outcome } from '../gateway/outcome.ts';
import { type Block, type Content, message } from '../show/blocks.ts';
import { visible } from '../show/visible.ts';
import type { Matrix, RoomId } from '../types.ts';
import { answeredBy } from './answered.ts';
import { diffPage } from './diff-page.ts';
import { forModel, onScreen } from './terminal.ts';
import { testsOf } from './verdict.ts';

/** An outcome with both ends of its output, which are all of it where it is no longer than `toldBytes`. */
export type Whole = Outcome & { size: number; first: Buffer; last: Buffer; read: Source };

/** How much of an output is shown: what a phone shows without scrolling for ever, what tells why it failed, and what tells that it goes on. */
const most = { lines: 25, characters: 2000 };
const some = { lines: 8, characters: 400 };
const few = { lines: 4, characters: 300 };
const keptLive = 8192;

/** What is looked at of an output to show one end of it; and, head and tail together, what a model may be told of it. */
const shownBytes = 16_384;
const toldBytes = 65_536;

/** The largest output that goes along as a file, and the largest file that was asked for, in MiB; the homeserver takes as much. */
const mostOutput = 8;
const mostFile = 32;
/** The largest difference that is rendered as a page, in bytes: a phone has to lay it out. */
const mostPage = 1 << 20;

/** Output as text that hides nothing of what a terminal would show. */
const clean = (bytes: Uint8Array): string => visible(onScreen(Buffer.from(bytes).toString('utf8'))).text;

function tail(text: string, { lines, characters } = most): { text: string; cut: boolean } {
  const all = text.replace(/\n+$/, '');
  const end = all.split('\n').slice(-lines).join('\n').slice(-characters).toWellFormed();
  return { text: end, cut: end.length < all.length };
}
/** What somebody asked for themselves they want to read; of the agent's steps what tells how it went. */
const boundsOf = ({ action }: Page, state?: Outcome['state']) =>
  action.requester !== 'brain' ? most : state === undefined || state === 'succeeded' ? few : some;

/** The end of an output. */
const endOf = ({ last, size }: Whole, bounds: typeof most): { text: string; cut: boolean } => {
  const { text, cut } = tail(clean(last.subarray(-shownBytes)), bounds);
  return { text, cut: cut || size > shownBytes };
};

/** What a result that is a file is called, made safe; '' where it is text to read. */
function fileName({ action }: Page): string {
  if (action.kind === 'export') return safeName(`${action.workspace}.${action.args.as}`);
  return action.kind === 'get_file' ? safeName(action.args.path.split('/').at(-1) ?? '') : '';
}

/** Whether it came to a file, which goes into the room as one and is no text for anybody. */
export const isFile = (page: Page, { state }: Outcome): boolean =>
  state === 'succeeded' && fileName(page) !== '';

/** What stands below a command: the beginning of its output, for what is read from its top, the end of a screen, nothing of a file. */
export function head(page: Page, outcome: Whole): { text: string; cut: boolean } {
  const { first, size } = outcome;
  if (isFile(page, outcome)) return { text: '', cut: true };
  const text = clean(first.subarray(0, shownBytes)).trimEnd();
  if (page.action.kind === 'screen') return tail(text);
  const top = text.split('\n').slice(0, most.lines).join('\n').slice(0, most.characters).toWellFormed();
  return { text: top, cut: top.length < text.length || size > shownBytes };
}

type Ending = Partial<
  Record<'exit' | 'signal' | 'output' | 'reason' | 'bytes' | 'by', unknown> & { changes: Changes }
>;

type Texts = Pick<NarrowLedger, 'transcript'>;

/** The outcome that a final entry records. Of a long output no more than its ends is read. */
export async function outcomeOf(ledger: Texts, entry: Entry, { args }: Pick<Action, 'args'>): Promise<Whole> {
  const body = JSON.parse(entry.body) as Ending;
  const stored = Buffer.from(typeof body.output === 'string' ? body.output : '');
  const source: Source = entry.transcript ? () => ledger.transcript(entry) : () => [stored];
  // What a tool server answered is no longer than one of its messages.
  const json = 'server' in args ? Buffer.concat(await Array.fromAsync(source())) : undefined;
  const answer = json && answeredBy(json.toString('utf8'));
  const text = answer ? Buffer.from(answer.text) : stored;
  const file = entry.transcript && !answer;
  const size = file ? Number(body.bytes) : text.length;
  const part = async (from: number, to: number): Promise<Buffer> =>
    file ? Buffer.concat(await Array.fromAsync(ledger.transcript(entry, from, to))) : text.subarray(from, to);
  const truncated = size > toldBytes;
  const whole = truncated ? text : await part(0, size);
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
    read: file ? source : () => [text],
    ...(answer && { held: answer.held }),
  };
}

/** Whether both ends are text, however a character was cut. */
function isText({ first, last }: Whole): boolean {
  const reads = (bytes: Uint8Array) =>
    attempt(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })) !== undefined;
  const start = last === first ? 0 : last.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return reads(first) && reads(last.subarray(start)) && (last !== first || isUtf8(last));
}

/** In place of a file that can't be sent. */
const tooLarge = (page: Page, size: number, entry: Entry): Content =>
  message(
    `The whole output of #${page.number} is ${(size / 2 ** 20).toFixed(1)} MiB, too large to send: it is in the ledger, entry ${entry.seq}; ./pocketcoder output ${page.number} FILE writes it out.`,
  );

/**
 * What stands of an output below its card's line, and whether there is more. Nothing of what says nothing: that a file was
 * written, or tests that passed, which the line has counted.
 */
export function outputBelow(page: Page, outcome: Whole): { below: Block[]; cut: boolean } {
  const { action, number, story } = page;
  const brains = action.requester === 'brain';
  const dull =
    outcome.state === 'succeeded' && (action.class === 'write' || testsOf(page, outcome)?.failed === 0);
  const looked = ['server_look', 'server_reach'].includes(action.kind) && outcome.state === 'succeeded'; // its pin's card has it
  if (!story.some((e) => e.kind === 'claimed') || (brains && dull) || looked || isFile(page, outcome))
    return { below: [], cut: false };
  const { text, cut } = endOf(outcome, boundsOf(page, outcome.state));
  const label = brains
    ? `its end, of which !show ${number} shows more`
    : 'its end; all of it comes as a file';
  return { below: [...(cut ? [{ line: label }] : []), ...(text ? [{ quote: text }] : [])], cut };
}

/** A difference as a page. */
async function rendered({ action, number }: Page, { read }: Whole): Promise<Buffer[]> {
  const diff = Buffer.concat(await Array.fromAsync(read())).toString('utf8');
  return [Buffer.from(diffPage(`#${number} · what changed in ${action.workspace}`, diff))];
}

/** A file for the room: at most so many MiB, and what its message says beside what every file's does. */
type Sent = {
  file: string;
  mime: string;
  size: number;
  most: number;
  read: () => ReturnType<Source> | Promise<Buffer[]>;
  shown: object | undefined;
};

export function createOutputs(matrix: Matrix) {
  const live = new Map<string, Buffer>();

  let sending: Promise<unknown> = Promise.resolve();

  /** Posts a file, or in its place that it is too large. One goes up at a time. */
  function send(page: Page, room: RoomId, one: Sent, entry: Entry, txn?: string): Promise<void> {
    const sent = sending.then(async () => {
      const content =
        one.size > one.most << 20
          ? undefined
          : await matrix.uploadEncrypted(await one.read(), one.file, one.mime).catch((error: unknown) => {
              if (!(error instanceof MatrixError) || error.errcode !== 'M_TOO_LARGE') throw error;
            });
      const told = content ? { ...content, ...one.shown } : tooLarge(page, one.size, entry);
      await matrix.post(room, 'm.room.message', told, txn ? { txn } : {});
    });
    sending = sent.catch(() => {});
    return sent;
  }

  /** The whole output as a file, where the message has not all of it, or it is one. */
  function attach(
    page: Page,
    room: RoomId,
    outcome: Whole,
    cut: boolean,
    entry: Entry,
    txn?: string,
  ): Promise<void> {
    const name = isFile(page, outcome) ? fileName(page) : '';
    const text = isText(outcome);
    if (!cut && text && !name) return Promise.resolve();
    const [extension, plain] = text ? ['txt', 'text/plain'] : ['bin', 'application/octet-stream'];
    const picture = name ? mimeOf(outcome.first) : undefined;
    const { action, number } = page;
    const reads = action.kind === 'diff' && outcome.state === 'succeeded' && text && outcome.size <= mostPage;
    const file = reads ? `diff-${number}.html` : name || `output-${number}.${extension}`;
    const mime = reads ? 'text/html' : (picture ?? plain);
    // Whose it is stands below a picture, so that what is drawn in it passes for nothing of the bot's.
    const shown = picture && { msgtype: 'm.image', body: `#${number} · ${file}, a file of the workspace` };
    const read = () => (reads ? rendered(page, outcome) : outcome.read());
    const [{ size }, most] = [outcome, name ? mostFile : mostOutput];
    return send(page, room, { file, mime, size, most, read, shown }, entry, txn);
  }

  /** The pictures and files that a tool server answered with, below how its call ended. */
  async function attachHeld(page: Page, room: RoomId, { held = [] }: Whole, entry: Entry, txn?: string) {
    const { action, number } = page;
    const whose = 'server' in action.args ? action.args.server : '';
    for (const [i, { bytes, picture }] of held.entries()) {
      const file = `answer-${number}-${i + 1}.${picture?.slice('image/'.length) ?? 'bin'}`;
      const mime = picture ?? 'application/octet-stream';
      const body = `#${number} · ${file}, of the tool server ${whose}`;
      const shown = { body, ...(picture && { msgtype: 'm.image' }) };
      const one = { file, mime, size: bytes.length, most: mostOutput, read: () => [bytes], shown };
      await send(page, room, one, entry, txn && `${txn}-${i}`);
    }
  }

  return {
    attach,
    attachHeld,
    /** Takes live output of a running action. */
    took({ action }: Page, chunk: Uint8Array): void {
      const before = live.get(action.id) ?? Buffer.alloc(0);
      live.set(action.id, Buffer.concat([before, chunk]).subarray(-keptLive));
    },
    /** The end of what it has written by now. */
    written(page: Page): Block[] {
      const { text } = tail(clean(live.get(page.action.id) ?? Buffer.alloc(0)), boundsOf(page));
      return text ? [{ quote: text }] : [];
    },
    over: (action: string): void => void live.delete(action),
    /** Shows an output on demand, as much as a phone shows; all of it as a file where that is more. @param how says how it ended */
    async show(
      page: Page,
      room: RoomId,
      outcome: Whole,
      entry: Entry,
      how: (below: Block[]) => Content,
    ): Promise<void> {
      const { text, cut } = endOf(outcome, most);
      const label = { line: cut ? 'its end; all of it comes as a file' : text ? 'all of it' : '(no output)' };
      await matrix.post(room, 'm.room.message', how([label, ...(text ? [{ quote: text }] : [])]));
      await attach(page, room, outcome, cut, entry);
      await attachHeld(page, room, outcome, entry);
    },
  };
}
