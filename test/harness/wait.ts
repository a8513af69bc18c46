/** Waits for conditions instead of sleeping, and says what it was still missing when the time is up. */

/**
 * Asks until the answer is neither undefined nor false, then returns it.
 * @param what named in the error
 * @param ask may be asked many times; a throw counts as "not yet" and is quoted in the error
 */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  { seconds = 60, every = 25 }: { seconds?: number; every?: number } = {},
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  let last = '';
  for (;;) {
    try {
      const got = await ask();
      if (got !== undefined && got !== false) return got;
    } catch (error) {
      last = `; last error: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s${last}`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
