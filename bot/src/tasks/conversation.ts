/** Plain words to the brain and its answers to the room: one task is one session, and several of a workspace go on side by side. */
import { randomInt } from 'node:crypto';
import { reasons } from '@pocketcoder/ledger/rules/codes.cjs';
import { worksApart } from '@pocketcoder/ledger/rules/workspaces.cjs';
import type { Logger } from 'pino';
import { isNo, isYes } from '../approval/said.ts';
import type { Option } from '../approval/verdict.ts';
import type { Page } from '../approval/view.ts';
import type { Acting, Brain, BrainEvent, Picture } from '../brain/brain.ts';
import { briefly, type Costs, type Spent } from '../brain/costs.ts';
import { noModel } from '../brain/models.ts';
import { describeOutcome, type Outcome } from '../gateway/outcome.ts';
import type { Lists } from '../room/lists.ts';
import { createVoice, type Made } from '../room/voice.ts';
import { oneLine, visible } from '../show/visible.ts';
import type { Matrix, RoomId } from '../types.ts';
import { createAsides } from './asides.ts';
import { createDebts } from './debts.ts';
import { between, isWithin, parentOf } from './kin.ts';
import { createMarks } from './marks.ts';
import type { Planning } from './planning.ts';
import type { Questions } from './questions.ts';
import { createRoster, most, type Seen } from './roster.ts';
import { type Task, type TaskStore, titleOf } from './tasks.ts';
import { createTurns } from './turns.ts';

export type ConversationOptions = {
  /** Absent where no model is configured. */
  brain: Brain | undefined;
  /** Opens a task's address at the gateway: the only hands its session has. */
  hands(task: string, workspace: string): Acting;
  tasks: TaskStore;
  lists: Pick<Lists, 'set'>;
  costs: Pick<Costs, 'take' | 'paused' | 'of'>;
  planning: Planning;
  questions: Pick<Questions, 'of' | 'close'>;
  /** Every task begins with a plan. */
  planFirst?: boolean;
  matrix: Matrix;
  roomOf(workspace: string): RoomId;
  /** Whether an action that a task's brain asked for, or a helper of its, is still to end. */
  waits(task: string): boolean;
  /** Whether this is a helper that has not come to its end. */
  helps(task: string): boolean;
  /** Whether something of a task waits for an answer of its owner. */
  asks(task: string): boolean;
  /** Why a text must not go to the brain, or ''. */
  leak(text: string): string;
  /** The picture that an action put into the workspace, if it was one and the task's model sees. */
  picture?(action: string, task: string): Promise<Picture | undefined>;
  log: Logger;
};
/**
 * What goes with somebody's words: the task that they are for, the action that they reply to, a line on what that is, the event that
 * they are, the user and device that sent it, whether it interrupts, and whether they are an option that was voted for.
 */
export type Context = {
  task?: Task;
  about?: string;
  line?: string;
  event?: string;
  by?: string;
  now?: boolean;
  voted?: boolean;
};
export type Conversation = {
  currentTask(workspace: string): Task;
  /** The task that was turned to last of those that work in the workspace itself. */
  taskBeside(workspace: string): Task | undefined;
  /** Begins a task, which is the current one; those before it go on. @param apart in a copy of its own @throws Error where too many are at work */
  newTask(workspace: string, title: string, apart?: boolean): Task;
  /** As `newTask`, of one that is not the current one. */
  beginBeside(workspace: string, title: string): Task;
  /** Begins a helper's task below that of who hands on to it. @throws Error where too many are at work */
  beginHelper(parent: Task, name: string): Task;
  isAtWork(task: string): boolean;
  /** The task of that number is the current one from now on. Undefined where there is none. */
  turnTo(workspace: string, number: number): Task | undefined;
  taskOf(workspace: string, number: number): Task | undefined;
  /** The task of that id where it is one of this workspace's, else the current one. */
  taskIn(workspace: string, id?: string): Task;
  /** An edit of words that wait: they are these from now on. Returns whether they wait, and came from the same user and device. */
  amend(event: string, text: string, by: string): boolean;
  /** The task that somebody's words in that event were for. */
  heardIn(event: string): string | undefined;
  /** The tasks of a workspace whose question waits for an answer. */
  asking(workspace: string): readonly Task[];
  /** The tasks of a workspace that are not archived. */
  overview(workspace: string): Seen[];
  /** Words of an enrolled device, for the current task where they name no other. Returns what to say at once, or ''. */
  hear(workspace: string, text: string, context?: Context): Promise<string>;
  /** As `hear`, of what is to be planned first. */
  plan(task: Task, text: string): Promise<string>;
  /** A vote on what a task's agent asked: words to it, whatever they are. Returns what to say at once, or ''. */
  choose(option: Option): Promise<string>;
  /**
   * Asks a task's brain something aside: it does and hears nothing for it. Answered below that event. Returns what to say at
   * once, or ''.
   */
  aside(task: Task, text: string, event: string): string;
  /** Does without the plan that was asked for. Returns whether one was. */
  withoutPlan(task: Task): boolean;
  /** A file that is there now, and the words that came with it. Returns what to say at once, or ''. @param action that put it there */
  tell(task: string, text: string, action?: string): Promise<string>;
  /** What comes from another agent: told as it stands, and nobody's words. @param key the same again is told once */
  pass(task: string, text: string, key: string): void;
  /** Notes what the other tasks that work in the workspace itself are to hear with what comes next. @param key once each */
  noteOthers(task: string, text: string, key: string): void;
  /** Somebody of an enrolled device turned to this task again, by a file: a stop is over. */
  goOn(task: string): void;
  /**
   * An action of the brain is over. `delivered` when its open tool call carried the outcome to it already; otherwise the
   * brain is prompted with it, as soon as it is there and was not told to stop.
   */
  over(page: Page, outcome: Outcome, delivered: boolean): Promise<void>;
  /** A lease of the network that was open is over: its agent hears that along with what comes next. */
  closed(page: Page, outcome: Outcome): void;
  /**
   * Ends the turns of all tasks of this workspace, or of one; each is told nothing more before somebody speaks to it, also
   * over a restart. It stands at once; the promise is for the turns' ends. Never throws: a brain that is not there does nothing
   * either.
   */
  interrupt(workspace: string, task?: string): Promise<void>;
  /** Resolves when what the brain said before this call stands in the room. */
  spoken(task: string, call: Made): Promise<void>;
  /** Takes up the sessions of before a restart and begins to show what the brain says. */
  listen(): void;
  brainIsUp(): boolean;
};

const goOn =
  'Your last request was refused for its length; that is set right now. Go on with what you were asked.';

const toldApart =
  'You work APART: all you do is in a copy of the workspace of your own, which is your /workspace. What the workspace is meanwhile you read at /main. The owner brings your files back by a merge, which refuses files that both changed: then copy those from /main over yours, tell the owner, and do your part of them anew once they have merged. Commits of yours stay in the copy.';

/** Characters of a title that is taken from words, and of it where helpers' names follow. */
const longestTitle = 40;
const longestOwner = 20;

/** The first of these words, for a task that nobody gave a title. */
function titleFrom(text: string): string {
  const all = text.trim().replace(/\s+/g, ' ');
  if (all.length <= longestTitle) return all;
  const some = all.slice(0, longestTitle + 1).replace(/ \S*$/, '');
  return `${some.slice(0, longestTitle).toWellFormed()}…`;
}

/** The agent's own words as they are told back to it. */
const quoted = (words: string): string => visible(words).text.trim().replace(/^/gm, '> ');

const taskId = (): string =>
  Array.from({ length: 8 }, () => 'abcdefghijklmnopqrstuvwxyz'[randomInt(26)]).join('');

export function createConversation(o: ConversationOptions): Conversation {
  const { brain, tasks, planning, log } = o;
  const voice = createVoice(o);
  const turns = createTurns(tasks, o.waits);
  const roster = createRoster({
    ...o,
    spent: (task) => briefly(o.costs.of(task)),
    works: turns.works,
  });
  let up = false;
  const asides = brain && createAsides({ ...o, brain, count, say: voice.say });
  const debts = brain && createDebts({ ...o, brain, turns, marks: createMarks(o) }, () => up);

  /** Counts what a session of a task's took, and ends the task's turn where a cap does. @returns whether one does */
  async function count(task: Task, session: string, total: Spent): Promise<boolean> {
    const held = o.costs.take(task.id, session, total);
    if (held) await voice.say(task, held, 'm.text');
    const ends = held !== '' || o.costs.paused(task.id) !== '';
    const now = tasks.get(task.id)?.session;
    if (now && (held || (ends && turns.works(task.id)))) await brain?.abort(now);
    return ends;
  }

  async function onEvent(e: BrainEvent): Promise<void> {
    if (!('session' in e)) {
      up = e.type === 'up';
      if (!up) return turns.down();
      // A stop that did not reach it counts all the same.
      void debts?.end(listed().filter(({ id }) => tasks.stopped(id)));
      void debts?.pay();
      return;
    }
    const task = tasks.bySession(e.session);
    if (!task) return;
    if (e.type === 'text') tasks.spoke(task.id);
    if (e.type === 'rest' && tasks.halted(task.id)) return tasks.answered(task.id);
    if (e.type === 'cost') await count(task, e.session, e);
    if (e.type === 'learned') {
      await voice.say(task, e.message);
      return void (await debts?.owe(task, goOn));
    }
    const say = turns.take(task, e);
    if (e.type === 'idle' && up) void debts?.pay();
    if (say) await voice.say(task, say);
    else if (e.type !== 'rest') await voice.take(task, e);
  }

  const listed = (): Task[] =>
    [...new Set(tasks.all().map(({ workspace }) => workspace))].flatMap(roster.listed);

  /** @throws Error where as many are at work as may be */
  function hasRoom(workspace: string): void {
    if (roster.listed(workspace).filter(({ id }) => roster.isAtWork(id)).length >= most)
      throw new Error(
        `${most} tasks are at work here, and none was begun: !stop N ends one, !tasks has them.`,
      );
  }
  function newTask(workspace: string, title: string, apart = false): Task {
    hasRoom(workspace);
    const id = apart ? `apart-${taskId()}` : taskId();
    const task = tasks.add({ id, workspace, session: '', title, createdAt: Date.now() });
    if (o.planFirst) planning.begin(id);
    if (apart) tasks.note(id, toldApart, `${id}-apart`);
    return task;
  }
  /** The task itself; of a helper that came to its end, whose it was. */
  function speaksFor(task: Task): Task {
    const parent = o.helps(task.id) ? undefined : tasks.get(parentOf(task.id));
    return parent ? speaksFor(parent) : task;
  }
  const currentTask = (workspace: string): Task =>
    speaksFor(tasks.current(workspace) ?? newTask(workspace, ''));
  /** Begins one that is not the current one. */
  function beside(workspace: string, begin: () => Task): Task {
    const { id } = currentTask(workspace);
    const task = begin();
    tasks.choose(id);
    return task;
  }

  /** What to say of words that the agent must not be told, or ''. */
  function kept(text: string): string {
    const leak = o.leak(text);
    return leak && `⚠️ Not told to the agent: ${leak}.`;
  }

  async function hear(
    workspace: string,
    text: string,
    { task: of, about, line, event = '', by = '', now, voted }: Context = {},
  ): Promise<string> {
    if (!debts) return noModel;
    const task = of ? speaksFor(of) : currentTask(workspace);
    const title = task.title || titleFrom(text);
    const why = kept(`${title}\n${text}`);
    if (why) return why;
    if (!task.title) tasks.setTitle(task.id, title);
    tasks.set(task.id, { touched: Date.now() });
    tasks.goOn(task.id);
    o.questions.close(task.id, voted ? `answered: ${oneLine(text)}` : 'answered in words');
    // A vote is no reason for a no, whatever was denied before.
    const denied = voted ? undefined : tasks.denied(task.id, about);
    const words = line ? `${line}\n\n${text}` : text;
    const all = denied ? `About action ${denied}, which was denied. The owner's reason: ${words}` : words;
    const whole = planning.preface(task.id) + all;
    if (event) tasks.heard({ event, task: task.id, by, ahead: whole.length - text.length });
    // A reason for a no is told at once, and so is what may be an answer to what the agent asked.
    const waits = event && !denied && !isYes(text) && !isNo(text);
    const said = now ? await debts.now(task, whole) : await debts.owe(task, whole, waits ? { event } : {});
    const held = o.costs.paused(task.id);
    return held ? `${held}. What you said is kept.` : said;
  }

  return {
    currentTask,
    newTask,
    beginBeside: (workspace, title) => beside(workspace, () => newTask(workspace, title)),
    beginHelper(of, name) {
      const { workspace } = of;
      hasRoom(workspace);
      return beside(workspace, () => {
        const id = `${of.id}.${tasks.all(workspace).length + 1}`;
        const title = `${parentOf(of.id) ? of.title : oneLine(titleOf(of), longestOwner)}${between}${name}`;
        return tasks.add({ id, workspace, session: '', title, createdAt: Date.now() });
      });
    },
    isAtWork: roster.isAtWork,
    turnTo(workspace, number) {
      const named = tasks.byNumber(workspace, number);
      const task = named && speaksFor(named);
      if (task) tasks.choose(task.id);
      return task;
    },
    taskBeside: (workspace) => tasks.all(workspace).find(({ id }) => !worksApart(id) && !parentOf(id)),
    taskOf: tasks.byNumber,
    taskIn(workspace, id = '') {
      const task = tasks.get(id);
      return task?.workspace === workspace ? speaksFor(task) : currentTask(workspace);
    },
    amend(event, text, by) {
      const words = tasks.wordsIn(event);
      if (words?.by !== by || kept(text)) return false;
      return debts?.reword(event, (before) => before.slice(0, words.ahead) + text) ?? false;
    },
    heardIn: (event) => tasks.wordsIn(event)?.task,
    asking: (workspace) => roster.listed(workspace).filter(({ id }) => o.questions.of(id)),
    overview: roster.view,
    hear,
    plan(task, text) {
      if (debts) planning.begin(task.id);
      return hear(task.workspace, text, { task });
    },
    async choose({ task: id, question, text }) {
      const task = tasks.get(id);
      const line = `(in answer to your question)\n${quoted(question)}`;
      return task ? hear(task.workspace, text, { task, line, voted: true }) : noModel;
    },
    aside(task, text, event) {
      const why = asides ? kept(text) : noModel;
      const held = o.costs.paused(task.id);
      if (why || held) return why || `${held}. Nothing was asked.`;
      asides?.ask(task, text, event);
      return '';
    },
    withoutPlan({ id }) {
      const was = planning.is(id);
      if (was) planning.end(id);
      return was;
    },
    pass(task, text, key) {
      tasks.owe(task, kept(text) || text, key);
      void debts?.pay();
    },
    noteOthers(task, text, key) {
      const { workspace = '' } = tasks.get(task) ?? {};
      for (const { id, session } of tasks.all(workspace))
        if (session && id !== task && !worksApart(id) && (!parentOf(id) || o.helps(id)))
          tasks.note(id, text, `${id}-${key}`);
    },
    async tell(task, text, action) {
      const to = tasks.get(task);
      return debts && to ? kept(text) || debts.owe(to, text, action ? { file: action } : {}) : noModel;
    },
    goOn: tasks.goOn,
    async over(page, outcome, delivered) {
      const { id: action, task: of, requester } = page.action;
      const task = tasks.get(of);
      if (!task || requester !== 'brain') return;
      if (page.action.kind === 'plan' && outcome.state === 'applied') planning.end(of);
      const owed = { task: of, text: describeOutcome(action, outcome) };
      const gone = parentOf(of) !== '' && !o.helps(of);
      const told = delivered || !debts || gone || outcome.reason === reasons.replaced;
      if (!tasks.tell(action, told ? undefined : owed) || tasks.halted(of)) return;
      if (outcome.state === 'denied') tasks.deny(action, of);
      void debts?.pay();
    },
    closed({ action: { id, task: of, requester } }, outcome) {
      if (debts && tasks.get(of) && requester === 'brain') tasks.note(of, describeOutcome(id, outcome), id);
    },
    async interrupt(workspace, task) {
      const these = roster.listed(workspace).filter(({ id }) => !task || isWithin(id, task));
      tasks.stop(workspace, task);
      asides?.end(workspace, task);
      for (const { id } of these) o.questions.close(id, 'stopped');
      await debts?.end(these);
    },
    async spoken(task, call) {
      const session = tasks.get(task)?.session;
      if (session) await voice.before(session, call);
    },
    brainIsUp: () => up,
    listen() {
      if (debts) listed().forEach(debts.follow);
      asides?.resume();
      // One after the other: two parts of one answer must not overtake each other.
      let chain: Promise<void> = Promise.resolve();
      brain?.events((event) => {
        chain = chain
          .then(() => onEvent(event))
          .catch((error: unknown) => log.warn({ err: error }, 'an answer was not shown'));
      });
    },
  };
}
