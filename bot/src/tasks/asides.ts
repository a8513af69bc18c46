/** Questions aside: asked of a task's brain in a copy that has no hands, beside whatever the task does, and answered below the question. */
import { randomUUID } from 'node:crypto';
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { Acting, Brain } from '../brain/brain.ts';
import type { Spent } from '../brain/costs.ts';
import { spoken } from '../room/prose.ts';
import { message } from '../show/blocks.ts';
import type { Content, Matrix, RoomId } from '../types.ts';
import { isWithin } from './kin.ts';
import { type AskedAside, type Task, type TaskStore, titleBeside } from './tasks.ts';

export type AsidesOptions = {
  brain: Brain;
  hands(task: string, workspace: string): Acting;
  tasks: TaskStore;
  matrix: Matrix;
  roomOf(workspace: string): RoomId;
  /** Counts what a session of a task's took. Returns whether a cap ends it. */
  count(task: Task, session: string, total: Spent): Promise<boolean>;
  /** A line of the bot's own on a task. */
  say(task: Task, text: string): Promise<unknown>;
  log: Logger;
};
export type Asides = {
  /** Asks, and answers below that event. */
  ask(task: Task, text: string, event: string): void;
  /** Ends the questions of a workspace, or of one of its tasks. */
  end(workspace: string, task?: string): void;
  /** Says of those that a restart of the bot ended that they are lost. */
  resume(): void;
};

const preface =
  'The owner asks this aside. Your work is not interrupted: it goes on elsewhere, and hears nothing of this. You have no tools here and change nothing; answer from what you know, in a few sentences:\n\n';

export function createAsides({ brain, tasks, matrix, roomOf, ...o }: AsidesOptions): Asides {
  const under = new Map<string, { task: Task; end: AbortController }>();
  const before = tasks.asides();

  /** Under one id it is said once, however often a restart has it said. */
  async function answer({ id, event }: AskedAside, task: Task, content: Content): Promise<void> {
    if (event) content['m.relates_to'] = { 'm.in_reply_to': { event_id: event } };
    await matrix.post(roomOf(task.workspace), 'm.room.message', content, { txn: `task-${task.id}-${id}` });
    tasks.asideOver(id);
  }
  const line = (task: Task, text: string): Content => {
    const title = titleBeside(tasks, task);
    return message(`⚠️ ${title && `${title}: `}asked aside: ${text}`, 'm.text');
  };

  async function ask(row: AskedAside, task: Task, text: string, end: AbortController): Promise<void> {
    const answered = await brain
      .aside({
        ...{ session: task.session, task: o.hands(task.id, task.workspace) },
        ...{ text: preface + text, signal: end.signal },
        spent(session, total) {
          const counted = o.count(task, session, total).then((held) => held && end.abort());
          counted.catch((error: unknown) => o.log.warn({ task: task.id, err: error }, 'a cap was not told'));
        },
      })
      .catch((error: unknown) => messageOf(error));
    if (typeof answered === 'string') return answer(row, task, line(task, answered));
    const title = titleBeside(tasks, task);
    await answer(row, task, spoken(`agent, asked aside${title && ` (${title})`}:`, answered.said, 'm.text'));
    if (answered.note) await o.say(task, answered.note);
  }

  return {
    ask(task, text, event) {
      const row = { id: randomUUID(), task: task.id, event };
      tasks.aside(row);
      const end = new AbortController();
      under.set(row.id, { task, end });
      ask(row, task, text, end)
        .catch((error: unknown) =>
          o.log.error({ task: task.id, err: error }, 'an answer aside was not shown'),
        )
        .finally(() => under.delete(row.id));
    },
    end(workspace, of) {
      for (const { task, end } of under.values())
        if (task.workspace === workspace && (!of || isWithin(task.id, of))) end.abort();
    },
    resume() {
      for (const row of before) {
        const task = tasks.get(row.task);
        const lost =
          task &&
          answer(row, task, line(task, 'the bot was restarted before the answer came. Ask it again.'));
        lost?.catch((error: unknown) => o.log.error({ task: row.task, err: error }, 'a loss was not told'));
      }
    },
  };
}
