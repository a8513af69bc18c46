/** Plain words to the brain and its answers to the room: one task is one session, one workspace has one current task. */
import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import type { Page } from '../approval/view.ts';
import type { Brain, BrainEvent, Picture } from '../brain/brain.ts';
import { describeOutcome, type Outcome } from '../gateway/outcome.ts';
import type { Hands } from '../gateway/server.ts';
import { createVoice, type Made } from '../room/voice.ts';
import { message } from '../show/card.ts';
import type { Matrix, RoomId } from '../types.ts';
import type { Owed, Task, TaskStore } from './tasks.ts';
import { createTurns } from './turns.ts';

export type ConversationOptions = {
  /** Absent where no model is configured. */
  brain: Brain | undefined;
  model: string;
  /** Opens a task's address at the gateway: the only hands its session has. */
  hands(task: string, workspace: string): Hands;
  tasks: TaskStore;
  matrix: Matrix;
  roomOf(workspace: string): RoomId;
  /** Whether an action that a task's brain asked for is still to end. */
  waits(task: string): boolean;
  /** Why a text must not go to the brain, or ''. */
  leak(text: string): string;
  /** The picture that an action put into the workspace, if it was one; absent where the model sees none. */
  picture?(action: string): Promise<Picture | undefined>;
  log: Logger;
};
export type Conversation = {
  currentTask(workspace: string): Task;
  /** Begins a conversation anew: those before it end, and nothing more is told to them. */
  newTask(workspace: string, title: string): Task;
  /** Words of an enrolled device. Returns what to say at once, or ''. @param about the action that they reply to, or '' */
  hear(workspace: string, text: string, about?: string): Promise<string>;
  /** A file that is there now, and the words that came with it. Returns what to say at once, or ''. @param action that put it there */
  tell(task: string, text: string, action: string): Promise<string>;
  /** Somebody of an enrolled device turned to the agent again, by a file: a stop is over. */
  goOn(workspace: string): void;
  /**
   * An action of the brain is over. `delivered` when its open tool call carried the outcome to it already; otherwise the
   * brain is prompted with it, as soon as it is there and was not told to stop.
   */
  over(page: Page, outcome: Outcome, delivered: boolean): Promise<void>;
  /**
   * Ends every turn of this workspace's brain; it is told nothing more before somebody speaks, also over a restart. It
   * stands at once; the promise is for the turns' ends. Never throws: a brain that is not there does nothing either.
   */
  interrupt(workspace: string): Promise<void>;
  /** Resolves when what the brain said before this call stands in the room. */
  spoken(task: string, call: Made): Promise<void>;
  describe(workspace: string): string[];
  modelName(): string;
  /** Takes up the sessions of before a restart and begins to show what the brain says. */
  listen(): void;
  brainIsUp(): boolean;
};

const noModel =
  'No model is configured, so nobody can answer this. !run COMMAND works without one; docs/models.md says how to add a model.';
const kept = 'The agent does not take that now. It is kept, and told to it as soon as it does.';
/** Milliseconds until a brain that is up and did not take something is told it again. */
const payAgain = 10_000;

/** What is owed of a file that was sent goes by this and its action. */
const sentPrefix = 'sent-';

const taskId = (): string =>
  Array.from({ length: 8 }, () => 'abcdefghijklmnopqrstuvwxyz'[randomInt(26)]).join('');

export function createConversation(o: ConversationOptions): Conversation {
  const { brain, tasks, log } = o;
  const voice = createVoice(o);
  const turns = createTurns(tasks, o.waits);
  let up = false;

  async function onEvent(e: BrainEvent): Promise<void> {
    if (!('session' in e)) {
      up = e.type === 'up';
      if (!up) return turns.down();
      // A stop that did not reach it counts all the same.
      const workspaces = new Set(tasks.withSession().map(({ workspace }) => workspace));
      for (const workspace of workspaces) if (tasks.stopped(workspace)) void end(workspace);
      void pay();
      return;
    }
    const task = tasks.bySession(e.session);
    if (!task) return;
    if (e.type === 'text') tasks.spoke(task.id);
    if (e.type === 'rest' && tasks.halted(task.id)) return tasks.answered(task.id);
    const say = turns.take(task, e);
    if (say) await o.matrix.post(o.roomOf(task.workspace), 'm.room.message', message([{ line: say }]));
    else if (e.type !== 'rest') await voice.take(task, e);
  }

  const isCurrent = (task: Task): boolean => tasks.current(task.workspace)?.id === task.id;

  /** Sessions of earlier tasks that were ended: nothing begins a turn of theirs again. */
  const over = new Set<string>();
  /** Ends what the sessions of a workspace do, now and once more when nothing is on its way to them any longer. */
  function end(workspace: string): Promise<void> {
    const one = async (task: Task, last: boolean) => {
      try {
        await brain?.abort(task.session);
        if (last && !isCurrent(task)) over.add(task.session);
      } catch (error) {
        log.warn({ task: task.id, err: error }, 'the brain was not interrupted');
      }
    };
    const all = async (last: boolean) => {
      const some = tasks.withSession(workspace).filter(({ session }) => !over.has(session));
      await Promise.all(some.map((task) => one(task, last)));
    };
    const now = all(false);
    paying = paying.then(() => all(true));
    return now;
  }

  function newTask(workspace: string, title: string): Task {
    const id = taskId();
    const task: Task = {
      id,
      workspace,
      session: '',
      title: title || `task ${id}`,
      createdAt: Date.now(),
    };
    tasks.add(task);
    void end(workspace);
    return task;
  }
  const currentTask = (workspace: string): Task => tasks.current(workspace) ?? newTask(workspace, '');

  const beginning = new Map<string, Promise<string>>();
  async function begin(to: Brain, { id, title, workspace }: Task): Promise<string> {
    const session = await to.createSession({ title, task: o.hands(id, workspace) });
    tasks.setSession(id, session);
    return session;
  }

  /** A task's session is made with its first words, once for all that come meanwhile: `!run` alone needs no brain. */
  async function sessionOf(to: Brain, task: Task): Promise<string> {
    const known = tasks.get(task.id)?.session;
    if (known) return known;
    const begun = beginning.get(task.id) ?? begin(to, task).finally(() => beginning.delete(task.id));
    beginning.set(task.id, begun);
    return begun;
  }

  async function prompt(task: Task, some: readonly Owed[]): Promise<void> {
    const text = some.map((owed) => owed.text).join('\n\n');
    const leak = o.leak(`${task.title}\n${text}`);
    if (leak) throw new Error(`Not told to the agent: ${leak}.`);
    if (!brain) return;
    const sent = some.filter(({ id }) => id.startsWith(sentPrefix));
    const pictures = await Promise.all(sent.map(({ id }) => o.picture?.(id.slice(sentPrefix.length))));
    const seen = pictures.filter((picture) => picture !== undefined);
    await brain.prompt(await sessionOf(brain, task), text, seen);
    turns.asked(task, text);
  }

  let paying: Promise<void> = Promise.resolve();
  let again: NodeJS.Timeout | undefined;
  /** Tells each brain at once all that it is owed; what can't be told now is told when the brain is up, or takes it, again. */
  function pay(): Promise<void> {
    const all = async () => {
      let stuck = false;
      const owed = Map.groupBy(tasks.owed(), ({ task }) => task);
      for (const [id, some] of owed) stuck = !(await payTask(id, some)) || stuck;
      clearTimeout(again);
      if (up && stuck) again = setTimeout(pay, payAgain).unref();
    };
    paying = paying.then(all);
    return paying;
  }

  /** @returns false where it is to be tried again by itself */
  async function payTask(id: string, some: readonly Owed[]): Promise<boolean> {
    const task = tasks.get(id);
    const isOver = task && !isCurrent(task);
    if (tasks.halted(id) && !isOver) return true;
    try {
      if (task && !isOver) await prompt(task, some);
    } catch (error) {
      log.warn({ task: id, err: error }, 'the brain was not told something yet');
      return false;
    }
    for (const owed of some) tasks.paid(owed.id);
    toldKept.delete(id);
    return true;
  }
  /** Tasks whose brain takes nothing at present, and where that was said. */
  const toldKept = new Set<string>();
  /** Notes words and tells them. Returns what to say: that they are kept, once as long as nothing is taken. */
  async function owe(task: string, text: string, key?: string): Promise<string> {
    const id = tasks.owe(task, text, key);
    await pay();
    // What came after it may be on its way still.
    const isKept = tasks.owed().some((owed) => owed.id === id) && !tasks.halted(task);
    if (!isKept || toldKept.has(task)) return '';
    toldKept.add(task);
    return kept;
  }

  return {
    currentTask,
    newTask,
    async hear(workspace, text, about) {
      if (!brain) return noModel;
      const task = currentTask(workspace);
      const leak = o.leak(`${task.title}\n${text}`);
      if (leak) throw new Error(`Not told to the agent: ${leak}.`);
      tasks.goOn(workspace);
      const denied = tasks.denied(task.id, about);
      const words = denied ? `About action ${denied}, which was denied. The owner's reason: ${text}` : text;
      return owe(task.id, words);
    },
    async tell(task, text, action) {
      if (!brain) return noModel;
      const leak = o.leak(text);
      return leak ? `⚠️ Not told to the agent: ${leak}.` : owe(task, text, sentPrefix + action);
    },
    goOn: tasks.goOn,
    async over(page, outcome, delivered) {
      const { id: action, task: of, requester } = page.action;
      const task = tasks.get(of);
      if (!task || requester !== 'brain') return;
      const owed = { task: of, text: describeOutcome(action, outcome) };
      if (!tasks.tell(action, delivered || !isCurrent(task) ? undefined : owed) || tasks.halted(of)) return;
      if (outcome.state === 'denied') tasks.deny(action, of);
      void pay();
    },
    interrupt(workspace) {
      tasks.stop(workspace);
      return end(workspace);
    },
    async spoken(task, call) {
      const session = tasks.get(task)?.session;
      if (session) await voice.before(session, call);
    },
    describe(workspace) {
      const task = tasks.current(workspace);
      return [task ? voice.describe(task) : 'no task yet'];
    },
    modelName: () =>
      brain ? `The model is ${o.model}. It is chosen in pocketcoder.yaml, at the console.` : noModel,
    brainIsUp: () => up,
    listen() {
      for (const task of tasks.withSession().filter(isCurrent))
        brain?.resume({
          session: task.session,
          task: o.hands(task.id, task.workspace),
          asked: tasks.asked(task.id).length > 0,
        });
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
