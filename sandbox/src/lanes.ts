/** Work of a task goes one after the other, in the order in which it was given; that of several tasks side by side. */
export function makeLanes() {
  const lanes = new Map<string, Promise<void>>();
  return {
    /** Resolves when the work is done and out of its lane. @param work must not reject */
    add(task: string, work: () => Promise<void>): Promise<void> {
      const next = (lanes.get(task) ?? Promise.resolve()).then(work).finally(() => {
        if (lanes.get(task) === next) lanes.delete(task);
      });
      lanes.set(task, next);
      return next;
    },
    busy: (task: string): boolean => lanes.has(task),
    /** Resolves when all that is in hand is done. */
    done: (): Promise<unknown> => Promise.all(lanes.values()),
  };
}
