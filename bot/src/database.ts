/**
 * What the bot must not forget, in two files: what decides has its own, with the secrets of cards, which is handed to nobody else.
 * The key store is apart from both: that one must never be set back.
 */
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export type Database = Pick<DatabaseSync, 'exec' | 'prepare' | 'close'> & {
  /**
   * All that `work` writes is on the disk when this returns, or nothing of it where it throws. It takes no promise: what
   * happens in between would be part of it. Inside of another one it is part of that.
   */
  transaction<T>(work: () => T extends Promise<unknown> ? never : T): T;
};

/** Writes a file, whole or not at all and on the disk before this returns, for this user alone. @throws Error where it was left as it was */
export function writeWhole(path: string, text: string): void {
  const file = openSync(`${path}.new`, 'w', 0o600);
  try {
    fchmodSync(file, 0o600); // one that was left there may have another mode
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
}

/**
 * Takes tables over from a file that had them in an earlier release: there they are gone then. Cut off half way it is done
 * again, and what came over by then stays as it is.
 */
export function takeTables(db: Database, from: string, tables: readonly string[]): void {
  db.prepare('ATTACH ? AS old').run(from);
  const there = db
    .prepare("SELECT name, sql FROM old.sqlite_master WHERE type = 'table'")
    .all()
    .filter(({ name }) => tables.includes(String(name)));
  for (const { name, sql } of there) {
    // What is reckoned from other columns is no column of these.
    const listed = db.prepare(`SELECT group_concat(name) AS names FROM pragma_table_info('${name}', 'old')`);
    const columns = listed.get()?.['names'];
    const has = db.prepare('SELECT 1 FROM main.sqlite_master WHERE name = ?').get(String(name));
    db.transaction(() => {
      if (!has) db.exec(String(sql));
      db.exec(`INSERT OR IGNORE INTO main.${name}(${columns}) SELECT ${columns} FROM old.${name}`);
    });
  }
  if (there.length > 0) {
    db.exec('PRAGMA old.secure_delete = ON'); // no secret stays in what is free then
    for (const { name } of there) db.exec(`DROP TABLE old.${name}`);
    db.exec('PRAGMA old.wal_checkpoint(TRUNCATE)');
  }
  db.exec('DETACH old');
}

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
