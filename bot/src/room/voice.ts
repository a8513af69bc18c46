/** What the brain says and does, as the room shows it: words that grow, its list, what failed. */
import { within } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { BrainEvent } from '../brain/brain.ts';
import { message } from '../show/blocks.ts';
import { parentOf } from '../tasks/kin.ts';
import { saidFor, type Task, type TaskStore, titleBeside } from '../tasks/tasks.ts';
import type { EventId, Matrix, RoomId } from '../types.ts';
import type { Lists } from './lists.ts';
import { spoken } from './prose.ts';
import { type Status, statusMessage } from './status.ts';

type SessionEvent = Exclude<BrainEvent, { type: 'up' | 'down' | 'rest' | 'learned' }>;
/** A call of the brain as it was made: which tool, with what. */
export type Made = { tool: string; args: unknown };
export type Voice = ReturnType<typeof createVoice>;

type Kind = 'm.text' | 'm.notice';
/** A part of what it says; `kind` is set once it is in the room: an answer notifies, words on the way to one do not. */
type Answer = { part: string; status: Status; text: string; stands: string; done: boolean; kind?: Kind };

/**
 * Milliseconds that its words are held back: what ends meanwhile is shown as what it is, by whether a call follows or the
 * turn ends. What goes on for longer is taken for an answer. Whoever asked waits for the first words of a turn; later ones
 * are mostly on the way to the next call, and must not wake a phone.
 */
const settling = { first: 250, later: 700 };

/** Milliseconds that a card waits for the words before it: what tells of them may be broken. */
const patience = 3000;

/** A helper answers its agent, and wakes nobody. */
const answerOf = ({ id }: Pick<Task, 'id'>): Kind => (parentOf(id) ? 'm.notice' : 'm.text');

export function createVoice(o: {
  matrix: Matrix;
  tasks: TaskStore;
  lists: Pick<Lists, 'set'>;
  roomOf(workspace: string): RoomId;
  log: Logger;
}) {
  const { matrix, tasks, log } = o;
  const answers = new Map<string, Answer>();
  /** Sessions with a turn under way, and where. */
  const busy = new Map<string, RoomId>();
  /** The message in each room that the model cannot be reached: one an outage, edited once it answers. */
  const unreachable = new Map<RoomId, EventId>();
  /** Calls of the turn whose words stand, and who waits for that. */
  const made = new Map<string, Set<string>>();
  const waiting = new Map<string, PromiseWithResolvers<void>>();

  let typed: Promise<unknown> = Promise.resolve();
  /** In its order, and nothing waits for it: it is told by every turn, and no words of one. */
  function typing(room: RoomId, on: boolean): void {
    typed = typed
      .then(() => matrix.typing(room, on))
      .catch((error: unknown) => log.warn({ room, err: error }, 'whether the agent types was not told'));
  }

  const say = (task: Task, text: string, kind?: Kind): Promise<unknown> => {
    const title = titleBeside(tasks, task);
    const content = message(title ? `${title}: ${text}` : text, kind);
    return matrix.post(o.roomOf(task.workspace), 'm.room.message', content, { txn: saidFor(task.id) });
  };
  const words = (task: Task, text: string, kind: Kind) => {
    const title = titleBeside(tasks, task);
    return spoken(title ? `agent (${title}):` : 'agent:', text, kind);
  };

  /** What was said so far stands in the room, whether or not more of it comes. */
  async function stand(task: Task, kind: Kind): Promise<void> {
    const answer = answers.get(task.session);
    if (!answer?.text.trim() || answer.stands === answer.text) return;
    answer.stands = answer.text;
    tasks.set(task.id, { said: answer.text.slice(0, 300).toWellFormed(), touched: Date.now() });
    answer.kind ??= kind;
    await answer.status.finish(words(task, answer.text, answer.kind));
  }
  async function finish(task: Task, kind: Kind = 'm.notice'): Promise<void> {
    await stand(task, kind);
    answers.delete(task.session);
  }

  async function grow(task: Task, e: Extract<SessionEvent, { type: 'text' }>): Promise<void> {
    const room = o.roomOf(task.workspace);
    const outage = unreachable.get(room);
    unreachable.delete(room);
    if (outage) await matrix.edit(room, outage, message('✅ The model answers again.'));
    if (answers.get(e.session)?.part !== e.part) await finish(task);
    const begun = (): Answer => {
      const txn = saidFor(task.id, e.part);
      const event = matrix.sentUnder(room, txn);
      const after = made.has(e.session) ? settling.later : settling.first;
      const status = statusMessage(matrix, room, log, { txn, after, ...(event && { event }) });
      return { part: e.part, status, text: '', stands: '', done: false };
    };
    const answer = answers.get(e.session) ?? begun();
    Object.assign(answer, { text: e.text, done: e.done });
    answers.set(e.session, answer);
    if (!e.text.trim()) return;
    const show = () => {
      if (answer.stands === answer.text) return;
      answer.status.show(() => {
        answer.kind ??= answer.done ? 'm.notice' : answerOf(task);
        return words(task, answer.text, answer.kind);
      });
    };
    if (!e.done || answer.kind) return show();
    // A call takes its time to be written, a turn's end none.
    answer.status.drop();
    setTimeout(show, patience).unref();
  }

  const keyOf = ({ tool, args }: Made): string => `${tool} ${JSON.stringify(args)}`;

  return {
    /** Shows one event of a task's session; the next one is to wait for it. */
    async take(task: Task, e: SessionEvent): Promise<void> {
      const room = o.roomOf(task.workspace);
      switch (e.type) {
        case 'text':
          return grow(task, e);
        case 'call': {
          await stand(task, 'm.notice');
          const key = keyOf(e);
          made.set(e.session, (made.get(e.session) ?? new Set()).add(key));
          waiting.get(`${e.session} ${key}`)?.resolve();
          return;
        }
        case 'todo': {
          const steps = e.todos.filter(({ state }) => state !== 'cancelled');
          const done = steps.filter(({ state }) => state === 'completed').length;
          tasks.set(task.id, { done, steps: steps.length });
          return o.lists.set(task.id, e.todos);
        }
        case 'busy':
          busy.set(e.session, room);
          return typing(room, true);
        case 'idle':
          busy.delete(e.session);
          made.delete(e.session);
          await finish(task, answerOf(task));
          return typing(room, [...busy.values()].includes(room));
        case 'error':
          await finish(task);
          if (e.code === 'aborted') return;
          if (e.code !== 'model_unreachable') await say(task, `⚠️ ${e.message}`, 'm.text');
          else if (!unreachable.has(room))
            unreachable.set(
              room,
              await matrix.post(room, 'm.room.message', message(`⚠️ ${e.message}`, 'm.text')),
            );
          return;
      }
    },
    /** Resolves when what was said before this call stands in the room, at the latest after a moment. */
    async before(session: string, call: Made): Promise<void> {
      if (made.get(session)?.has(keyOf(call))) return;
      const key = `${session} ${keyOf(call)}`;
      const mine = waiting.get(key) ?? Promise.withResolvers<void>();
      waiting.set(key, mine);
      await within(mine.promise, patience);
      waiting.delete(key);
    },
    /** A line of the bot's own on a task. */
    say,
  };
}
