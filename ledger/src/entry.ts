/** An entry as it comes from the ledger, and the check that it is the chain's next link. */

import { hashed } from '../rules/judge.cjs';
import { sha256 } from './action.ts';
import { attempt } from './retry.ts';

const texts = ['id', 'prev', 'at', 'author', 'kind', 'action', 'body', 'hash', 'transcript'] as const;
/** `transcript` is the name of the file that holds the complete output, or ''. */
export type Entry = Record<(typeof texts)[number], string> & { seq: number };

/** Takes an entry out of a PocketBase record. Throws on a record that is none. */
export function entryOf(record: Record<string, unknown>): Entry {
  for (const name of texts)
    if (typeof record[name] !== 'string') throw new Error(`the ledger sent an entry without "${name}"`);
  if (!Number.isSafeInteger(record['seq'])) throw new Error('the ledger sent an entry without "seq"');
  const { id, seq, prev, at, author, kind, action, body, hash, transcript } = record as Entry;
  return { id, seq, prev, at, author, kind, action, body, hash, transcript };
}

/** Where a chain stands: the last entry's number and hash; `{seq: 0, hash: ''}` before the first. */
export type Head = { seq: number; hash: string };

/** Why an entry is not the next link after `head`, or ''. */
export function misfit(entry: Entry, head: Head): string {
  if (entry.seq !== head.seq + 1) return `it is number ${entry.seq}, ${head.seq + 1} was expected`;
  if (entry.prev !== head.hash) return `its "prev" is not the hash of entry ${head.seq}`;
  const hash = attempt(() => sha256(hashed(entry)));
  if (hash === undefined) return 'its content cannot be hashed';
  return hash === entry.hash ? '' : 'its content does not have the hash it states';
}
