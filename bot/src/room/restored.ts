/** What is said after a restore: where the ledger ends now, and whether the room knows that it once went further. */
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import type { NarrowLedger } from '../approval/narrow.ts';
import type { Chain } from '../chain.ts';
import type { Connection } from '../connect.ts';
import { message } from '../show/blocks.ts';
import type { Content, Matrix, RoomId } from '../types.ts';
import type { Troubles } from './troubles.ts';

type Mark = { seq: number; hash: string };

const isMark = (v: unknown): v is Mark =>
  typeof v === 'object' && v !== null && 'seq' in v && 'hash' in v && Number.isInteger(v.seq);
const short = ({ seq, hash }: Mark): string => `⛓ ${seq} ${hash.slice(0, 12)}`;

/** Why the ledger is not the one that this bot's own last checkpoint tells of, or undefined. @param head its last entry */
export async function takenBack(
  ledger: Pick<NarrowLedger, 'since'>,
  said: readonly Content[],
  head: Entry | undefined,
): Promise<string | undefined> {
  const marks = said.map((content) => content['org.pocketcoder.checkpoint']).filter(isMark);
  const [last] = marks.sort((a, b) => b.seq - a.seq);
  if (!last || !head) return undefined;
  const [there] = await ledger.since(last.seq - 1);
  return there?.hash === last.hash
    ? undefined
    : `this room knows the ledger up to ${short(last)}, but it was taken back to a backup and ends at ${short(head)}: what was ` +
        'decided and what ran in between is in this room’s history alone';
}

/** Notes for each room where the ledger is not the one that it knows: nothing is asked or approved there until a person looked. */
export async function noteTakenBack(
  { saidSince }: Pick<Connection, 'saidSince'>,
  { ledger, head }: Chain,
  troubles: Troubles,
): Promise<void> {
  for (const [room, said] of saidSince) {
    const why = await takenBack(ledger, said, head());
    if (why) troubles.note(room, why);
  }
}

const restoredText = (device: string, head: Entry | undefined): string =>
  `♻️ Restored from a backup, with a new device (${device}) and the identity of before: no pairing anew. The ledger ends at ` +
  `${head ? short(head) : 'its beginning'}. What waited or ran is void or unknown, and everything is frozen until ` +
  './pocketcoder thaw at the console.';

/** The first words in every room after a restore. @param head the ledger's last entry */
export async function tellRestored(
  matrix: Pick<Matrix, 'device' | 'post'>,
  rooms: Iterable<string>,
  head: Entry | undefined,
): Promise<void> {
  const content = message([{ line: restoredText(matrix.device, head) }]);
  for (const room of rooms)
    await matrix.post(room as RoomId, 'm.room.message', content, { txn: `restored-${matrix.device}` });
}
