/** Tasks: one conversation with the brain each, what each brain has yet to be told, and what it was told last. */
import { randomUUID } from 'node:crypto';
import type { Database } from '../database.ts';

export type Task = { id: string; workspace: string; session: string; title: string; createdAt: number };
/** What a task's brain has yet to be told: an action's outcome, or somebody's words. */
export type Owed = { id: string; task: string; text: string; outcome: boolean };
export type TaskStore = {
  /** From now on the workspace's current one: what an earlier one was owed is dropped. */
  add(task: Task): void;
  get(id: string): Task | undefined;
  bySession(session: string): Task | undefined;
  /** The task that plain words in this workspace's room go to. */
  current(workspace: string): Task | undefined;
  isCurrent(task: Pick<Task, 'id' | 'workspace'>): boolean;
  /** Tasks that the brain has a session of, in all workspaces or in one. */
  withSession(workspace?: string): Task[];
  setSession(id: string, session: string): void;
  /**
   * Marks an action's outcome as told. Returns false when it was told before.
   * @param owed what the brain has yet to be prompted with; nothing when its open call carried it
   */
  tell(action: string, owed?: { task: string; text: string }): boolean;
  /** Notes words that a task's brain is to be told. Returns their key. @param key the same words again are noted once */
  owe(task: string, text: string, key?: string): string;
  /** Notes what a task's brain is to be told along with what comes next: nobody is woken for it. @param key as with `owe` */
  note(task: string, text: string, key: string): void;
  /** As `owe`, before all else. */
  oweFirst(task: string, text: string): void;
  /** What brains have yet to be told, oldest first. */
  owed(): Owed[];
  paid(id: string): void;
  /** What a task's brain was prompted with and has not answered to the end, oldest first. */
  asked(task: string): string[];
  ask(task: string, text: string): void;
  answered(task: string): void;
  /** The person stopped the work of this workspace, or spoke again: until then its brain is told nothing. */
  stop(workspace: string): void;
  goOn(workspace: string): void;
  stopped(workspace: string): boolean;
  /** Why a task's brain is neither asked for nor told anything now, or ''. */
  halted(task: string): string;
  /** Notes that an action was denied, and that the very next words say why. */
  deny(action: string, task: string): void;
  /** Next words are not the reason any more: the agent spoke. */
  spoke(task: string): void;
  /**
   * The denied action of this task that words are about.
   * @param about the action they reply to; without it they are about the one whose reason is awaited, if any
   */
  denied(task: string, about?: string): string | undefined;
};

export function taskStore(db: Database): TaskStore {
  db.exec(`
    CREATE TABLE IF NOT EXISTS task(id TEXT PRIMARY KEY, workspace TEXT, session TEXT, title TEXT, createdAt INTEGER) STRICT;
    CREATE TABLE IF NOT EXISTS told(action TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS owed(action TEXT PRIMARY KEY, task TEXT, text TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS asked(task TEXT, text TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS stopped(workspace TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS denied(action TEXT PRIMARY KEY, task TEXT, next INTEGER) STRICT;`);
  const task = (where: string) =>
    db.prepare(`SELECT * FROM task WHERE ${where} ORDER BY createdAt DESC, rowid DESC LIMIT 1`);
  const byId = task('id = ?');
  const bySession = task('session = ?');
  const currentOf = task('workspace = ?');
  const current = (workspace: string) => currentOf.get(workspace) as Task | undefined;
  const isCurrent = ({ id, workspace }: Pick<Task, 'id' | 'workspace'>) => current(workspace)?.id === id;
  const run = (sql: string, ...values: (string | number)[]) => db.prepare(sql).run(...values);
  const tasksOf = '(SELECT id FROM task WHERE workspace = ?)';
  const stopped = (workspace: string): boolean =>
    db.prepare('SELECT 1 FROM stopped WHERE workspace = ?').get(workspace) !== undefined;
  return {
    add(t) {
      db.transaction(() => {
        db.prepare('INSERT INTO task VALUES(:id, :workspace, :session, :title, :createdAt)').run(t);
        for (const table of ['owed', 'asked'])
          run(`DELETE FROM ${table} WHERE task <> ? AND task IN ${tasksOf}`, t.id, t.workspace);
      });
    },
    get: (id) => byId.get(id) as Task | undefined,
    bySession: (session) => bySession.get(session) as Task | undefined,
    current,
    isCurrent,
    withSession: (workspace = '') =>
      db.prepare("SELECT * FROM task WHERE session <> '' AND ? IN ('', workspace)").all(workspace) as Task[],
    setSession: (id, session) => void run('UPDATE task SET session = ? WHERE id = ?', session, id),
    tell: (action, owed) =>
      db.transaction(() => {
        const first = run('INSERT OR IGNORE INTO told VALUES(?)', action).changes === 1;
        if (first && owed) run('INSERT INTO owed VALUES(?, ?, ?)', action, owed.task, owed.text);
        return first;
      }),
    owe(of, text, key = `said-${randomUUID()}`) {
      run('INSERT OR IGNORE INTO owed VALUES(?, ?, ?)', key, of, text);
      return key;
    },
    owed() {
      const rows = db.prepare('SELECT action AS id, task, text FROM owed ORDER BY rowid').all();
      return (rows as Omit<Owed, 'outcome'>[]).map((o) => ({
        ...o,
        outcome: !/^(said|sent|note)-/.test(o.id),
      }));
    },
    note: (of, text, key) => void run('INSERT OR IGNORE INTO owed VALUES(?, ?, ?)', `note-${key}`, of, text),
    oweFirst: (of, text) =>
      void run(
        'INSERT INTO owed(rowid, action, task, text) SELECT coalesce(min(rowid), 1) - 1, ?, ?, ? FROM owed',
        `said-${randomUUID()}`,
        of,
        text,
      ),
    asked: (of) =>
      db
        .prepare('SELECT text FROM asked WHERE task = ? ORDER BY rowid')
        .all(of)
        .map(({ text }) => String(text)),
    ask: (of, text) => void run('INSERT INTO asked VALUES(?, ?)', of, text),
    answered: (of) => void run('DELETE FROM asked WHERE task = ?', of),
    paid: (id) => void run('DELETE FROM owed WHERE action = ?', id),
    stop(workspace) {
      db.transaction(() => {
        run('INSERT OR IGNORE INTO stopped VALUES(?)', workspace);
        for (const table of ['denied', 'asked'])
          run(`DELETE FROM ${table} WHERE task IN ${tasksOf}`, workspace);
      });
    },
    goOn: (workspace) => void run('DELETE FROM stopped WHERE workspace = ?', workspace),
    stopped,
    halted(id) {
      const task = byId.get(id) as Task | undefined;
      if (!task) return '';
      if (stopped(task.workspace))
        return 'the owner stopped everything; end your turn and wait for their words';
      return isCurrent(task) ? '' : 'this task is over: the owner began another';
    },
    deny: (action, of) => void run('INSERT OR REPLACE INTO denied VALUES(?, ?, 1)', action, of),
    spoke: (of) => void run('UPDATE denied SET next = 0 WHERE task = ? AND next = 1', of),
    denied(of, about = '') {
      const found = db
        .prepare(
          "SELECT action FROM denied WHERE task = ? AND (action = ? OR (? = '' AND next = 1)) ORDER BY rowid DESC LIMIT 1",
        )
        .get(of, about, about) as { action: string } | undefined;
      run('UPDATE denied SET next = 0 WHERE task = ?', of);
      return found?.action;
    },
  };
}
