/** What tasks cost, by day, from what the brain says that each session took; and the caps of the settings that hold them. */
import type { Database } from '../database.ts';
import { rootOf } from '../tasks/kin.ts';

/** Money in whatever the prices are in; tokens count all that went in and out. */
export type Spent = { dollars: number; tokens: number };
/** Most for a task, and for all tasks of a day. What is absent holds nothing. */
export type Caps = { task?: number; day?: number; task_tokens?: number; day_tokens?: number };
export type Costs = {
  /** Takes what a session took since it began. Returns what to say where that ends its task's work for now, or ''. */
  take(task: string, session: string, total: Spent): string;
  /** Why a task's brain is told nothing now, or ''. */
  paused(task: string): string;
  /** Lets the task go on past the caps that hold it, each by as much again. Returns whether one did. */
  more(task: string): boolean;
  of(task: string): Spent;
  /** Tokens that these sessions took since they began. */
  took(sessions: readonly string[]): number;
  today(): Spent;
  /** Of all tasks, from the first on. */
  total(): Spent;
  /** For people: this task, today, and the latest days and tasks. */
  report(task: string): string;
};

/** For a line on a task: money, or where it has no price its tokens; '' for nothing. */
export function briefly({ dollars, tokens }: Spent): string {
  if (dollars > 0) return `${dollars.toFixed(dollars < 1 ? 4 : 2)} $`;
  return tokens > 0 ? `${tokens.toLocaleString('en')} tokens` : '';
}

export const spentText = ({ dollars, tokens }: Spent): string =>
  `${tokens.toLocaleString('en')} tokens${dollars > 0 ? ` · ${briefly({ dollars, tokens })}` : ''}`;

/** @param titleOf a task's, or '' where it is gone @param now milliseconds; days are those of the process's time zone */
export function createCosts(
  db: Database,
  caps: Caps,
  titleOf: (task: string) => string,
  now: () => number = Date.now,
): Costs {
  db.exec(`
    CREATE TABLE IF NOT EXISTS spent(task TEXT, day TEXT, dollars REAL, tokens INTEGER, PRIMARY KEY(task, day)) STRICT;
    CREATE INDEX IF NOT EXISTS spent_day ON spent(day);
    CREATE TABLE IF NOT EXISTS counted(session TEXT PRIMARY KEY, dollars REAL, tokens INTEGER) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS let(cap TEXT PRIMARY KEY, most REAL) STRICT, WITHOUT ROWID;`);
  const sum = 'coalesce(sum(dollars), 0) AS dollars, coalesce(sum(tokens), 0) AS tokens';
  const byTask = db.prepare(`SELECT ${sum} FROM spent WHERE task = ?`);
  const byDay = db.prepare(`SELECT ${sum} FROM spent WHERE day = ?`);
  const counted = db.prepare('SELECT dollars, tokens FROM counted WHERE session = ?');
  const letOn = db.prepare('SELECT most FROM let WHERE cap = ?');

  const day = (): string => new Date(now()).toLocaleDateString('sv');
  // What helpers take is their task's: its cap is theirs together.
  const of = (task: string) => byTask.get(rootOf(task)) as Spent;
  const today = () => byDay.get(day()) as Spent;

  /** The caps that a task has reached: by how much, and in words. */
  function reached(task: string) {
    const [mine, all] = [of(task), today()];
    const rows = [
      ['task', rootOf(task), mine.dollars, '$'],
      ['task_tokens', rootOf(task), mine.tokens, 'tokens'],
      ['day', day(), all.dollars, '$'],
      ['day_tokens', day(), all.tokens, 'tokens'],
    ] as const;
    return rows.flatMap(([name, whose, used, unit]) => {
      const cap = caps[name];
      if (cap === undefined) return [];
      const key = `${name} ${whose}`;
      const most = (letOn.get(key) as { most: number } | undefined)?.most ?? cap;
      const what = name.startsWith('task') ? 'This task has' : 'All tasks of today have';
      const amount = (n: number) => n.toLocaleString('en', { maximumFractionDigits: 2 });
      const why = `${what} used ${amount(used)} of ${amount(most)} ${unit} (spend.${name} in pocketcoder.yaml)`;
      return used >= most ? [{ key, next: used + cap, why }] : [];
    });
  }
  const paused = (task: string): string => {
    const [first] = reached(task);
    return first ? `${first.why}; an approver's !more lets it go on` : '';
  };

  return {
    of,
    took: (sessions) =>
      sessions.reduce((sum, one) => sum + ((counted.get(one) as Spent | undefined)?.tokens ?? 0), 0),
    today,
    total: () => db.prepare(`SELECT ${sum} FROM spent`).get() as Spent,
    paused,
    take(task, session, { dollars, tokens }) {
      const held = reached(task).length > 0;
      db.transaction(() => {
        const last = (counted.get(session) ?? { dollars: 0, tokens: 0 }) as Spent;
        const more = [Math.max(0, dollars - last.dollars), Math.max(0, tokens - last.tokens)];
        db.prepare('INSERT OR REPLACE INTO counted VALUES(?, ?, ?)').run(session, dollars, tokens);
        db.prepare(
          'INSERT INTO spent VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET dollars = dollars + excluded.dollars, tokens = tokens + excluded.tokens',
        ).run(rootOf(task), day(), ...more);
      });
      const [first] = held ? [] : reached(task);
      return first
        ? `⏸ ${first.why}. The turn was ended, and nothing is told to the agent until an approver says !more, which lets it go on by as much again.`
        : '';
    },
    more(task) {
      const all = reached(task);
      for (const { key, next } of all) db.prepare('INSERT OR REPLACE INTO let VALUES(?, ?)').run(key, next);
      return all.length > 0;
    },
    report(task) {
      const rows = (by: 'day' | 'task', most: number) =>
        db
          .prepare(
            `SELECT ${by} AS what, ${sum} FROM spent GROUP BY ${by} ORDER BY max(day) DESC, max(rowid) DESC LIMIT ?`,
          )
          .all(most) as (Spent & { what: string })[];
      return [
        `This task: ${spentText(of(task))}`,
        `Today: ${spentText(today())}`,
        ...rows('day', 7).map((row) => `${row.what}: ${spentText(row)}`),
        ...rows('task', 10).map((row) => `${titleOf(row.what) || row.what}: ${spentText(row)}`),
        ...reached(task).map(({ why }) => `⏸ ${why}. !more lets it go on by as much again.`),
      ].join('\n');
    },
  };
}
