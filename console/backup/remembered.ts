/** What a state directory remembers of its backups: the newest one that was made, and the last drill. It is of this machine alone. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** @property at ISO 8601 @property why a drill failed; absent where it did not */
export type Last = { at: string; file: string; why?: string };

const pathOf = (home: string, what: 'backup' | 'drill'): string => join(home, `last-${what}.json`);

/** Undefined where there was none. */
export const lastOf = (home: string, what: 'backup' | 'drill'): Last | undefined =>
  existsSync(pathOf(home, what)) ? (JSON.parse(readFileSync(pathOf(home, what), 'utf8')) as Last) : undefined;

/** Keeps it in place of the one before. */
export function keepLast(home: string, what: 'backup' | 'drill', last: Last): void {
  const path = pathOf(home, what);
  writeFileSync(`${path}.new`, JSON.stringify(last), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
