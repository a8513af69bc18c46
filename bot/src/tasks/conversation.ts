/** Plain words to the brain and its answers to the room: one task is one session, one workspace has one current task. */
import { randomInt } from 'node:crypto';
import { reasons } from '@pocketcoder/ledger/rules/codes.cjs';
import type { Logger } from 'pino';
import type { Page } from '../approval/view.ts';
import type { Acting, Brain, BrainEvent, Picture } from '../brain/brain.ts';
import type { Costs } from '../brain/costs.ts';
import { noModel } from '../brain/models.ts';
import { describeOutcome, type Outcome } from '../gateway/outcome.ts';
import { createVoice, type Made } from '../room/voice.ts';
import { message } from '../show/blocks.ts';
import type { Matrix, RoomId } from '../types.ts';
import { createDebts } from './debts.ts';
import type { Planning } from './planning.ts';
import type { Task, TaskStore } from './tasks.ts';
import { createTurns } from './turns.ts';

export type ConversationOptions = {
  /** Absent where no model is configured. */
  brain: Brain | undefined;
  /** Opens a task's address at the gateway: the only hands its session has. */
  hands(task: string, workspace: string): Acting;
  tasks: TaskStore;
  costs: Pick<Costs, 'take' | 'paused'>;
  planning: Planning;
  /** Every task begins with a plan. */
  planFirst?: boolean;
  matrix: Matrix;
  roomOf(workspace: string): RoomId;
  /** Whether an action that a task's brain asked for is still to end. */
  waits(task: string): boolean;
  /** Why a text must not go to the brain, or ''. */
  leak(text: string): string;
  /** The picture that an action put into the workspace, if it was one and the task's model sees. */
  picture?(action: string, task: string): Promise<Picture | undefined>;
  log: Logger;
};
export type Conversation = {
  currentTask(workspace: string): Task;
  /** Begins a conversation anew: those before it end, and nothing more is told to them. */
  newTask(workspace: string, title: string): Task;
  /** Words of an enrolled device. Returns what to say at once, or ''. @param about the action that they reply to, or '' */
  hear(workspace: string, text: string, about?: string): Promise<string>;
  /** As `hear`, of what is to be planned first. */
  plan(workspace: string, text: string): Promise<string>;
  /** Does without the plan that was asked for. Returns whether one was. */
  withoutPlan(workspace: string): boolean;
  /** A file that is there now, and the words that came with it. Returns what to say at once, or ''. @param action that put it there */
  tell(task: string, text: string, action: string): Promise<string>;
  /** Somebody of an enrolled device turned to the agent again, by a file: a stop is over. */
  goOn(workspace: string): void;
  /**
   * An action of the brain is over. `delivered` when its open tool call carried the outcome to it already; otherwise the
   * brain is prompted with it, as soon as it is there and was not told to stop.
   */
  over(page: Page, outcome: Outcome, delivered: boolean): Promise<void>;
  /** A lease of the network that was open is over: its agent hears that along with what comes next. */
  closed(page: Page, outcome: Outcome): void;
  /**
   * Ends every turn of this workspace's brain; it is told nothing more before somebody speaks, also over a restart. It
   * stands at once; the promise is for the turns' ends. Never throws: a brain that is not there does nothing either.
   */
  interrupt(workspace: string): Promise<void>;
  /** Resolves when what the brain said before this call stands in the room. */
  spoken(task: string, call: Made): Promise<void>;
  describe(workspace: string): string[];
  /** Takes up the sessions of before a restart and begins to show what the brain says. */
  listen(): void;
  brainIsUp(): boolean;
};

const goOn =
  'Your last request was refused for its length; that is set right now. Go on with what you were asked.';

const taskId = (): string =>
  Array.from({ length: 8 }, () => 'abcdefghijklmnopqrstuvwxyz'[randomInt(26)]).join('');

export function createConversation(o: ConversationOptions): Conversation {
  const { brain, tasks, planning, log } = o;
  const voice = createVoice(o);
  const turns = createTurns(tasks, o.waits);
  let up = false;
  const debts = brain && createDebts({ ...o, brain, turns }, () => up);

  async function onEvent(e: BrainEvent): Promise<void> {
    if (!('session' in e)) {
      up = e.type === 'up';
      if (!up) return turns.down();
      // A stop that did not reach it counts all the same.
      const workspaces = new Set(tasks.withSession().map(({ workspace }) => workspace));
      for (const workspace of workspaces) if (tasks.stopped(workspace)) void debts?.end(workspace);
      void debts?.pay();
      return;
    }
    const task = tasks.bySession(e.session);
    if (!task) return;
    if (e.type === 'text') tasks.spoke(task.id);
    if (e.type === 'rest' && tasks.halted(task.id)) return tasks.answered(task.id);
    if (e.type === 'cost') {
      const held = o.costs.take(task.id, e.session, e);
      if (held) await o.matrix.post(o.roomOf(task.workspace), 'm.room.message', message(held, 'm.text'));
      if (held) await brain?.abort(e.session);
    }
    if (e.type === 'learned') {
      await o.matrix.post(o.roomOf(task.workspace), 'm.room.message', message(e.message));
      return void (await debts?.owe(task.id, goOn));
    }
    const say = turns.take(task, e);
    if (say) await o.matrix.post(o.roomOf(task.workspace), 'm.room.message', message(say));
    else if (e.type !== 'rest') await voice.take(task, e);
  }

  function newTask(workspace: string, title: string): Task {
    const id = taskId();
    const task = { id, workspace, session: '', title: title || `task ${id}`, createdAt: Date.now() };
    tasks.add(task);
    if (o.planFirst) planning.begin(id);
    void debts?.end(workspace);
    return task;
  }
  const currentTask = (workspace: string): Task => tasks.current(workspace) ?? newTask(workspace, '');

  /** What to say of words that the agent must not be told, or ''. */
  function kept(text: string): string {
    const leak = o.leak(text);
    return leak && `⚠️ Not told to the agent: ${leak}.`;
  }

  async function hear(workspace: string, text: string, about?: string): Promise<string> {
    if (!debts) return noModel;
    const task = currentTask(workspace);
    const why = kept(`${task.title}\n${text}`);
    if (why) return why;
    tasks.goOn(workspace);
    const denied = tasks.denied(task.id, about);
    const words = denied ? `About action ${denied}, which was denied. The owner's reason: ${text}` : text;
    const said = await debts.owe(task.id, planning.preface(task.id) + words);
    return o.costs.paused(task.id) || said;
  }

  return {
    currentTask,
    newTask,
    hear,
    plan(workspace, text) {
      if (debts) planning.begin(currentTask(workspace).id);
      return hear(workspace, text);
    },
    withoutPlan(workspace) {
      const task = tasks.current(workspace);
      const was = task !== undefined && planning.is(task.id);
      if (was) planning.end(task.id);
      return was;
    },
    async tell(task, text, action) {
      return debts ? kept(text) || debts.owe(task, text, action) : noModel;
    },
    goOn: tasks.goOn,
    async over(page, outcome, delivered) {
      const { id: action, task: of, requester } = page.action;
      const task = tasks.get(of);
      if (!task || requester !== 'brain') return;
      if (page.action.kind === 'plan' && outcome.state === 'applied') planning.end(of);
      const owed = { task: of, text: describeOutcome(action, outcome) };
      const told = delivered || !debts || !tasks.isCurrent(task) || outcome.reason === reasons.replaced;
      if (!tasks.tell(action, told ? undefined : owed) || tasks.halted(of)) return;
      if (outcome.state === 'denied') tasks.deny(action, of);
      void debts?.pay();
    },
    closed({ action: { id, task: of, requester } }, outcome) {
      const task = tasks.get(of);
      if (debts && task && requester === 'brain' && tasks.isCurrent(task))
        tasks.note(of, describeOutcome(id, outcome), id);
    },
    async interrupt(workspace) {
      tasks.stop(workspace);
      await debts?.end(workspace);
    },
    async spoken(task, call) {
      const session = tasks.get(task)?.session;
      if (session) await voice.before(session, call);
    },
    describe(workspace) {
      const task = tasks.current(workspace);
      const first = task && planning.is(task.id) ? ' · a plan first' : '';
      return [task ? voice.describe(task) + first : 'no task yet'];
    },
    brainIsUp: () => up,
    listen() {
      for (const { id, session, workspace } of tasks.withSession().filter(tasks.isCurrent))
        brain?.resume({ session, task: o.hands(id, workspace), asked: tasks.asked(id).length > 0 });
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
