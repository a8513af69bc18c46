/**
 * Room on the bot's disk, asked for before anything is written: a key store that cannot be written ends the bot. What is
 * said meanwhile waits at the homeserver, whose sync token does not move.
 */
import { statfsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';

const mebi = 2 ** 20;
/** Below the first nothing new is asked, so that answers and denials still find room; below the second the bot waits. */
const needed = { ask: 16 * mebi, write: 2 * mebi };

/** Bytes on that folder's disk that can be written. */
export function left(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}

/** Why nothing new can be asked at present, or ''. */
export function shortOfSpace(dir: string): string {
  const free = left(dir);
  if (free >= needed.ask) return '';
  const [has, wants] = [free, needed.ask].map((bytes) => Math.floor(bytes / mebi));
  return `the bot's disk has ${has} MiB left of the ${wants} it needs. Make room where Docker keeps the bot's data, then ask again`;
}

/** @returns a function that resolves as soon as there is room to write in `dir` */
export function makeSpace(dir: string, log: Logger, signal?: AbortSignal): () => Promise<void> {
  let waiting: Promise<void> | undefined;
  async function wait(): Promise<void> {
    log.error(
      { dir },
      'no room left on the disk: nothing is taken in, decided or said until there is. Nothing is lost: make room where ' +
        "Docker keeps the bot's data, and it goes on by itself",
    );
    while (left(dir) < needed.write) await pause(500, undefined, signal && { signal });
    log.info({ dir }, 'there is room again: going on');
  }
  return async () => {
    if (left(dir) >= needed.write) return;
    waiting ??= wait().finally(() => {
      waiting = undefined;
    });
    await waiting;
  };
}
