/** Which tasks' containers are needed: each has one while it works; made again where one is needed after all. */
import type { TaskName } from './container.ts';

/** Milliseconds after which a container that nothing comes of is in the way, and no longer kept warm. */
const idleAfter = 3_600_000;

export type Use = ReturnType<typeof makeUse>;

export function makeUse() {
  const last = new Map<string, number>();
  return {
    /** An action of this task was asked for, or one ended, at this time in milliseconds since 1970. */
    seen({ task }: Pick<TaskName, 'task'>, at: number): void {
      last.set(task, Math.max(at, last.get(task) ?? 0));
    },
    /**
     * `idle`: nothing came of it for an hour. `unknown`: the same, and the ledger never heard of it.
     * @param busy whether an action of it is not over: then it is kept, whatever else
     */
    of({ task }: Pick<TaskName, 'task'>, busy: boolean, now: number): 'kept' | 'idle' | 'unknown' {
      const at = last.get(task);
      if (busy || now - (at ?? 0) <= idleAfter) return 'kept';
      return at === undefined ? 'unknown' : 'idle';
    },
  };
}
