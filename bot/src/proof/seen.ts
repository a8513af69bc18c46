/**
 * What the bot saw once and holds to, whatever the homeserver says later: as which event a message of a session came,
 * which rooms are encrypted, who belongs in them.
 */
import type { Database } from '../database.ts';
import type { EventId, RoomId, UserId } from '../types.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS encrypted(room TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS expected(room TEXT, user TEXT, PRIMARY KEY(room, user)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS seen(room TEXT, session TEXT, at INTEGER, event TEXT NOT NULL,
    PRIMARY KEY(room, session, at)) STRICT, WITHOUT ROWID;`;

export type Seen = ReturnType<typeof openSeen>;
export type Replays = Pick<Seen, 'replay'>;

/** What a function wrote has reached the disk when it returns. */
export function openSeen(db: Database) {
  db.exec(schema);
  const q = {
    latch: db.prepare('INSERT OR IGNORE INTO encrypted VALUES(?)'),
    latched: db.prepare('SELECT 1 FROM encrypted WHERE room=?'),
    rooms: db.prepare('SELECT room FROM encrypted'),
    expect: db.prepare('INSERT OR IGNORE INTO expected VALUES(?,?)'),
    expected: db.prepare('SELECT user FROM expected WHERE room=?'),
    see: db.prepare('INSERT OR IGNORE INTO seen VALUES(?,?,?,?)'),
    seen: db.prepare('SELECT event FROM seen WHERE room=? AND session=? AND at=?'),
  };
  return {
    /** From now on, for ever, nothing goes to that room in the clear. */
    latch: (room: RoomId): void => void q.latch.run(room),
    latched: (room: RoomId): boolean => q.latched.get(room) !== undefined,
    rooms: (): RoomId[] => (q.rooms.all() as { room: RoomId }[]).map((r) => r.room),
    /** These users belong in that room. */
    expect(room: RoomId, users: readonly UserId[]): void {
      for (const user of users) q.expect.run(room, user);
    },
    expected: (room: RoomId): UserId[] => (q.expected.all(room) as { user: UserId }[]).map((r) => r.user),
    /** True where this message of this session was never seen under another event id. The first one seen stays. */
    replay(room: RoomId, session: string, index: number, event: EventId): boolean {
      q.see.run(room, session, index, event);
      return (q.seen.get(room, session, index) as { event: string }).event === event;
    },
  };
}
