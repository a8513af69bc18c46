/** A file that a command makes for its user: there whole, or not at all. */
import { createWriteStream, existsSync, renameSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '../../ledger/src/retry.ts';
import { fault } from '../fault.ts';

/** Its path, of a name as it was typed. Throws a Fault (`cannotCreate`) where something is there, or no directory is. */
export function newFile(name: string): string {
  const file = resolve(name);
  const there = [file, `${file}.part`].find((one) => existsSync(one));
  if (there) throw fault.cannotCreate(`${there} is there already, and nothing was done: give another name.`);
  if (!existsSync(dirname(file)))
    throw fault.cannotCreate(`There is no directory ${dirname(file)}. Nothing was done.`);
  return file;
}

/**
 * For its owner alone, and on the disk before it has its name. Throws a Fault (`cannotCreate`).
 * @param without what there is not where this fails, as a sentence begins
 */
export async function writeNew(
  file: string,
  stream: Readable,
  without: string,
  signal: AbortSignal,
): Promise<void> {
  const part = `${file}.part`;
  let made = false; // by nobody else, and through no link
  const to = createWriteStream(part, { flags: 'wx', mode: 0o600, flush: true });
  to.once('open', () => {
    made = true;
  });
  try {
    await pipeline(stream, to, { signal });
    renameSync(part, file);
  } catch (error) {
    if (made) rmSync(part, { force: true });
    throw fault.cannotCreate(`${without}: ${messageOf(error)}. The instance is as it was.`);
  }
}

/** Does what can be ended by Ctrl-C, or with the terminal, and tidied up after. */
export async function interruptible(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error('it was interrupted'));
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, interrupt);
  try {
    await work(interrupted.signal);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}
