/** One pinned message a room, edited as things change and never loud: what waits, what is down, its tasks, and the current one's list. */
import type { Logger } from 'pino';
import type { Cards } from '../approval/store.ts';
import type { Book } from '../approval/view.ts';
import type { Database } from '../database.ts';
import { type Block, type Content, message, toHtml } from '../show/blocks.ts';
import { fitsEvent } from '../show/card.ts';
import { wishOf } from '../show/kinds.ts';
import type { Questions } from '../tasks/questions.ts';
import { asksLine, lineOf, type Seen } from '../tasks/roster.ts';
import type { EventId, Matrix, RoomId } from '../types.ts';
import type { Lists } from './lists.ts';
import { standsText } from './progress.ts';
import { proseHtml, readable } from './prose.ts';

export type BoardOptions = {
  db: Database;
  matrix: Pick<Matrix, 'user' | 'post' | 'edit' | 'pin' | 'redact'>;
  cards: Pick<Cards, 'get'>;
  book: Book;
  lists: Pick<Lists, 'of'>;
  questions: Pick<Questions, 'of'>;
  /** The tasks of a workspace that are at hand. */
  overview(workspace: string): readonly Seen[];
  /** What all tasks of the day cost, in words; '' for nothing. */
  today(): string;
  /** What is down, a line a part. */
  down(room: RoomId): string[];
  log: Logger;
};
export type Board = ReturnType<typeof createBoard>;

/** So often one message is edited: whoever opens a room has all of its edits to fetch. */
const mostEdits = 200;
/** Characters of a step of a list, steps, and actions that are named. */
const most = { step: 120, steps: 30, actions: 8 };
/** Steps that are left out at a time where the message would be too large to be edited. */
const fewer = 6;
const marks = { completed: '☑', in_progress: '▶', pending: '☐' };
const signs = { working: '▶️', 'waits for you': '⏳', idle: '✅', stopped: '🛑' };

type Row = { room: string; event: string; number: number; edits: number; readers: string; pinned: number };

export function createBoard(o: BoardOptions) {
  const { db, matrix, book } = o;
  db.exec(`
    CREATE TABLE IF NOT EXISTS board(room TEXT PRIMARY KEY, event TEXT, number INTEGER, edits INTEGER, readers TEXT, pinned INTEGER) STRICT;`);
  const find = db.prepare('SELECT * FROM board WHERE room = ?');
  const keep = db.prepare(
    'INSERT OR REPLACE INTO board VALUES(:room, :event, :number, :edits, :readers, :pinned)',
  );
  const forget = db.prepare("UPDATE board SET event = '' WHERE event = ? AND event <> '' RETURNING room");
  /** What each room's message says now. */
  const says = new Map<string, string>();

  /** What it is called and how it stands; of the one that words go to also its whole list, which is the agent's own. */
  function taskBlocks(task: Seen, several: boolean, steps: number): Block[] {
    const { id, state, current } = task;
    const list = o.lists.of(id).flatMap(({ state: of, text }) => {
      const line = readable(text).replace(/\s+/g, ' ');
      const short = line.length > most.step ? `${line.slice(0, most.step).toWellFormed()}…` : line;
      return of === 'cancelled' ? [] : [`${marks[of]} ${short}`];
    });
    return [
      { line: `${signs[state]} ${lineOf(task, several)}` },
      ...(current && list.length > 0 && steps > 0 ? [{ said: list.slice(0, steps).join('\n') }] : []),
    ];
  }
  /** A link to a card or a question, which the phone goes to. */
  function linkOf(event: string | undefined, room: RoomId): string | undefined {
    const server = matrix.user.slice(matrix.user.indexOf(':') + 1);
    const ids = [room, event ?? ''].map(encodeURIComponent).join('/');
    return event ? `https://matrix.to/#/${ids}?via=${encodeURIComponent(server)}` : undefined;
  }

  /** Nothing as long as no task has begun. @param steps of a list, at most */
  function content(workspace: string, room: RoomId, steps = most.steps): Content | undefined {
    const tasks = o.overview(workspace);
    if (tasks.length === 0) return undefined;
    const open = book
      .unfinished()
      .filter(
        ({ action, story }) => action.workspace === workspace && !story.some((e) => e.kind === 'leased'),
      );
    const actions = open.slice(0, most.actions).map((page): Block => {
      const link = linkOf(o.cards.get(page.action.id)?.event, room);
      const stands = standsText(page, book) || '⏳ waits for your answer';
      return { line: `#${page.number} ${wishOf(page.action.kind)} · ${stands}`, ...(link && { link }) };
    });
    const questions = tasks.flatMap(({ id, title }): Block[] => {
      const question = o.questions.of(id);
      const link = linkOf(question?.event, room);
      return question ? [{ line: asksLine(title), ...(link && { link }) }] : [];
    });
    const left = open.length - actions.length;
    const today = o.today();
    const blocks: Block[] = [
      // What waits comes first: it is all that a pinned message shows before it is opened.
      ...actions,
      ...questions,
      ...(left > 0 ? [{ line: `and ${left} more: !pending` }] : []),
      ...o.down(room).map((line) => ({ line })),
      ...tasks.flatMap((task) => taskBlocks(task, tasks.length > 1, steps)),
      ...(today ? [{ line: `today: ${today}` }] : []),
    ];
    // What the agent wrote is drawn as its words are, by their rules.
    const html = blocks.map((b) =>
      'said' in b ? `<blockquote>${proseHtml(b.said)}</blockquote>` : toHtml([b]),
    );
    const all = { ...message(blocks), formatted_body: html.join('') };
    const fits = steps <= 0 || fitsEvent({ ...all, 'm.new_content': all });
    return fits ? all : content(workspace, room, steps - fewer);
  }

  async function show(room: RoomId, now: Content): Promise<void> {
    const readers = book
      .enrolled()
      .map(({ user, device }) => `${user} ${device}`)
      .sort()
      .join(', ');
    const row = find.get(room) as Row | undefined;
    if (row?.event && row.edits < mostEdits && row.readers === readers) {
      await matrix.edit(room, row.event as EventId, now);
      keep.run({ ...row, edits: row.edits + 1 });
    } else {
      // Under the same id it is the same message after a crash.
      const number = (row?.number ?? 0) + 1;
      const event = await matrix.post(room, 'm.room.message', now, { txn: `board-${number}` });
      keep.run({ room, event, number, edits: 0, readers, pinned: 0 });
      if (row?.event) await matrix.redact(room, row.event as EventId, 'another one takes its place');
    }
    const { event, pinned } = find.get(room) as Row;
    if (pinned) return;
    await matrix.pin(room, event as EventId);
    db.prepare('UPDATE board SET pinned = 1 WHERE room = ?').run(room);
  }

  return {
    /** Says what has changed since the last look. To be called one after the other, no more often than a message may be edited. */
    async look(): Promise<void> {
      if (book.enrolled().length === 0) return; // nobody could read it
      for (const [workspace, room] of book.rooms()) {
        const now = content(workspace, room as RoomId);
        const text = JSON.stringify(now);
        if (!now || says.get(room) === text) continue;
        says.set(room, text);
        await show(room as RoomId, now).catch((error: unknown) => {
          says.delete(room);
          o.log.warn({ room, err: error }, 'a pinned message was not brought up to date');
        });
      }
    },
    /** It was removed from its room: the next look makes another. */
    removed(event: string): void {
      for (const { room } of forget.all(event)) says.delete(String(room));
    },
  };
}
