/** Tasks: one conversation with the brain each, what each brain has yet to be told, and what it was told last. */
import { randomUUID } from 'node:crypto';
import { sha256 } from '@pocketcoder/ledger/src/action.ts';
import type { Database } from '../database.ts';
import { oneLine } from '../show/visible.ts';
import { parentOf } from './kin.ts';

export type Task = {
  id: string;
  /** Its number among the tasks of its workspace, from 1 on: what people call it by. */
  number: number;
  workspace: string;
  session: string;
  /** '' before anything was said to it. */
  title: string;
  createdAt: number;
  /** When somebody last spoke to it or it to them, in milliseconds since 1970. */
  touched: number;
  /** Of the steps of its own list, where it has one, and how many there are. */
  done: number;
  steps: number;
  /** The beginning of what it said last. */
  said: string;
};
export type NewTask = Pick<Task, 'id' | 'workspace' | 'session' | 'title' | 'createdAt'>;
/** How people call it. */
export const titleOf = ({ title, number }: Pick<Task, 'title' | 'number'>): string =>
  oneLine(title, 60) || `task ${number}`;
/** What people call it where the room speaks with another task now, and a helper at all times; else ''. */
export const titleBeside = (tasks: Pick<TaskStore, 'isCurrent'>, task: Task | undefined): string =>
  task && (parentOf(task.id) || !tasks.isCurrent(task)) ? titleOf(task) : '';
/**
 * The transaction id of what is said in the room for a task: by it a reply finds that task (room/replies.ts).
 * @param of what it is: said again, also after a restart, it is the same message
 */
export const saidFor = (task: string, of: string = randomUUID()): string =>
  `task-${task}-${sha256(of).slice(0, 36)}`;
/** The task that what was sent under this transaction id is said for. */
export const taskSaid = (txn: string): string | undefined => /^task-(.+)-[0-9a-f-]{36}$/.exec(txn)?.[1];
/** What a task's brain has yet to be told: an action's outcome, or somebody's words. */
export type Owed = { id: string; task: string; text: string; outcome: boolean };
const notePrefix = 'note-';
/** Whether nobody is woken for it. */
export const isNote = ({ id }: Pick<Owed, 'id'>): boolean => id.startsWith(notePrefix);
/** Somebody's words to a task: the event, who sent it (user and device), and how many characters of ours stood before them. */
export type Words = { event: string; task: string; by: string; ahead: number };
/** A question that was asked of a task aside, by the event that it stands in, and that has no answer yet. */
export type AskedAside = { id: string; task: string; event: string };
export type TaskStore = {
  /** From now on the workspace's current one. Those before it go on. */
  add(task: NewTask): Task;
  /** From now on the workspace's current one. */
  choose(id: string): void;
  set(id: string, news: Partial<Pick<Task, 'touched' | 'done' | 'steps' | 'said'>>): void;
  setTitle(id: string, title: string): void;
  get(id: string): Task | undefined;
  bySession(session: string): Task | undefined;
  /** The task that plain words in this workspace's room go to. */
  current(workspace: string): Task | undefined;
  isCurrent(task: Pick<Task, 'id' | 'workspace'>): boolean;
  byNumber(workspace: string, number: number): Task | undefined;
  /** All tasks of a workspace, or of all, from the one touched last on. */
  all(workspace?: string): Task[];
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
  oweFirst(task: string, text: string, key?: string): void;
  /** Notes which task somebody's words were for, so that what comes on them finds it. */
  heard(words: Words): void;
  wordsIn(event: string): Words | undefined;
  /** What is owed under this key is this text from now on. Returns whether anything was. */
  reword(key: string, change: (text: string) => string): boolean;
  /** What brains have yet to be told, oldest first. */
  owed(): Owed[];
  paid(id: string): void;
  /** What somebody said to a task, and its brain was not told, is for another one from now on; nothing else is owed to it. */
  inherit(from: string, to: string): void;
  /** What a task's brain was prompted with and has not answered to the end, oldest first. */
  asked(task: string): string[];
  ask(task: string, text: string): void;
  answered(task: string): void;
  aside(asked: AskedAside): void;
  asideOver(id: string): void;
  asides(): AskedAside[];
  /** Somebody stopped all tasks of a workspace, or one with its helpers: its brain is told nothing before they speak to it. */
  stop(workspace: string, task?: string): void;
  goOn(task: string): void;
  stopped(task: string): boolean;
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
  // What an older bot wrote of stops, a workspace at a time, is carried over.
  db.exec(`
    CREATE TABLE IF NOT EXISTS task(id TEXT PRIMARY KEY, workspace TEXT, session TEXT, title TEXT, createdAt INTEGER) STRICT;
    CREATE TABLE IF NOT EXISTS told(action TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS owed(action TEXT PRIMARY KEY, task TEXT, text TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS asked(task TEXT, text TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS aside(id TEXT PRIMARY KEY, task TEXT, event TEXT) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS stopped(workspace TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS halted(task TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS heard(event TEXT PRIMARY KEY, task TEXT, by TEXT, ahead INTEGER) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS denied(action TEXT PRIMARY KEY, task TEXT, next INTEGER) STRICT;
    CREATE TABLE IF NOT EXISTS task_use(task TEXT PRIMARY KEY, number INTEGER, chosen INTEGER, touched INTEGER,
      done INTEGER DEFAULT 0, steps INTEGER DEFAULT 0, said TEXT DEFAULT '') STRICT, WITHOUT ROWID;
    INSERT OR IGNORE INTO task_use(task, number, chosen, touched)
      SELECT id, row_number() OVER (PARTITION BY workspace ORDER BY rowid), rowid, createdAt FROM task;
    INSERT OR IGNORE INTO halted SELECT id FROM task JOIN stopped USING(workspace);
    DELETE FROM stopped;`);
  const task = (where: string, by: string) =>
    db.prepare(
      `SELECT id, number, workspace, session, title, createdAt, touched, done, steps, said
       FROM task JOIN task_use ON task = id WHERE ${where} ORDER BY ${by} DESC`,
    );
  const byId = task('id = ?', 'chosen');
  const bySession = task('session = ?', 'chosen');
  const currentOf = task('workspace = ?', 'chosen');
  const numbered = task('workspace = ? AND number = ?', 'chosen');
  const all = task("? IN ('', workspace)", 'touched');
  const current = (workspace: string) => currentOf.get(workspace) as Task | undefined;
  const isCurrent = ({ id, workspace }: Pick<Task, 'id' | 'workspace'>) => current(workspace)?.id === id;
  const run = (sql: string, ...values: (string | number)[]) => db.prepare(sql).run(...values);
  const stopped = (of: string): boolean =>
    db.prepare('SELECT 1 FROM halted WHERE task = ?').get(of) !== undefined;
  return {
    add: (t) =>
      db.transaction(() => {
        db.prepare('INSERT INTO task VALUES(:id, :workspace, :session, :title, :createdAt)').run(t);
        run(
          `INSERT INTO task_use(task, number, chosen, touched) VALUES(?, (SELECT count(*) FROM task WHERE workspace = ?),
             (SELECT coalesce(max(chosen), 0) + 1 FROM task_use), ?)`,
          ...[t.id, t.workspace, Date.now()],
        );
        return byId.get(t.id) as Task;
      }),
    choose: (id) =>
      void run('UPDATE task_use SET chosen = (SELECT max(chosen) + 1 FROM task_use) WHERE task = ?', id),
    set(id, news) {
      for (const [column, value] of Object.entries(news))
        run(`UPDATE task_use SET ${column} = ? WHERE task = ?`, value, id);
    },
    setTitle: (id, title) => void run('UPDATE task SET title = ? WHERE id = ?', title, id),
    get: (id) => byId.get(id) as Task | undefined,
    bySession: (session) => bySession.get(session) as Task | undefined,
    current,
    isCurrent,
    byNumber: (workspace, number) => numbered.get(workspace, number) as Task | undefined,
    all: (workspace = '') => all.all(workspace) as Task[],
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
        // An outcome goes by its action's id, which has no hyphen; all else by a word and a hyphen before its key.
        outcome: !o.id.includes('-'),
      }));
    },
    note: (of, text, key) =>
      void run('INSERT OR IGNORE INTO owed VALUES(?, ?, ?)', notePrefix + key, of, text),
    oweFirst: (of, text, key = `said-${randomUUID()}`) =>
      void run(
        'INSERT INTO owed(rowid, action, task, text) SELECT coalesce(min(rowid), 1) - 1, ?, ?, ? FROM owed',
        key,
        of,
        text,
      ),
    heard: (words) =>
      void db.prepare('INSERT OR REPLACE INTO heard VALUES(:event, :task, :by, :ahead)').run(words),
    wordsIn: (event) => db.prepare('SELECT * FROM heard WHERE event = ?').get(event) as Words | undefined,
    reword(key, change) {
      const row = db.prepare('SELECT text FROM owed WHERE action = ?').get(key);
      if (row) run('UPDATE owed SET text = ? WHERE action = ?', change(String(row['text'])), key);
      return row !== undefined;
    },
    asked: (of) =>
      db
        .prepare('SELECT text FROM asked WHERE task = ? ORDER BY rowid')
        .all(of)
        .map(({ text }) => String(text)),
    ask: (of, text) => void run('INSERT INTO asked VALUES(?, ?)', of, text),
    answered: (of) => void run('DELETE FROM asked WHERE task = ?', of),
    paid: (id) => void run('DELETE FROM owed WHERE action = ?', id),
    inherit(from, to) {
      const words = ['wait', 'next', 'said', 'sent'].map((how) => `action GLOB '${how}-*'`).join(' OR ');
      run(`UPDATE owed SET task = ? WHERE task = ? AND (${words})`, to, from);
      run('DELETE FROM owed WHERE task = ?', from);
    },
    aside: ({ id, task: of, event }) => void run('INSERT INTO aside VALUES(?, ?, ?)', id, of, event),
    asideOver: (id) => void run('DELETE FROM aside WHERE id = ?', id),
    asides: () => db.prepare('SELECT * FROM aside').all() as AskedAside[],
    stop(workspace, of = '') {
      const these = "(SELECT id FROM task WHERE workspace = ? AND id || '.' GLOB ?)";
      const which = of ? `${of}.*` : '*';
      db.transaction(() => {
        run(`INSERT OR IGNORE INTO halted ${these.slice(1, -1)}`, workspace, which);
        for (const table of ['denied', 'asked'])
          run(`DELETE FROM ${table} WHERE task IN ${these}`, workspace, which);
      });
    },
    goOn: (of) => void run('DELETE FROM halted WHERE task = ?', of),
    stopped,
    halted: (id) =>
      stopped(id) ? 'the owner stopped this task; end your turn and wait for their words' : '',
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
