/** What a person's words reply to, told to the agent with them. All of it is the homeserver's to choose, so it decides nothing. */

import { saidIn } from '../approval/said.ts';
import type { CardStore } from '../approval/store.ts';
import type { Book, Page } from '../approval/view.ts';
import { visible } from '../show/visible.ts';
import type { EventId, Matrix, RoomId } from '../types.ts';

type Parts = { matrix: Pick<Matrix, 'sentAs' | 'read'>; cards: CardStore; book: Book };
/** What the bot posts on an action, by transaction id. Cards, polls and codes are found by their events. */
const onAction = /^(?:output|output-file|end)-(.+)$/;
/** Characters of a script's first line, and of a quoted message. */
const most = { line: 80, quote: 300 };

const shorten = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, length).toWellFormed()}…` : text;

function described({ action }: Page): string {
  const args: object = action.args;
  const text = 'script' in args ? args.script : 'path' in args ? args.path : '';
  const [first = '', more] = String(text).trim().split('\n');
  return `, ${action.kind}${first && ` “${shorten(first, most.line)}${more === undefined ? '' : ' …'}”`}`;
}

/**
 * @param replyTo the event, '' for none @param quote what an old client quoted of it
 * @returns the action that it is on, or '', and a line or some on what it was, or ''
 */
export async function repliedTo(
  { matrix, cards, book }: Parts,
  room: RoomId,
  { replyTo = '', quote = '' }: { replyTo?: string; quote?: string },
): Promise<{ about: string; line: string }> {
  const about =
    cards.byEvent(replyTo)?.action ?? onAction.exec(matrix.sentAs(replyTo as EventId) ?? '')?.[1] ?? '';
  const number = cards.get(about)?.number ?? book.number(about);
  if (number !== undefined) {
    const page = book.page(about);
    const state = page ? `, ${book.state(about)}` : '';
    return { about, line: `(in reply to #${number}${page ? described(page) : ''}${state})` };
  }
  const text = quote || (replyTo && saidIn(await matrix.read(room, replyTo as EventId)).text);
  const quoted = shorten(visible(text).text.trim(), most.quote).replace(/^/gm, '> ');
  return { about: '', line: text.trim() && `(in reply to this message)\n${quoted}` };
}
