/** What the bot must not forget, in one file. The key store is apart from it: that one must never be set back. */
import { DatabaseSync } from 'node:sqlite';

export type Database = Pick<DatabaseSync, 'exec' | 'prepare' | 'close'> & {
  /**
   * All that `work` writes is on the disk when this returns, or nothing of it where it throws. It takes no promise: what
   * happens in between would be part of it. Inside of another one it is part of that.
   */
  transaction<T>(work: () => T extends Promise<unknown> ? never : T): T;
};

/** Opens or makes the file; each module makes its own tables in it. What is written outside of a transaction is on the disk at once. */
export function openDatabase(file: string): Database {
  const sql = new DatabaseSync(file);
  sql.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;');
  return {
    exec: (text) => sql.exec(text),
    prepare: (text) => sql.prepare(text),
    close: () => sql.close(),
    transaction(work) {
      if (sql.isTransaction) return work();
      sql.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        sql.exec('COMMIT');
        return result;
      } catch (error) {
        if (sql.isTransaction) sql.exec('ROLLBACK');
        throw error;
      }
    },
  };
}
