/** Plan first: tasks whose agent puts nothing but a plan to the owner until one was approved. */
import type { Database } from '../database.ts';

export type Planning = {
  /** From now on the task's agent may look and put plans. */
  begin(task: string): void;
  is(task: string): boolean;
  /** A plan was approved, or the owner does without one. */
  end(task: string): void;
  /** What the agent is told of it before the first words that it hears since it began; '' from then on. */
  preface(task: string): string;
};

const told = [
  'The owner wants to see a plan before anything is done. Look around with read_file, list and grep where you need to, then call',
  '`plan`: what you will do, step by step, and how it will be seen that it works, in words; and as steps the calls that you know',
  'exactly by then. Nothing else is put to them before they approved a plan. They may talk it over with you first: a further call',
  'of `plan` takes the place of the one that waits. What they want:\n\n',
].join(' ');

export function planningStore(db: Database): Planning {
  db.exec(
    'CREATE TABLE IF NOT EXISTS planning(task TEXT PRIMARY KEY, told INTEGER DEFAULT 0) STRICT, WITHOUT ROWID',
  );
  const run = (sql: string, task: string) => db.prepare(sql).run(task);
  return {
    begin: (task) => void run('INSERT OR REPLACE INTO planning(task) VALUES(?)', task),
    is: (task) => db.prepare('SELECT 1 FROM planning WHERE task = ?').get(task) !== undefined,
    end: (task) => void run('DELETE FROM planning WHERE task = ?', task),
    preface: (task) =>
      run('UPDATE planning SET told = 1 WHERE task = ? AND told = 0', task).changes === 1 ? told : '',
  };
}
