/** Plain words to the brain and its answers to the room: one task is one session, one workspace has one current task. */
import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import type { Page } from '../approval/book.ts';
import { message } from '../approval/card.ts';
import { visible } from '../approval/visible.ts';
import type { Brain, BrainEvent, Picture, Todo } from '../brain/brain.ts';
import { describeOutcome, type Outcome } from '../gateway/outcome.ts';
import type { Hands } from '../gateway/server.ts';
import type { EventId, Matrix, RoomId } from '../matrix/types.ts';
import { type Status, statusMessage } from './status.ts';
import type { Task, TaskStore } from './tasks.ts';

export type ConversationOptions = {
  /** Absent where no model is configured. */
  brain: Brain | undefined;
  model: string;
  /** Opens a task's address at the gateway: the only hands its session has. */
  hands(task: string, workspace: string): Hands;
  tasks: TaskStore;
  matrix: Matrix;
  roomOf(workspace: string): RoomId;
  /** Why a text must not go to the brain, or ''. */
  leak(text: string): string;
  /** The picture that an action put into the workspace, if it was one; absent where the model sees none. */
  picture?(action: string): Promise<Picture | undefined>;
  log: Logger;
};
export type Conversation = {
  currentTask(workspace: string): Task;
  newTask(workspace: string, title: string): Task;
  /** Words of an enrolled device. Returns what to say at once, or ''. @param about the action that they reply to, or '' */
  hear(workspace: string, text: string, about?: string): Promise<string>;
  /** A file that is there now, and the words that came with it. Returns what to say at once, or ''. @param action that put it there */
  tell(task: string, text: string, action: string): Promise<string>;
  /**
   * An action of the brain is over. `delivered` when its open tool call carried the outcome to it already; otherwise the
   * brain is prompted with it, as soon as it is there.
   */
  over(page: Page, outcome: Outcome, delivered: boolean): Promise<void>;
  /** Never throws: a brain that is not there does nothing either. */
  interrupt(workspace: string): Promise<void>;
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
/** Bytes of the brain's words in one message: an edit carries them four times, and a homeserver takes 65,536 in all. */
const mostSaid = 8000;

/** What is owed of a file that was sent goes by this and its action. */
const sentPrefix = 'sent-';

const taskId = (): string =>
  Array.from({ length: 8 }, () => 'abcdefghijklmnopqrstuvwxyz'[randomInt(26)]).join('');

export function createConversation(o: ConversationOptions): Conversation {
  const { brain, tasks, matrix, log } = o;
  const answers = new Map<string, { part: string; status: Status; text: string }>();
  const lists = new Map<string, Status>();
  const costs = new Map<string, number>();
  /** The message in each room that the model cannot be reached: one an outage, edited once it answers. */
  const unreachable = new Map<RoomId, EventId>();
  const busy = new Set<string>();
  let up = false;

  const say = (workspace: string, text: string) =>
    matrix.post(o.roomOf(workspace), 'm.room.message', message([{ line: text }], 'm.text'));
  /** The brain's own words: visible characters only, as text and never as markup, every line marked as not the bot's. */
  function words(text: string, kind: 'm.text' | 'm.notice' = 'm.text') {
    const bytes = Buffer.from(text);
    const said = visible(bytes.subarray(0, mostSaid).toString()).text;
    const cut = bytes.length > mostSaid ? [{ line: 'cut here: it was longer' }] : [];
    return message([{ line: 'agent:' }, { said }, ...cut], kind);
  }
  const checklist = (items: readonly Todo[]) => {
    const marks = { completed: '☑', in_progress: '▶', cancelled: '☒', pending: '☐' };
    return words(items.map((i) => `${marks[i.state]} ${i.text}`).join('\n'), 'm.notice');
  };

  async function finishAnswer(session: string): Promise<void> {
    const answer = answers.get(session);
    answers.delete(session);
    if (answer?.text.trim()) await answer.status.finish(words(answer.text));
  }

  async function onEvent(e: BrainEvent): Promise<void> {
    if (!('session' in e)) {
      up = e.type === 'up';
      if (up) void pay();
      return;
    }
    const task = tasks.bySession(e.session);
    if (!task) return;
    const room = o.roomOf(task.workspace);
    switch (e.type) {
      case 'text': {
        const outage = unreachable.get(room);
        unreachable.delete(room);
        if (outage) await matrix.edit(room, outage, message([{ line: '✅ The model answers again.' }]));
        if (answers.get(e.session)?.part !== e.part) await finishAnswer(e.session);
        const answer = answers.get(e.session) ?? {
          part: e.part,
          status: statusMessage(matrix, room, log),
          text: '',
        };
        answer.text = e.text;
        answers.set(e.session, answer);
        if (e.done) await finishAnswer(e.session);
        else if (e.text.trim()) answer.status.show(words(e.text));
        return;
      }
      case 'todo': {
        const list = lists.get(e.session) ?? statusMessage(matrix, room, log);
        lists.set(e.session, list);
        if (e.todos.length > 0) list.show(checklist(e.todos));
        return;
      }
      case 'busy':
        busy.add(e.session);
        return matrix.typing(room, true);
      case 'idle':
        busy.delete(e.session);
        await finishAnswer(e.session);
        return matrix.typing(room, false);
      case 'error':
        await finishAnswer(e.session);
        if (e.code === 'aborted') return;
        if (e.code !== 'model_unreachable') await say(task.workspace, `⚠️ ${e.message}`);
        else if (!unreachable.has(room)) unreachable.set(room, await say(task.workspace, `⚠️ ${e.message}`));
        return;
      case 'cost':
        costs.set(e.session, e.dollars);
    }
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

  async function prompt(task: Task, text: string, owed: string): Promise<void> {
    const leak = o.leak(`${task.title}\n${text}`);
    if (leak) throw new Error(`Not told to the agent: ${leak}.`);
    if (!brain) return;
    const sent = owed.startsWith(sentPrefix) ? owed.slice(sentPrefix.length) : '';
    const picture = sent ? await o.picture?.(sent) : undefined;
    await brain.prompt(await sessionOf(brain, task), text, picture ? [picture] : []);
  }

  let paying: Promise<void> = Promise.resolve();
  let again: NodeJS.Timeout | undefined;
  /** Tells brains what they are owed; what can't be told now is told when the brain is up, or takes it, again. */
  function pay(): Promise<void> {
    const all = async () => {
      const stuck = new Set<string>();
      for (const { action, task: id, text } of tasks.owed()) {
        if (stuck.has(id)) continue; // in order
        const task = tasks.get(id);
        try {
          if (task) await prompt(task, text, action);
          tasks.paid(action);
        } catch (error) {
          stuck.add(id);
          log.warn({ task: id, err: error }, 'the brain was not told something yet');
        }
      }
      clearTimeout(again);
      if (up && stuck.size > 0) again = setTimeout(pay, payAgain).unref();
    };
    paying = paying.then(all);
    return paying;
  }

  return {
    currentTask,
    newTask,
    async hear(workspace, text) {
      if (!brain) return noModel;
      const task = currentTask(workspace);
      const leak = o.leak(`${task.title}\n${text}`);
      if (leak) throw new Error(`Not told to the agent: ${leak}.`);
      const denied = tasks.takeReason(workspace);
      tasks.owe(task.id, denied ? `${denied} The owner's reason: ${text}` : text);
      await pay();
      return tasks.owed().some((owed) => owed.task === task.id) ? kept : '';
    },
    async tell(task, text, action) {
      if (!brain) return noModel;
      const leak = o.leak(text);
      if (leak) return `⚠️ Not told to the agent: ${leak}.`;
      tasks.owe(task, text, sentPrefix + action);
      await pay();
      return tasks.owed().some((owed) => owed.task === task) ? kept : '';
    },
    async over(page, outcome, delivered) {
      const task = tasks.get(page.action.task);
      if (!task || page.action.requester !== 'brain') return;
      const owed = { task: task.id, text: describeOutcome(page.action.id, outcome) };
      if (!tasks.tell(page.action.id, delivered ? undefined : owed)) return;
      if (outcome.state === 'denied')
        tasks.expectReason(task.workspace, `About action ${page.action.id}, which was denied.`);
      void pay();
    },
    async interrupt(workspace) {
      const task = tasks.current(workspace);
      if (!brain || !task?.session) return;
      await brain
        .abort(task.session)
        .catch((error: unknown) => log.warn({ err: error }, 'the brain was not interrupted'));
    },
    describe(workspace) {
      const task = tasks.current(workspace);
      if (!task) return ['no task yet'];
      const cost = costs.get(task.session);
      const state = busy.has(task.session) ? 'working' : 'idle';
      return [`task ${task.title}: ${state}${cost ? ` · ${cost.toFixed(4)} $` : ''}`];
    },
    modelName: () =>
      brain ? `The model is ${o.model}. It is chosen in pocketcoder.yaml, at the console.` : noModel,
    brainIsUp: () => up,
    listen() {
      for (const task of tasks.withSession())
        brain?.resume({ session: task.session, task: o.hands(task.id, task.workspace) });
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
