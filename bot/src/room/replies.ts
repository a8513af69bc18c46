/** What a person's words reply to: whose task that is, and what the agent is told of it. The homeserver chooses it, so it decides nothing. */
import { bodyOf } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import type { NarrowLedger } from '../approval/narrow.ts';
import { saidIn } from '../approval/said.ts';
import type { Cards } from '../approval/store.ts';
import type { Book, Page } from '../approval/view.ts';
import { visible } from '../show/visible.ts';
import type { Conversation } from '../tasks/conversation.ts';
import { taskSaid } from '../tasks/tasks.ts';
import type { EventId, Matrix, RoomId } from '../types.ts';

type Parts = {
  matrix: Pick<Matrix, 'sentAs' | 'read'>;
  cards: Cards;
  book: Book;
  ledger: Pick<NarrowLedger, 'story'>;
  conversation: Pick<Conversation, 'heardIn'>;
};
/** What the bot posts on an action, by transaction id. Cards, polls and codes are found by their events. */
const onAction = /^(?:output-file|output|poll-end|end|reads)-(.+)$/;
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

/** The task of an action, also of one that was over long ago. @throws where the ledger does not answer */
async function taskOf({ book, ledger }: Parts, action: string): Promise<string | undefined> {
  const page = book.page(action);
  if (page) return page.action.task;
  const requested = (await ledger.story(action)).find((e) => e.kind === 'requested');
  return requested && bodyOf(requested, 'requested').task;
}

/** `task`: its id, where it is known. `about`: the action that it is on, or ''. `line`: on what it was, or ''. */
export type RepliedTo = { task?: string | undefined; about: string; line: string };

/**
 * @param replyTo the event, '' for none @param thread the one that their thread began with, '' for none
 * @param quote what an old client quoted of it
 */
export async function repliedTo(
  parts: Parts,
  room: RoomId,
  { replyTo = '', thread = '', quote = '' }: { replyTo?: string; thread?: string; quote?: string },
): Promise<RepliedTo> {
  const { matrix, cards, book } = parts;
  const on = (event: string) => {
    const sent = matrix.sentAs(event as EventId) ?? '';
    return {
      about: cards.byEvent(event)?.action ?? onAction.exec(sent)?.[1] ?? '',
      task: taskSaid(sent) ?? parts.conversation.heardIn(event),
    };
  };
  const { about, task: said } = on(replyTo || thread);
  const task = said ?? (about ? await taskOf(parts, about) : undefined);
  const number = cards.get(about)?.number ?? book.number(about);
  if (number !== undefined && replyTo) {
    const page = book.page(about);
    const state = page ? `, ${book.state(about)}` : '';
    return { task, about, line: `(in reply to #${number}${page ? described(page) : ''}${state})` };
  }
  const text = quote || (replyTo && saidIn({ body: await matrix.read(room, replyTo as EventId) }).text);
  const quoted = shorten(visible(text).text.trim(), most.quote).replace(/^/gm, '> ');
  return { task, about: '', line: text.trim() && `(in reply to this message)\n${quoted}` };
}
