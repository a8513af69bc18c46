/** Which tasks' containers are needed: each has one while it works; made again where one is needed after all. */
import type { TaskName } from './container.ts';

/** Milliseconds after which the container of a task that goes on is in the way, and no longer kept warm. */
const idleAfter = 3_600_000;

export type Use = {
  /** An action of this task was asked for, or one ended, at this time in milliseconds since 1970. */
  seen(name: TaskName, at: number): void;
  /**
   * `ended`: another task of its workspace has begun since. `idle`: nothing came of it for an hour.
   * @param busy whether an action of it is not over: then it is kept, whatever else
   */
  of(name: TaskName, busy: boolean, now: number): 'kept' | 'idle' | 'ended';
};

export function makeUse(): Use {
  const last = new Map<string, number>();
  const newest = new Map<string, string>();
  return {
    seen({ task, workspace }, at) {
      if (!last.has(task)) newest.set(workspace, task);
      last.set(task, Math.max(at, last.get(task) ?? 0));
    },
    of({ task, workspace }, busy, now) {
      if (busy) return 'kept';
      if (last.has(task) && newest.get(workspace) !== task) return 'ended';
      return now - (last.get(task) ?? 0) > idleAfter ? 'idle' : 'kept';
    },
  };
}
