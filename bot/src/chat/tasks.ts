/** Tasks: one conversation with the brain each, and which of their outcomes the brain has been told. */
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';

export type Task = { id: string; workspace: string; session: string; title: string; createdAt: number };
export type TaskStore = {
  add(task: Task): void;
  get(id: string): Task | undefined;
  bySession(session: string): Task | undefined;
  /** The task that plain words in this workspace's room go to. */
  current(workspace: string): Task | undefined;
  withSession(): Task[];
  setSession(id: string, session: string): void;
  /**
   * Marks an action's outcome as told. Returns false when it was told before.
   * @param owed what the brain has yet to be prompted with; nothing when its open call carried it
   */
  tell(action: string, owed?: { task: string; text: string }): boolean;
  /** Notes words that a task's brain is to be told. @param key the same words again are noted once */
  owe(task: string, text: string, key?: string): void;
  /** What brains have yet to be told, oldest first. */
  owed(): { action: string; task: string; text: string }[];
  paid(action: string): void;
  /** The denied action whose reason the owner's next words give, if any; reading it takes it. */
  takeReason(workspace: string): string | undefined;
  expectReason(workspace: string, action: string): void;
  close(): void;
};

export function taskStore(file: string): TaskStore {
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
    CREATE TABLE IF NOT EXISTS task(id TEXT PRIMARY KEY, workspace TEXT, session TEXT, title TEXT, createdAt INTEGER) STRICT;
    CREATE TABLE IF NOT EXISTS told(action TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS owed(action TEXT PRIMARY KEY, task TEXT, text TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS reason(workspace TEXT PRIMARY KEY, action TEXT) STRICT, WITHOUT ROWID;`);
  const task = (where: string) =>
    db.prepare(`SELECT * FROM task WHERE ${where} ORDER BY createdAt DESC, rowid DESC LIMIT 1`);
  const byId = task('id = ?');
  const bySession = task('session = ?');
  const current = task('workspace = ?');
  return {
    add: (t) =>
      void db.prepare('INSERT INTO task VALUES(:id, :workspace, :session, :title, :createdAt)').run(t),
    get: (id) => byId.get(id) as Task | undefined,
    bySession: (session) => bySession.get(session) as Task | undefined,
    current: (workspace) => current.get(workspace) as Task | undefined,
    withSession: () => db.prepare("SELECT * FROM task WHERE session <> ''").all() as Task[],
    setSession: (id, session) => void db.prepare('UPDATE task SET session = ? WHERE id = ?').run(session, id),
    tell(action, owed) {
      db.exec('BEGIN IMMEDIATE');
      const first = db.prepare('INSERT OR IGNORE INTO told VALUES(?)').run(action).changes === 1;
      if (first && owed) db.prepare('INSERT INTO owed VALUES(?, ?, ?)').run(action, owed.task, owed.text);
      db.exec('COMMIT');
      return first;
    },
    owe: (task, text, key = `said-${randomUUID()}`) =>
      void db.prepare('INSERT OR IGNORE INTO owed VALUES(?, ?, ?)').run(key, task, text),
    owed: () =>
      db.prepare('SELECT action, task, text FROM owed ORDER BY rowid').all() as ReturnType<TaskStore['owed']>,
    paid: (action) => void db.prepare('DELETE FROM owed WHERE action = ?').run(action),
    takeReason(workspace) {
      const row = db.prepare('DELETE FROM reason WHERE workspace = ? RETURNING action').get(workspace);
      return (row as { action: string } | undefined)?.action;
    },
    expectReason: (workspace, action) =>
      void db.prepare('INSERT OR REPLACE INTO reason VALUES(?, ?)').run(workspace, action),
    close: () => db.close(),
  };
}
