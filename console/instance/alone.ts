/** One set-up at a time in a state directory. The lock is the kernel's, so one that a killed program held is free again. */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fault } from '../fault.ts';

/** Runs `work` while no other program does the same with this directory, which need not be there yet. */
export async function alone<T>(home: string, work: () => Promise<T>): Promise<T> {
  const name = createHash('sha256').update(home).digest('hex').slice(0, 16);
  using lock = new DatabaseSync(join(tmpdir(), `pocketcoder-${process.getuid?.() ?? 0}-${name}.lock`));
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch {
    throw fault.temporary(
      `Another ./pocketcoder command is at work on ${home}. This one changed nothing: wait until that one is ready, then run ` +
        './pocketcoder status.',
    );
  }
  return await work();
}
