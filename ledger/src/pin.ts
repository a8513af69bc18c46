/**
 * Where the chain stood when it was last judged here, kept in a file outside of the ledger: a ledger that lacks that entry, or
 * has another one in its place, was turned back or goes another way, and is not gone by.
 */
import { constants, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Head } from './entry.ts';
import { attempt } from './retry.ts';

export type Pin = ReturnType<typeof openPin>;

/** Milliseconds. */
const within = 1000;

function read(file: string, fd: number): Head {
  try {
    const { seq, hash } = JSON.parse(readFileSync(fd, 'utf8') || '{"seq":0,"hash":""}') as Head;
    if (Number.isSafeInteger(seq) && typeof hash === 'string') return { seq, hash };
  } catch {
    // What is no JSON says as little.
  }
  throw new Error(
    `${file} does not say what was seen of the ledger, so nothing is read from it, decided or run. Restore a backup; or, where ` +
      'the ledger is known to be the right one, ./pocketcoder stop, then repin, at the console.',
  );
}

/** Opens or makes the file; an empty one says that nothing was seen. @throws Error where it cannot be read or written */
export function openPin(file: string) {
  const fd = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600);
  let head = read(file, fd);
  let kept = head.seq;
  let soon: NodeJS.Timeout | undefined;
  const keep = (): void => {
    clearTimeout(soon);
    soon = undefined;
    if (kept === head.seq) return;
    // Far shorter than a sector and always as long, so it is written in its place, whole or not at all.
    writeSync(fd, JSON.stringify({ seq: head.seq, hash: head.hash }).padEnd(128), 0);
    fdatasyncSync(fd);
    kept = head.seq;
  };
  return {
    /** What was kept or is about to be; `{seq: 0, hash: ''}` before the first. */
    last: (): Head => head,
    /** Takes an entry that was judged, to be kept within a second. What is not greater is left alone. */
    see({ seq, hash }: Head): void {
      if (seq <= head.seq) return;
      head = { seq, hash };
      // Where that fails the next entry tries again, and a claim fails for it.
      soon ??= setTimeout(() => attempt(keep), within).unref();
    },
    /** What was seen is on the disk when this returns. @throws Error where it cannot be written */
    keep,
  };
}
