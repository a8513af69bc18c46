/** What each task's brain has on its own list, as it said last: shown on the room's pinned message, over restarts too. */
import type { Todo } from '../brain/brain.ts';
import type { Database } from '../database.ts';

export type Lists = { set(task: string, list: readonly Todo[]): void; of(task: string): readonly Todo[] };

export function listStore(db: Database): Lists {
  db.exec('CREATE TABLE IF NOT EXISTS list(task TEXT PRIMARY KEY, list TEXT) STRICT, WITHOUT ROWID;');
  const find = db.prepare('SELECT list FROM list WHERE task = ?');
  const keep = db.prepare('INSERT OR REPLACE INTO list VALUES(?, ?)');
  return {
    set: (task, list) => void keep.run(task, JSON.stringify(list)),
    of(task) {
      const row = find.get(task) as { list: string } | undefined;
      return row ? (JSON.parse(row.list) as Todo[]) : [];
    },
  };
}
