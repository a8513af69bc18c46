/** Which tasks' containers are needed: each has one while it works; made again where one is needed after all. */
import type { TaskName } from './container.ts';

/** Milliseconds after which the container of a task that goes on is in the way, and no longer kept warm. */
const idleAfter = 3_600_000;

export type Use = ReturnType<typeof makeUse>;

export function makeUse() {
  const last = new Map<string, number>();
  const newest = new Map<string, string>();
  return {
    /** An action of this task was asked for, or one ended, at this time in milliseconds since 1970. @returns whether it is a new task */
    seen({ task, workspace }: TaskName, at: number): boolean {
      const isNew = !last.has(task);
      if (isNew) newest.set(workspace, task);
      last.set(task, Math.max(at, last.get(task) ?? 0));
      return isNew;
    },
    /**
     * `ended`: another task of its workspace has begun since. `idle`: nothing came of it for an hour.
     * @param busy whether an action of it is not over: then it is kept, whatever else
     */
    of({ task, workspace }: TaskName, busy: boolean, now: number): 'kept' | 'idle' | 'ended' {
      if (busy) return 'kept';
      if (last.has(task) && newest.get(workspace) !== task) return 'ended';
      return now - (last.get(task) ?? 0) > idleAfter ? 'idle' : 'kept';
    },
  };
}
