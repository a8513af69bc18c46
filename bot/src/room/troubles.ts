/** Rooms that are not as the bot made them. Kept over restarts: a person who looked lifts a trouble, nothing else does. */
import { newId } from '@pocketcoder/ledger/src/action.ts';
import type { Database } from '../database.ts';
import type { RoomId } from '../types.ts';

/** `id` is that of its alarm in the ledger: one alarm a trouble, also after a crash. */
export type Trouble = { room: RoomId; why: string; id: string };
export type Troubles = ReturnType<typeof troubleStore>;

export function troubleStore(db: Database) {
  db.exec(
    'CREATE TABLE IF NOT EXISTS trouble(room TEXT PRIMARY KEY, why TEXT NOT NULL, id TEXT NOT NULL) STRICT;',
  );
  const add = db.prepare('INSERT OR IGNORE INTO trouble VALUES(?,?,?)');
  const find = db.prepare('SELECT * FROM trouble WHERE room = ?');
  const get = (room: RoomId) => find.get(room) as Trouble | undefined;
  return {
    /** Notes what is off in a room; a trouble that it has already stands. */
    note(room: RoomId, why: string): Trouble {
      add.run(room, why, newId());
      return get(room) as Trouble;
    },
    /** Why nothing is asked or approved in that room, or ''. */
    why: (room: RoomId): string => get(room)?.why ?? '',
    all: (): Trouble[] => db.prepare('SELECT * FROM trouble').all() as Trouble[],
    lift: (room: RoomId): void => void db.prepare('DELETE FROM trouble WHERE room = ?').run(room),
  };
}
