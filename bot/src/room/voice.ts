/** What the brain says and does, as the room shows it: words that grow, its list, what failed. */
import type { Logger } from 'pino';
import type { BrainEvent, Todo } from '../brain/brain.ts';
import { message } from '../show/blocks.ts';
import { oneLine } from '../show/visible.ts';
import type { Task, TaskStore } from '../tasks/tasks.ts';
import type { EventId, Matrix, RoomId } from '../types.ts';
import { spoken } from './prose.ts';
import { type Status, statusMessage } from './status.ts';

type SessionEvent = Exclude<BrainEvent, { type: 'up' | 'down' | 'rest' | 'learned' }>;
/** A call of the brain as it was made: which tool, with what. */
export type Made = { tool: string; args: unknown };
export type Voice = {
  /** Shows one event of a task's session; the next one is to wait for it. */
  take(task: Task, e: SessionEvent): Promise<void>;
  /** Resolves when what was said before this call stands in the room, at the latest after a moment. */
  before(session: string, call: Made): Promise<void>;
  /** One line on what a task does. */
  describe(task: Task): string;
};

/** Milliseconds that a card waits for the words before it: what tells of them may be broken. */
const patience = 3000;

export function createVoice(o: {
  matrix: Matrix;
  tasks: TaskStore;
  roomOf(workspace: string): RoomId;
  log: Logger;
}): Voice {
  const { matrix, tasks, log } = o;
  const answers = new Map<string, { part: string; status: Status; text: string; stands: string }>();
  const lists = new Map<string, Status>();
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
  const words = (task: Task, text: string, kind: 'm.text' | 'm.notice' = 'm.text') => {
    const title = titleOf(task);
    return spoken(title ? `agent (${title}):` : 'agent:', text, kind);
  };
  const checklist = (task: Task, items: readonly Todo[]) => {
    const marks = { completed: '☑', in_progress: '▶', cancelled: '☒', pending: '☐' };
    return words(task, items.map((i) => `${marks[i.state]} ${i.text}`).join('\n'), 'm.notice');
  };

  /** What was said so far stands in the room, whether or not more of it comes. */
  async function stand(task: Task): Promise<void> {
    const answer = answers.get(task.session);
    if (!answer?.text.trim() || answer.stands === answer.text) return;
    answer.stands = answer.text;
    await answer.status.finish(words(task, answer.text));
  }
  async function finish(task: Task): Promise<void> {
    await stand(task);
    answers.delete(task.session);
  }

  async function grow(task: Task, e: Extract<SessionEvent, { type: 'text' }>): Promise<void> {
    const room = o.roomOf(task.workspace);
    const outage = unreachable.get(room);
    unreachable.delete(room);
    if (outage) await matrix.edit(room, outage, message('✅ The model answers again.'));
    if (answers.get(e.session)?.part !== e.part) await finish(task);
    const answer = answers.get(e.session) ?? {
      part: e.part,
      status: statusMessage(matrix, room, log),
      text: '',
      stands: '',
    };
    answer.text = e.text;
    answers.set(e.session, answer);
    if (e.done) await stand(task);
    else if (e.text.trim()) answer.status.show(() => words(task, e.text));
  }

  const keyOf = ({ tool, args }: Made): string => `${tool} ${JSON.stringify(args)}`;

  return {
    async take(task, e) {
      const room = o.roomOf(task.workspace);
      switch (e.type) {
        case 'text':
          return grow(task, e);
        case 'call': {
          await stand(task);
          const key = keyOf(e);
          made.set(e.session, (made.get(e.session) ?? new Set()).add(key));
          for (const go of waiting.get(`${e.session} ${key}`) ?? []) go();
          return;
        }
        case 'todo': {
          const list = lists.get(e.session) ?? statusMessage(matrix, room, log);
          lists.set(e.session, list);
          if (e.todos.length > 0) list.show(() => checklist(task, e.todos));
          return;
        }
        case 'busy':
          busy.add(e.session);
          return matrix.typing(room, true);
        case 'idle':
          busy.delete(e.session);
          made.delete(e.session);
          await finish(task);
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
    describe({ title, session }) {
      const cost = costs.get(session);
      return `${title}: ${busy.has(session) ? 'working' : 'idle'}${cost ? ` · ${cost.toFixed(4)} $` : ''}`;
    },
  };
}
