/**
 * A durable IndexedDB for Node: fake-indexeddb's semantics in memory, written through to SQLite *before* a transaction's
 * "complete" event. The Rust store awaits that event before it lets go of a ciphertext, so after a crash no message key
 * is ever used twice. Reaches into fake-indexeddb 6.2.8, which is therefore pinned exactly.
 */
import { serialize } from 'node:v8';
import { IDBCursor, IDBFactory, IDBKeyRange, IDBObjectStore, IDBTransaction } from 'fake-indexeddb';
import 'fake-indexeddb/auto';
import { type Change, openStore, type SqliteStore, type StoreDump } from './store.ts';

type RawIndex = {
  name: string;
  keyPath: string | string[];
  unique: boolean;
  multiEntry: boolean;
  deleted: boolean;
};
type RawStore = {
  name: string;
  deleted: boolean;
  keyPath: string | string[] | null;
  autoIncrement: boolean;
  rawIndexes: Map<string, RawIndex>;
  records: { values(): Iterable<{ key: unknown; value: unknown }> };
};
type RawDatabase = { name: string; version: number; rawObjectStores: Map<string, RawStore> };
type Transaction = IDBTransaction & { db: IDBDatabase & { _rawDatabase: RawDatabase } };
type Pending = { request: IDBRequest; change(): Change };

const storeOf = (cursor: IDBCursor): IDBObjectStore =>
  'objectStore' in cursor.source ? cursor.source.objectStore : cursor.source;

function dump(raw: RawDatabase): StoreDump[] {
  return [...raw.rawObjectStores.values()]
    .filter((s) => !s.deleted)
    .map((s) => ({
      name: s.name,
      meta: {
        keyPath: s.keyPath,
        autoIncrement: s.autoIncrement,
        indexes: [...s.rawIndexes.values()]
          .filter((i) => !i.deleted)
          .map(({ name, keyPath, unique, multiEntry }) => ({ name, keyPath, unique, multiEntry })),
      },
      records: [...s.records.values()].map(({ key, value }) => ({ key, value })),
    }));
}

/** Fills memory from the file. Nothing of it is written back: the hooks go in afterwards. */
async function load(store: SqliteStore): Promise<void> {
  for (const { name, version } of store.databases())
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.open(name, version);
      request.onupgradeneeded = () => {
        for (const { name: storeName, meta, records } of store.stores(name)) {
          const { keyPath, autoIncrement, indexes } = meta;
          const target = request.result.createObjectStore(storeName, { keyPath, autoIncrement });
          for (const i of indexes)
            target.createIndex(i.name, i.keyPath, { unique: i.unique, multiEntry: i.multiEntry });
          for (const { key, value } of records)
            if (keyPath === null) target.put(value, key as IDBValidKey);
            else target.put(value);
        }
      };
      request.onsuccess = () => {
        request.result.close();
        resolve();
      };
      request.onerror = () => reject(request.error);
    });
}

function deletion(store: string, query: IDBValidKey | IDBKeyRange): Change {
  if (!(query instanceof IDBKeyRange)) return { do: 'delete', store, key: query };
  if (query.upperOpen) throw new Error('deleting up to an excluded key is not supported');
  return { do: 'range', store, from: query.lower, to: query.upper, fromOpen: query.lowerOpen };
}

/** Notes every change at the moment it is asked for, because IndexedDB clones values then. */
function recordChanges(note: (tx: IDBTransaction, pending: Pending) => void): void {
  const stores = IDBObjectStore.prototype;
  for (const method of ['put', 'add'] as const) {
    const original = stores[method];
    stores[method] = function (this: IDBObjectStore, value: unknown, key?: IDBValidKey) {
      const bytes = serialize(value);
      const request = key === undefined ? original.call(this, value) : original.call(this, value, key);
      const store = this.name;
      note(this.transaction, {
        request,
        change: () => ({ do: 'put', store, key: request.result, value: bytes }),
      });
      return request;
    };
  }
  const { delete: remove, clear } = stores;
  stores.delete = function (this: IDBObjectStore, query: IDBValidKey | IDBKeyRange) {
    const request = remove.call(this, query);
    const change = deletion(this.name, query);
    note(this.transaction, { request, change: () => change });
    return request;
  };
  stores.clear = function (this: IDBObjectStore) {
    const request = clear.call(this);
    const store = this.name;
    note(this.transaction, { request, change: () => ({ do: 'clear', store }) });
    return request;
  };
  const cursors = IDBCursor.prototype;
  const { update, delete: removeAt } = cursors;
  cursors.update = function (this: IDBCursor, value: unknown) {
    const bytes = serialize(value);
    const key = this.primaryKey;
    const request = update.call(this, value);
    const { name: store, transaction } = storeOf(this);
    note(transaction, { request, change: () => ({ do: 'put', store, key, value: bytes }) });
    return request;
  };
  cursors.delete = function (this: IDBCursor) {
    const key = this.primaryKey;
    const request = removeAt.call(this);
    const { name: store, transaction } = storeOf(this);
    note(transaction, { request, change: () => ({ do: 'delete', store, key }) });
    return request;
  };
}

/**
 * Makes the process's global `indexedDB` durable in that file. Once per process.
 * A write that fails aborts the process: going on would hand out ciphertexts whose keys may be used again.
 * @throws where another process holds the file
 */
export async function installDurableIndexedDB(path: string): Promise<SqliteStore> {
  const store = openStore(path);
  await load(store);
  const pending = new WeakMap<IDBTransaction, Pending[]>();
  recordChanges((tx, change) => {
    const list = pending.get(tx);
    if (list) list.push(change);
    else pending.set(tx, [change]);
  });

  function commit(tx: Transaction): void {
    const changes = pending.get(tx) ?? [];
    pending.delete(tx);
    const raw = tx.db._rawDatabase;
    if (tx.mode === 'versionchange') {
      store.rewrite(raw.name, raw.version, dump(raw));
      return;
    }
    const done = changes.filter(({ request }) => request.readyState === 'done' && !request.error);
    if (tx.mode === 'readonly' || done.length === 0) return;
    store.write(
      raw.name,
      done.map(({ change }) => change()),
    );
  }
  const { dispatchEvent } = IDBTransaction.prototype;
  IDBTransaction.prototype.dispatchEvent = function (this: Transaction, event: Event): boolean {
    if (event.type === 'abort') pending.delete(this);
    if (event.type === 'complete')
      try {
        commit(this);
      } catch (error) {
        process.stderr.write(`the key store could not be written, so the bot stops: ${String(error)}\n`);
        process.abort();
      }
    return dispatchEvent.call(this, event);
  };
  const { deleteDatabase } = IDBFactory.prototype;
  IDBFactory.prototype.deleteDatabase = function (this: IDBFactory, name: string) {
    const request = deleteDatabase.call(this, name);
    request.addEventListener('success', () => store.forget(name));
    return request;
  };
  return store;
}
