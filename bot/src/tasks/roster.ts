/** The tasks of a room side by side: which of them are there still, and how each stands. */
import { nameOf, type Task, type TaskStore } from './tasks.ts';

export type TaskState = 'working' | 'waits for you' | 'idle' | 'stopped';
/** A task as people are told of it. `done` of `steps` are those of its own list; 0 of 0 where it has none. */
export type Seen = Pick<Task, 'id' | 'number' | 'title' | 'done' | 'steps' | 'dollars'> & {
  state: TaskState;
  /** Its agent is to put a plan first. */
  plans: boolean;
  /** Plain words in the room go to it. */
  current: boolean;
};
export type RosterOptions = {
  tasks: TaskStore;
  /** Whether a turn of the task's brain is under way. */
  works(task: string): boolean;
  /** Whether an action that a task's brain asked for is still to end. */
  waits(task: string): boolean;
  /** Whether something of a task waits for an answer of its owner. */
  asks(task: string): boolean;
  plans(task: string): boolean;
};
export type Roster = {
  isAtWork(task: string): boolean;
  /** The tasks of a workspace that are not archived, by their numbers. */
  listed(workspace: string): Task[];
  view(workspace: string): Seen[];
};

/** So many tasks of a workspace are kept at hand, where nobody turned to them so long (milliseconds). Those at work always are. */
export const most = 8;
const forgotten = 7 * 86_400_000;

export function createRoster({ tasks, works, waits, asks, plans }: RosterOptions): Roster {
  function state(id: string): TaskState {
    if (tasks.stopped(id)) return 'stopped';
    if (asks(id)) return 'waits for you';
    return works(id) || waits(id) || tasks.asked(id).length > 0 ? 'working' : 'idle';
  }
  const isAtWork = (id: string): boolean => ['working', 'waits for you'].includes(state(id));
  // Nothing is written where one is archived, so that whoever speaks to it has it back.
  const listed = (workspace: string): Task[] =>
    tasks
      .all(workspace)
      .filter(
        (t, at) => tasks.isCurrent(t) || isAtWork(t.id) || (at < most && Date.now() - t.touched < forgotten),
      )
      .sort((a, b) => a.number - b.number);
  return {
    isAtWork,
    listed,
    view: (workspace) =>
      listed(workspace).map((t) => ({
        ...{ id: t.id, number: t.number, title: nameOf(t), done: t.done, steps: t.steps, dollars: t.dollars },
        ...{ state: state(t.id), plans: plans(t.id), current: tasks.isCurrent(t) },
      })),
  };
}
