/** The key of the key store, in a file of its own: whoever signs in is not handed it. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../database.ts';

/** The key of this state directory, made the first time; a release before kept it with the session. */
export function storeKeyIn(stateDir: string): Uint8Array {
  const path = join(stateDir, 'store.key');
  const session = join(stateDir, 'session.json');
  const { storeKey, ...rest } = existsSync(session)
    ? (JSON.parse(readFileSync(session, 'utf8')) as Record<string, string>)
    : {};
  if (!existsSync(path)) writeWhole(path, storeKey ?? randomBytes(32).toString('base64'));
  if (storeKey) writeWhole(session, JSON.stringify(rest));
  return Buffer.from(readFileSync(path, 'utf8'), 'base64');
}
