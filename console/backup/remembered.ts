/** What a state directory remembers of its backups: the newest one that was made, and the last drill. It is of this machine alone. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../../bot/src/database.ts';
import { attempt, messageOf } from '../../ledger/src/retry.ts';
import type { Report } from '../report.ts';

/** @property at ISO 8601 @property why a drill failed; absent where it did not */
export type Last = { at: string; file: string; why?: string };

const pathOf = (home: string, what: 'backup' | 'drill'): string => join(home, `last-${what}.json`);

/** Undefined where there was none, or what was kept of it cannot be read. */
export function lastOf(home: string, what: 'backup' | 'drill'): Last | undefined {
  const last = attempt(() => JSON.parse(readFileSync(pathOf(home, what), 'utf8')) as Last | null);
  return typeof last?.file === 'string' && Date.parse(last.at) > 0 ? last : undefined;
}

/** Keeps it in place of the one before. Where that fails it is said, and what was done is done all the same. */
export function keepLast(home: string, what: 'backup' | 'drill', last: Last, report: Report): void {
  try {
    writeWhole(pathOf(home, what), JSON.stringify(last));
  } catch (error) {
    report.progress(`doctor will not know of this ${what}: ${messageOf(error)}`);
  }
}
