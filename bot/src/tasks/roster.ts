/** The tasks of a room side by side: which of them are there still, and how each stands. */
import { worksApart } from '@pocketcoder/ledger/rules/workspaces.cjs';
import { between, depthOf, parentOf } from './kin.ts';
import type { Planning } from './planning.ts';
import { type Task, type TaskStore, titleOf } from './tasks.ts';

export type TaskState = 'working' | 'waits for you' | 'idle' | 'stopped';
/** A task as people are told of it. `done` of `steps` are those of its own list; 0 of 0 where it has none. */
export type Seen = Pick<Task, 'id' | 'number' | 'title' | 'done' | 'steps'> & {
  /** What it cost, in words; '' for nothing. */
  spent: string;
  state: TaskState;
  /** Nothing of it is done before a plan was approved. */
  plans: boolean;
  /** Plain words in the room go to it. */
  current: boolean;
};
export type RosterOptions = {
  tasks: TaskStore;
  planning: Pick<Planning, 'is'>;
  /** What a task cost, in words; '' for nothing. */
  spent(task: string): string;
  /** Whether a turn of the task's brain is under way. */
  works(task: string): boolean;
  /** Whether an action that a task's brain asked for, or a helper of its, is still to end. */
  waits(task: string): boolean;
  /** Whether this is a helper that has not come to its end. */
  helps(task: string): boolean;
  /** Whether something of a task waits for an answer of its owner. */
  asks(task: string): boolean;
};
export type Roster = {
  isAtWork(task: string): boolean;
  /** The tasks of a workspace that are not archived, by their numbers; helpers, as long as they work, below whose they are. */
  listed(workspace: string): Task[];
  view(workspace: string): Seen[];
};

/** So many tasks of a workspace are kept at hand, where nobody turned to them so long (milliseconds). Those at work always are. */
export const most = 8;
const forgotten = 7 * 86_400_000;

export function createRoster({ tasks, planning, spent, works, waits, asks, helps }: RosterOptions): Roster {
  function state(id: string): TaskState {
    if (tasks.stopped(id)) return 'stopped';
    if (asks(id)) return 'waits for you';
    return works(id) || waits(id) || tasks.asked(id).length > 0 ? 'working' : 'idle';
  }
  const isAtWork = (id: string): boolean => ['working', 'waits for you'].includes(state(id));
  // Nothing is written where one is archived, so that whoever speaks to it has it back.
  const listed = (workspace: string): Task[] => {
    const all = tasks.all(workspace);
    const [helpers, own] = [all.filter((t) => helps(t.id)), all.filter((t) => !parentOf(t.id))];
    const below = (of: string): Task[] => inOrder(helpers.filter((t) => parentOf(t.id) === of));
    const withHelpers = (t: Task): Task[] => [t, ...below(t.id).flatMap(withHelpers)];
    const kept = own.filter(
      (t, at) =>
        tasks.isCurrent(t) ||
        isAtWork(t.id) ||
        below(t.id).length > 0 ||
        (at < most && Date.now() - t.touched < forgotten),
    );
    return inOrder(kept).flatMap(withHelpers);
  };
  return {
    isAtWork,
    listed,
    view: (workspace) =>
      listed(workspace).map((t) => ({
        ...{ id: t.id, number: t.number, title: titleOf(t), done: t.done, steps: t.steps },
        spent: parentOf(t.id) ? '' : spent(t.id), // its task's line has it
        ...{ state: state(t.id), plans: planning.is(t.id), current: tasks.isCurrent(t) },
      })),
  };
}

const inOrder = (tasks: Task[]): Task[] => tasks.sort((a, b) => a.number - b.number);

/** How people are told of a task. @param several whether to say which of them their words go to */
export function lineOf(t: Seen, several: boolean): string {
  const about = [
    worksApart(t.id) && 'apart',
    t.state,
    t.plans && 'a plan first',
    t.steps > 0 && `${t.done} of ${t.steps}`,
    t.spent,
  ];
  const whose = '› '.repeat(depthOf(t.id));
  const title = whose ? (t.title.split(between).at(-1) ?? '') : t.title;
  return `${several && t.current ? '👉 ' : ''}${whose}${t.number} · ${title}: ${about.filter(Boolean).join(' · ')}`;
}

/** That a task's question waits. */
export const asksLine = (title: string): string => `❓ ${title} · asks you something`;
