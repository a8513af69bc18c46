/**
 * What is said again and again by the clock. A schedule is words of whoever made it, told to a task of its own each time, or a
 * command that its card asks for, or words that are told where such a command succeeds: it has no more rights than they have who
 * type, and answers nothing.
 */
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import { Cron } from 'croner';
import type { Logger } from 'pino';
import type { Page } from '../approval/view.ts';
import type { Database } from '../database.ts';
import type { Desk } from '../desk/desk.ts';
import { describeOutcome, type Outcome } from '../gateway/outcome.ts';
import { clock } from '../show/action.ts';
import { oneLine } from '../show/visible.ts';
import type { Conversation } from './conversation.ts';
import { runOf } from './run.ts';

export type SchedulesOptions = {
  db: Database;
  conversation: Pick<Conversation, 'beginBeside' | 'isAtWork' | 'hear' | 'taskIn'>;
  desk: Pick<Desk, 'ask'>;
  /** Why nothing is told or asked in somebody's name any longer, or ''. */
  barred(user: `@${string}`): string;
  /** A quiet line to the workspace's room; under one id it is said once. */
  say(workspace: string, text: string, txn: string): Promise<unknown>;
  log: Logger;
};
export type Schedules = {
  /** Makes one. Returns what to say. @param pattern five fields, in the owner's time zone */
  add(o: { workspace: string; user: `@${string}`; pattern: string; text: string }): string;
  /** Those of a workspace, a line each; '' for none. */
  list(workspace: string): string;
  /** Ends it. Returns what to say. */
  end(workspace: string, number: number): string;
  /** Has it said at once, besides. Returns what to say. */
  now(workspace: string, number: number): Promise<string>;
  /** Says what is due. What was due while nobody looked is told, and not made up for. */
  look(now: number): Promise<void>;
  /** An action is over. Where it was a schedule's check and succeeded, its words are told, and with them what the check said; once. */
  ended(page: Pick<Page, 'action'>, outcome: Outcome): Promise<void>;
};

/** `due` is when it is said next, in milliseconds since 1970; `task` the last one that it was told to, or ''. */
type Row = {
  number: number;
  workspace: string;
  user: `@${string}`;
  pattern: string;
  text: string;
  due: number;
  task: string;
};

/** Of one workspace: more than these nobody reads. */
const most = 20;
/** Milliseconds by which one may be late: a bot that was away for longer missed it. */
const late = 120_000;
const longestTitle = 30;

/** @throws Error where that is no pattern, or never comes */
function nextOf(pattern: string, after: number): number {
  const next = new Cron(pattern, { mode: '5-part', paused: true }).nextRun(new Date(after));
  if (!next) throw new Error('that time never comes');
  return next.getTime();
}

const at = (time: number, now: number): string => clock(new Date(time), new Date(now));
/** What its text asks for: words, a command, or a command and the words for where that succeeds. */
function partsOf(text: string): { script?: string | undefined; words: string } {
  const [, script, words = ''] = /^!if[ \t]+(\S.*)\n\s*(\S[\s\S]*)$/i.exec(text) ?? [];
  if (script) return { script, words };
  const command = /^!run\s+(\S[\s\S]*)$/i.exec(text)?.[1];
  return { script: command, words: command ? '' : text };
}
const nameOf = ({ number, text }: Pick<Row, 'number' | 'text'>): string =>
  `⏰ ${number} · ${oneLine(partsOf(text).words || text, longestTitle)}`;
const line = '(The owner scheduled this; nobody may be there to answer at once.)';

export function createSchedules({ db, conversation, desk, barred, say, log }: SchedulesOptions): Schedules {
  db.exec(`
    CREATE TABLE IF NOT EXISTS schedule(number INTEGER PRIMARY KEY AUTOINCREMENT, workspace TEXT, user TEXT, pattern TEXT,
      text TEXT, due INTEGER, task TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS schedule_check(number INTEGER PRIMARY KEY, waits INTEGER) STRICT;`);
  const all = () => db.prepare('SELECT * FROM schedule ORDER BY number').all() as Row[];
  const mine = (workspace: string) => all().filter((row) => row.workspace === workspace);
  const numbered = (workspace: string, number: number) =>
    mine(workspace).find((row) => row.number === number);
  const forget = ({ number }: Row) => db.prepare('DELETE FROM schedule_check WHERE number = ?').run(number);
  function drop(row: Row): void {
    forget(row);
    db.prepare('DELETE FROM schedule WHERE number = ?').run(row.number);
  }
  const none = (number: number) =>
    `There is no schedule ${number} here, and nothing was done. !crons lists them.`;

  /**
   * The time is noted together with the words, so that no crash has them said twice or not at all; before a card is asked for,
   * because one too few is safer than the same command twice. @returns what to say of it
   */
  function begin(row: Row, due: number): { said: string; rest: Promise<string> } {
    const { workspace, number, user } = row;
    const { script, words } = partsOf(row.text);
    return db.transaction(() => {
      // A check that had nothing to say is made again where it was, so that there are no more tasks than something came of.
      const isQuiet = db.prepare('SELECT 1 FROM schedule_check WHERE number = ?').get(number);
      const before = isQuiet && conversation.taskIn(workspace, row.task);
      const task = before?.id === row.task ? before : conversation.beginBeside(workspace, nameOf(row));
      db.prepare('UPDATE schedule SET due = ?, task = ? WHERE number = ?').run(due, task.id, number);
      const said = `${nameOf(row)}: begun as task ${task.number}.`;
      if (!script) return { said, rest: conversation.hear(workspace, words, { task, line }) };
      if (words) db.prepare('INSERT OR REPLACE INTO schedule_check VALUES(?, 1)').run(number);
      const rest = desk.ask({ ...runOf(script), workspace, task: task.id, requester: user }).then(() => '');
      return { said: words ? '' : said, rest };
    });
  }
  async function told({ said, rest }: ReturnType<typeof begin>): Promise<string> {
    const more = await rest.catch((error: unknown) => `⚠️ ${messageOf(error)}`);
    return [said, more].filter(Boolean).join('\n');
  }

  /** Ends it where nothing is told in the name of who made it. @returns what to say then, or '' */
  function over(row: Row): string {
    const why = barred(row.user);
    if (why) drop(row);
    return why && `${nameOf(row)}: ${why}, so it is over.`;
  }

  /** @returns what is said where it is due. */
  async function due(row: Row, now: number): Promise<string> {
    const next = nextOf(row.pattern, now);
    const later = () => db.prepare('UPDATE schedule SET due = ? WHERE number = ?').run(next, row.number);
    const gone = over(row);
    if (gone) return gone;
    const left = (reason: string): string => {
      later();
      return `${nameOf(row)}: ${reason} It was left out; !cron now ${row.number} has it said now.`;
    };
    if (now - row.due > late) return left(`it was due at ${at(row.due, now)}, when the bot was not there.`);
    if (row.task && conversation.isAtWork(row.task))
      return left('its last task is still at work, or waits for you.');
    try {
      return await told(begin(row, next));
    } catch (error) {
      return left(messageOf(error).replace(/\.?$/, '.'));
    }
  }

  return {
    add({ workspace, user, pattern, text }) {
      const now = Date.now();
      if (/^!if\b/i.test(text) && !partsOf(text).script)
        return 'Not understood, and nothing was scheduled: !if COMMAND, and in the next line what to say where it succeeds.';
      if (mine(workspace).length >= most)
        return `There are ${most} schedules here, and none was made: !cron off N ends one.`;
      let next: number;
      try {
        next = nextOf(pattern, now);
      } catch (error) {
        return `That is no time, and nothing was scheduled (${oneLine(messageOf(error))}). It takes minute, hour, day, month and weekday: !cron 0 7 * * 1-5 TEXT.`;
      }
      const row = { workspace, user, pattern, text, due: next, task: '' };
      const { lastInsertRowid } = db
        .prepare('INSERT INTO schedule(workspace, user, pattern, text, due, task) VALUES(?, ?, ?, ?, ?, ?)')
        .run(...(Object.values(row) as [string, string, string, string, number, string]));
      return `⏰ ${lastInsertRowid}: first at ${at(next, now)}. !crons lists them, !cron off ${lastInsertRowid} ends it.`;
    },
    list: (workspace) =>
      mine(workspace)
        .map((row) => `${nameOf(row)} · ${row.pattern} · next at ${at(row.due, Date.now())}`)
        .join('\n'),
    end(workspace, number) {
      const row = numbered(workspace, number);
      if (!row) return none(number);
      drop(row);
      return `${nameOf(row)} is over. What it began goes on.`;
    },
    async now(workspace, number) {
      const row = numbered(workspace, number);
      if (!row) return none(number);
      return over(row) || told(begin(row, row.due));
    },
    async look(now) {
      for (const row of all().filter((one) => one.due <= now)) {
        // What goes wrong with one is no reason to leave out those after it.
        await due(row, now)
          .then((said) => said && say(row.workspace, said, `schedule-${row.number}-${row.due}`))
          .catch((error: unknown) =>
            log.warn({ schedule: row.number, err: error }, 'what became of a schedule was not told'),
          );
      }
    },
    async ended({ action }, outcome) {
      const waiting = 'SELECT * FROM schedule JOIN schedule_check USING(number) WHERE task = ? AND waits = 1';
      const row = db.prepare(waiting).get(action.task) as Row | undefined;
      const { script, words } = partsOf(row?.text ?? '');
      if (!row || action.requester !== row.user || action.kind !== 'bash' || action.args.script !== script)
        return;
      const { workspace, number } = row;
      const gone = over(row);
      if (gone) return void (await say(workspace, gone, `schedule-check-${action.id}`));
      if (outcome.state !== 'succeeded')
        return void db.prepare('UPDATE schedule_check SET waits = 0 WHERE number = ?').run(number);
      const task = conversation.taskIn(workspace, action.task);
      const about = `${line}\n\nWhat it was to be checked for is so: ${describeOutcome(action.id, outcome)}`;
      const found = db.transaction(() => {
        forget(row);
        const rest = conversation.hear(workspace, words, { task, line: about });
        return { said: `${nameOf(row)}: begun as task ${task.number}.`, rest };
      });
      await say(workspace, await told(found), `schedule-check-${action.id}`);
    },
  };
}
