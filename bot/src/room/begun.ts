/** What somebody said and is being done: where a crash cuts that off they are told, for nothing else may ever show it. */
import type { Database } from '../database.ts';
import type { RoomId } from '../types.ts';

const cutOff = '⚠️ I was restarted while I did this. Where nothing came of it, say it again.';

/** @param say answers the event with these words */
export function createBegun(db: Database, say: (room: RoomId, event: string, text: string) => Promise<void>) {
  db.exec('CREATE TABLE IF NOT EXISTS begun(event TEXT PRIMARY KEY, room TEXT) STRICT, WITHOUT ROWID;');
  const add = db.prepare('INSERT OR REPLACE INTO begun VALUES(?, ?)');
  const drop = db.prepare('DELETE FROM begun WHERE event = ?');
  /** What the last run began and did not end: what this one begins comes to stand there as well. */
  const cut = db.prepare('SELECT * FROM begun').all() as { event: string; room: RoomId }[];
  return {
    /** Does it. Never rejects: where the database is closed by its end this process stops, and the next one tells. */
    async carry(room: RoomId, event: string, work: () => Promise<void>): Promise<void> {
      try {
        add.run(event, room);
        await work();
        drop.run(event);
      } catch {
        // Said above.
      }
    },
    /** Tells of what was cut off. */
    async resume(): Promise<void> {
      for (const { event, room } of cut) {
        await say(room, event, cutOff);
        drop.run(event);
      }
    },
  };
}
