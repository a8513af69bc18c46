/** Work that is done again until it succeeds, and the words of what went wrong. */
// The module whole: a test’s clock takes the place of its functions, not of names bound to them.
import timers, { setTimeout as pause } from 'node:timers/promises';

/** The text of whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What it gives, or undefined where it throws: for what may be absent or not what it should be. */
export function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

export type Retry = {
  /** Milliseconds before the second attempt; each wait after it is twice as long. */
  first: number;
  /** Milliseconds of the longest wait. */
  most: number;
  /** Whether another attempt has sense after this failure; `tries` counts the attempts so far. */
  again(error: unknown, tries: number): boolean;
  /** In place of the usual wait, also in milliseconds. */
  wait?(error: unknown, usual: number): number;
  /** Ends the waiting. */
  signal?: AbortSignal | undefined;
};

/**
 * @param work is told which attempt it is, from 1
 * @throws what `work` threw, where `again` says no or the signal was given
 */
export async function retry<T>(
  work: (attempt: number) => Promise<T>,
  { first, most, again, wait = (_, usual) => usual, signal }: Retry,
): Promise<T> {
  for (let tries = 1, usual = first; ; tries++, usual = Math.min(2 * usual, most)) {
    try {
      return await work(tries);
    } catch (error) {
      if (signal?.aborted || !again(error, tries)) throw error;
      await timers.setTimeout(wait(error, usual), undefined, { signal });
    }
  }
}

/** What comes of it, or undefined where that takes longer than so many milliseconds. No timer of it is left. By the real clock: nobody has to turn a test's. */
export async function within<T>(coming: Promise<T>, ms: number): Promise<T | undefined> {
  const over = new AbortController();
  const late = pause(ms, undefined, { signal: over.signal });
  return Promise.race([coming, late]).finally(() => over.abort());
}
