export type Lock = ReturnType<typeof createLock>;
/** Runs work of the same key one after another; a failure does not stop the next. */
export function createLock(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const tails = new Map<string, Promise<unknown>>();
  return <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const mine = (tails.get(key) ?? Promise.resolve()).then(work);
    const settled = mine
      .catch(() => {})
      .finally(() => {
        if (tails.get(key) === settled) tails.delete(key);
      });
    tails.set(key, settled);
    return mine;
  };
}
