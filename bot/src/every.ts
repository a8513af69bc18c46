/**
 * Does the work every so many milliseconds, but never while it is still going on: what does not answer must not pile it up.
 * @param failed takes what it threw
 * @returns how to end that
 */
export function every(ms: number, work: () => unknown, failed: (error: unknown) => void): () => void {
  let busy = false;
  const clock = setInterval(async () => {
    if (busy) return;
    busy = true;
    try {
      await work();
    } catch (error) {
      failed(error);
    }
    busy = false;
  }, ms);
  return () => clearInterval(clock);
}
