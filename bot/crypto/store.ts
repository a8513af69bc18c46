/** The SQLite file behind IndexedDB. One process may hold it: a second one is told "database is locked". */
import { DatabaseSync } from 'node:sqlite';
import { deserialize, serialize } from 'node:v8';
import { encodeKey } from './keys.ts';

export type IndexMeta = { name: string; keyPath: string | string[]; unique: boolean; multiEntry: boolean };
export type StoreMeta = { keyPath: string | string[] | null; autoIncrement: boolean; indexes: IndexMeta[] };
export type StoreDump = { name: string; meta: StoreMeta; records: { key: unknown; value: unknown }[] };
/** One change of a transaction. Values are serialised when they are put, as IndexedDB clones them. */
export type Change =
  | { do: 'put'; store: string; key: unknown; value: Buffer }
  | { do: 'delete'; store: string; key: unknown }
  | { do: 'range'; store: string; from?: unknown; to?: unknown; fromOpen: boolean }
  | { do: 'clear'; store: string };

const schema = `
  PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
  CREATE TABLE IF NOT EXISTS db(name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS store(db TEXT, name TEXT, meta BLOB, PRIMARY KEY(db, name)) STRICT;
  CREATE TABLE IF NOT EXISTS record(db TEXT, store TEXT, k BLOB, key BLOB, value BLOB,
    PRIMARY KEY(db, store, k)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS readers(room TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT;
  BEGIN EXCLUSIVE; COMMIT;`;

export type SqliteStore = ReturnType<typeof openStore>;

/** Opens or makes the file. Every write has reached the disk when its function returns. */
export function openStore(path: string) {
  const sql = new DatabaseSync(path);
  sql.exec(schema);
  const put = sql.prepare(
    'INSERT INTO record VALUES(?,?,?,?,?) ON CONFLICT DO UPDATE SET key=excluded.key, value=excluded.value',
  );
  const remove = sql.prepare('DELETE FROM record WHERE db=? AND store=? AND k=?');
  const removeRange = sql.prepare('DELETE FROM record WHERE db=? AND store=? AND k>=? AND k<=?');
  const clear = sql.prepare('DELETE FROM record WHERE db=? AND store=?');

  function apply(db: string, c: Change): void {
    if (c.do === 'put') put.run(db, c.store, encodeKey(c.key), serialize(c.key), c.value);
    else if (c.do === 'delete') remove.run(db, c.store, encodeKey(c.key));
    else if (c.do === 'clear') clear.run(db, c.store);
    else {
      const from = c.from === undefined ? Buffer.alloc(0) : encodeKey(c.from);
      const to = c.to === undefined ? Buffer.from([0xff]) : encodeKey(c.to);
      removeRange.run(db, c.store, c.fromOpen ? Buffer.concat([from, Buffer.from([0])]) : from, to);
    }
  }
  function transaction(work: () => void): void {
    sql.exec('BEGIN IMMEDIATE');
    work();
    sql.exec('COMMIT'); // returns after the fsync of the log
  }
  function forget(db: string): void {
    for (const table of ['store', 'record']) sql.prepare(`DELETE FROM ${table} WHERE db=?`).run(db);
    sql.prepare('DELETE FROM db WHERE name=?').run(db);
  }

  return {
    write(db: string, changes: readonly Change[]): void {
      transaction(() => {
        for (const change of changes) apply(db, change);
      });
    },
    /** Replaces a whole database: what a change of its version comes down to. */
    rewrite(db: string, version: number, stores: readonly StoreDump[]): void {
      transaction(() => {
        forget(db);
        sql.prepare('INSERT INTO db VALUES(?,?)').run(db, version);
        for (const s of stores) {
          sql.prepare('INSERT INTO store VALUES(?,?,?)').run(db, s.name, serialize(s.meta));
          for (const r of s.records)
            put.run(db, s.name, encodeKey(r.key), serialize(r.key), serialize(r.value));
        }
      });
    },
    forget: (db: string): void => transaction(() => forget(db)),
    databases: () => sql.prepare('SELECT name, version FROM db').all() as { name: string; version: number }[],
    stores(db: string): StoreDump[] {
      const rows = sql.prepare('SELECT name, meta FROM store WHERE db=?').all(db);
      const records = sql.prepare('SELECT key, value FROM record WHERE db=? AND store=?');
      return (rows as { name: string; meta: Uint8Array }[]).map(({ name, meta }) => ({
        name,
        meta: deserialize(meta) as StoreMeta,
        records: (records.all(db, name) as { key: Uint8Array; value: Uint8Array }[]).map((r) => ({
          key: deserialize(r.key) as unknown,
          value: deserialize(r.value) as unknown,
        })),
      }));
    },
    /** Who the room key of a room was last shared with, as a digest; '' before the first time. */
    readers(room: string): string {
      const row = sql.prepare('SELECT digest FROM readers WHERE room=?').get(room);
      return (row as { digest: string } | undefined)?.digest ?? '';
    },
    setReaders(room: string, digest: string): void {
      sql.prepare('INSERT OR REPLACE INTO readers VALUES(?,?)').run(room, digest);
    },
    close: (): void => sql.close(),
  };
}
