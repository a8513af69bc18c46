/** Tokens of the tasks' addresses. They outlive this process: a brain that is in the middle of a turn keeps its hands. */
import { createHmac, randomBytes } from 'node:crypto';
import type { Database } from '../database.ts';

/** Makes a task's token from a key that is kept. */
export function tokensFrom(db: Database): (task: string) => string {
  db.exec('CREATE TABLE IF NOT EXISTS gateway(one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB) STRICT');
  db.prepare('INSERT OR IGNORE INTO gateway VALUES(1, ?)').run(randomBytes(32));
  const { key } = db.prepare('SELECT key FROM gateway').get() as { key: Uint8Array };
  return (task) => createHmac('sha256', key).update(task).digest('base64url');
}
