/** Files that people send: into `uploads`, one after the other, and then told to the agent with the words that came with them. */
import { idOf } from '@pocketcoder/ledger/rules/id.cjs';
import { isOver } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import { type Action, mostSent, sha256 } from '@pocketcoder/ledger/src/action.ts';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import type { Logger } from 'pino';
import type { Decide } from '../approval/decide.ts';
import type { Received } from '../approval/verdict.ts';
import type { Book } from '../approval/view.ts';
import type { Database } from '../database.ts';
import { tooLarge } from '../matrix/media.ts';
import type { CommandContext } from './commands/command.ts';

export type SentFilesOptions = {
  /** Keeps over restarts what the agent is to be told once the file is there. */
  db: Database;
  book: Pick<Book, 'page'>;
  decide: Pick<Decide, 'receive'>;
  /** Tells a task's agent of a file that is there. Returns what a person should be told, or ''. */
  tell(task: string, text: string, action: string): Promise<string>;
  /** Words came with a file: they answer what the task's agent asked. */
  answered(task: string): void;
  say(workspace: string, text: string): Promise<unknown>;
  log: Logger;
};
export type SentFiles = ReturnType<typeof createSentFiles>;

type Row = { action: string; what: string; words: string };

/** What else a person is told of something that the agent gets as a file and nothing more. */
const unseen: Partial<Record<Received['sent']['what'], string>> = {
  video: 'The agent gets the video as a file: it cannot watch it.',
  sound: 'The agent gets the recording as a file: it cannot hear it.',
};

/** The words first, as they were said, then what came with them. @param output what the action that put it there wrote */
function told({ what, words }: Row, { args }: Action<'put_file'>, output: unknown): string {
  const path = /^wrote \d+ bytes to \/workspace\/(.+)\n$/.exec(String(output))?.[1] ?? args.path;
  const where = `${path} in the workspace, ${args.size} bytes`;
  return words ? `${words}\n\n(A ${what} came with that: ${where}.)` : `(A ${what} was sent: ${where}.)`;
}

export function createSentFiles(o: SentFilesOptions) {
  const { db } = o;
  db.exec(`
    CREATE TABLE IF NOT EXISTS sent_file(action TEXT PRIMARY KEY, what TEXT, words TEXT) STRICT, WITHOUT ROWID;`);
  const drop = (action: string) => db.prepare('DELETE FROM sent_file WHERE action = ?').run(action);
  /** One at a time: each may be large, and an album is to arrive in its order. */
  let line: Promise<unknown> = Promise.resolve();

  async function take(
    received: Received,
    about: string,
    { desk, task: taskOf, workspace, user }: Pick<CommandContext, 'desk' | 'task' | 'workspace' | 'user'>,
  ): Promise<string> {
    const { what, size, words } = received.sent;
    if (size > mostSent) return tooLarge(mostSent);
    const { command, bytes } = await o.decide.receive(received);
    const task = taskOf().id;
    const action = idOf(received.evidence.event, sha256); // the one that this event decides
    const all = [about, words].filter(Boolean).join('\n\n');
    // Where asking fails it stays until the next start: the ledger may have taken it all the same.
    db.prepare('INSERT OR REPLACE INTO sent_file VALUES(?, ?, ?)').run(action, what, all);
    await desk.ask({ ...command.act, workspace, task, requester: user }, { command, file: bytes });
    return unseen[what] ?? '';
  }

  /** What did not come to be there the room shows, and the agent hears nothing of it. */
  function over(row: Row, entry: Entry): void {
    const action = o.book.page(row.action)?.action;
    if (entry.kind !== 'succeeded' || action?.kind !== 'put_file') return void drop(row.action);
    const { output } = JSON.parse(entry.body) as { output?: unknown };
    if (row.words) o.answered(action.task);
    o.tell(action.task, told(row, action, output), row.action)
      .then((said) => said && row.words && o.say(action.workspace, said))
      .catch((error: unknown) =>
        o.log.error({ action: row.action, err: error }, 'the agent was not told of a file'),
      );
    drop(row.action);
  }

  return {
    /**
     * Asks for what the message itself decides, where it may; else a card asks.
     * @param one also a line on what it replies to, or ''
     * @returns what to say, or ''
     */
    receive(...one: Parameters<typeof take>): Promise<string> {
      const taken = line.then(() => take(...one));
      line = taken.catch(() => {});
      return taken;
    },
    /** Takes the next entry of the chain, so that files are told of in the order in which they came to be there. */
    onEntry(entry: Entry): void {
      if (!isOver(entry.kind)) return;
      const row = db.prepare('SELECT * FROM sent_file WHERE action = ?').get(entry.action) as Row | undefined;
      if (row) over(row, entry);
    },
    /** After a restart: tells of what came to be there meanwhile. */
    resume(): void {
      for (const row of db.prepare('SELECT * FROM sent_file').all() as Row[]) {
        const page = o.book.page(row.action);
        const end = page?.story.find((e) => isOver(e.kind));
        if (end) over(row, end);
        else if (!page) drop(row.action);
      }
    },
  };
}
