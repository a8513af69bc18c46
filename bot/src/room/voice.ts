/** What the brain says and does, as the room shows it: words that grow, its list, what failed. */
import type { Logger } from 'pino';
import type { BrainEvent } from '../brain/brain.ts';
import { message } from '../show/blocks.ts';
import { oneLine } from '../show/visible.ts';
import type { Task, TaskStore } from '../tasks/tasks.ts';
import type { EventId, Matrix, RoomId } from '../types.ts';
import type { Lists } from './lists.ts';
import { spoken } from './prose.ts';
import { type Status, statusMessage } from './status.ts';

type SessionEvent = Exclude<BrainEvent, { type: 'up' | 'down' | 'rest' }>;
/** A call of the brain as it was made: which tool, with what. */
export type Made = { tool: string; args: unknown };
export type Voice = {
  /** Shows one event of a task's session; the next one is to wait for it. */
  take(task: Task, e: SessionEvent): Promise<void>;
  /** Resolves when what was said before this call stands in the room, at the latest after a moment. */
  before(session: string, call: Made): Promise<void>;
  /** One line on what a task does. */
  describe(task: Task): string;
  /** The same, for the room's pinned message. */
  view(task: Task): { state: 'working' | 'idle'; dollars: number };
};

type Kind = 'm.text' | 'm.notice';
/** A part of what it says; `kind` is set once it is in the room: an answer notifies, words on the way to one do not. */
type Answer = { part: string; status: Status; text: string; stands: string; done: boolean; kind?: Kind };

/**
 * Milliseconds that its words are held back: what ends meanwhile is shown as what it is, by whether a call follows or the
 * turn ends. What goes on for longer is taken for an answer.
 */
const settling = 700;

/** Milliseconds that a card waits for the words before it: what tells of them may be broken. */
const patience = 3000;

export function createVoice(o: {
  matrix: Matrix;
  tasks: TaskStore;
  lists: Pick<Lists, 'set'>;
  roomOf(workspace: string): RoomId;
  log: Logger;
}): Voice {
  const { matrix, tasks, log } = o;
  const answers = new Map<string, Answer>();
  const costs = new Map<string, number>();
  const busy = new Set<string>();
  /** The message in each room that the model cannot be reached: one an outage, edited once it answers. */
  const unreachable = new Map<RoomId, EventId>();
  /** Calls of the turn whose words stand, and who waits for that. */
  const made = new Map<string, Set<string>>();
  const waiting = new Map<string, Set<() => void>>();

  /** The task's name where it is not the one that the room speaks with now. */
  const titleOf = (task: Task): string => (tasks.isCurrent(task) ? '' : oneLine(task.title, 60));
  const warn = (room: RoomId, text: string) =>
    matrix.post(room, 'm.room.message', message(`⚠️ ${text}`, 'm.text'));
  const words = (task: Task, text: string, kind: Kind) => {
    const title = titleOf(task);
    return spoken(title ? `agent (${title}):` : 'agent:', text, kind);
  };

  /** What was said so far stands in the room, whether or not more of it comes. */
  async function stand(task: Task, kind: Kind): Promise<void> {
    const answer = answers.get(task.session);
    if (!answer?.text.trim() || answer.stands === answer.text) return;
    answer.stands = answer.text;
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
    const answer: Answer = answers.get(e.session) ?? {
      part: e.part,
      status: statusMessage(matrix, room, log, { after: settling }),
      ...{ text: '', stands: '', done: false },
    };
    Object.assign(answer, { text: e.text, done: e.done });
    answers.set(e.session, answer);
    if (!e.text.trim()) return;
    answer.status.show(() => {
      answer.kind ??= answer.done ? 'm.notice' : 'm.text';
      return words(task, answer.text, answer.kind);
    });
  }

  const keyOf = ({ tool, args }: Made): string => `${tool} ${JSON.stringify(args)}`;

  return {
    async take(task, e) {
      const room = o.roomOf(task.workspace);
      switch (e.type) {
        case 'text':
          return grow(task, e);
        case 'call': {
          await stand(task, 'm.notice');
          const key = keyOf(e);
          made.set(e.session, (made.get(e.session) ?? new Set()).add(key));
          for (const go of waiting.get(`${e.session} ${key}`) ?? []) go();
          return;
        }
        case 'todo':
          return o.lists.set(task.id, e.todos);
        case 'busy':
          busy.add(e.session);
          return matrix.typing(room, true);
        case 'idle':
          busy.delete(e.session);
          made.delete(e.session);
          await finish(task, 'm.text');
          return matrix.typing(room, false);
        case 'error':
          await finish(task);
          if (e.code === 'aborted') return;
          if (e.code !== 'model_unreachable') {
            const title = titleOf(task);
            await warn(room, title ? `${title}: ${e.message}` : e.message);
          } else if (!unreachable.has(room)) unreachable.set(room, await warn(room, e.message));
          return;
        case 'cost':
          costs.set(e.session, e.dollars);
      }
    },
    async before(session, call) {
      if (made.get(session)?.has(keyOf(call))) return;
      const key = `${session} ${keyOf(call)}`;
      const mine = waiting.get(key) ?? new Set();
      waiting.set(key, mine);
      await new Promise<void>((resolve) => {
        mine.add(resolve);
        setTimeout(resolve, patience).unref();
      });
      waiting.delete(key);
    },
    view: ({ session }) => ({
      state: busy.has(session) ? 'working' : 'idle',
      dollars: costs.get(session) ?? 0,
    }),
    describe({ title, session }) {
      const cost = costs.get(session);
      return `${title}: ${busy.has(session) ? 'working' : 'idle'}${cost ? ` · ${cost.toFixed(4)} $` : ''}`;
    },
  };
}
