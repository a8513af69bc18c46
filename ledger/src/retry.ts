/** Work that is done again until it succeeds, and the words of what went wrong. */
// The module whole: a test’s clock takes the place of its functions, not of names bound to them.
import timers from 'node:timers/promises';

/** The text of whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export type Retry = {
  /** Milliseconds before the second attempt; each wait after it is twice as long. */
  first: number;
  /** Milliseconds of the longest wait. */
  most: number;
  /** Whether another attempt has sense after this failure; `tries` counts the attempts so far. */
  again(error: unknown, tries: number): boolean;
  /** Ends the waiting. */
  signal?: AbortSignal | undefined;
};

/** @throws what `work` threw, where `again` says no or the signal was given */
export async function retry<T>(work: () => Promise<T>, { first, most, again, signal }: Retry): Promise<T> {
  for (let tries = 1, wait = first; ; tries++, wait = Math.min(2 * wait, most)) {
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted || !again(error, tries)) throw error;
    }
    await timers.setTimeout(wait, undefined, { signal });
  }
}
