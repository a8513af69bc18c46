/** What the bot must not forget of the room: the sync token, events not yet handled, latches, sent ids, replays. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { EventId, RoomId, UserId, WireEvent } from './types.ts';

const schema = `
  PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
  CREATE TABLE IF NOT EXISTS value(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS event(seq INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL,
    event TEXT NOT NULL UNIQUE, wire TEXT) STRICT;
  CREATE INDEX IF NOT EXISTS waiting ON event(seq) WHERE wire IS NOT NULL;
  CREATE TABLE IF NOT EXISTS gap(room TEXT PRIMARY KEY, why TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS encrypted(room TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS expected(room TEXT, user TEXT, PRIMARY KEY(room, user)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS sent(room TEXT, txn TEXT, event TEXT NOT NULL, PRIMARY KEY(room, txn)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS sent_event ON sent(event);
  CREATE TABLE IF NOT EXISTS seen(room TEXT, session TEXT, at INTEGER, event TEXT NOT NULL,
    PRIMARY KEY(room, session, at)) STRICT, WITHOUT ROWID;`;

/** An event of one sync, in the order it is to be handled. */
export type Arrival = { room: RoomId; wire: WireEvent };
/** Events of a room that were missed and can't be had. */
export type Gap = { room: RoomId; why: string };
export type Waiting = Arrival & { seq: number };
export type Journal = ReturnType<typeof openJournal>;

/** Opens or makes the file. What a function wrote has reached the disk when it returns. */
export function openJournal(dir: string) {
  const sql = new DatabaseSync(join(dir, 'matrix.sqlite'));
  sql.exec(schema);
  const q = {
    value: sql.prepare('SELECT value FROM value WHERE name=?'),
    setValue: sql.prepare('INSERT OR REPLACE INTO value VALUES(?,?)'),
    arrive: sql.prepare('INSERT OR IGNORE INTO event(room, event, wire) VALUES(?,?,?)'),
    newest: sql.prepare('SELECT max(seq) AS seq FROM event'),
    gap: sql.prepare('INSERT OR REPLACE INTO gap VALUES(?,?)'),
    gaps: sql.prepare('SELECT room, why FROM gap'),
    closeGap: sql.prepare('DELETE FROM gap WHERE room=?'),
    known: sql.prepare('SELECT 1 FROM event WHERE event=?'),
    next: sql.prepare('SELECT seq, room, wire FROM event WHERE wire IS NOT NULL ORDER BY seq LIMIT 1'),
    done: sql.prepare('UPDATE event SET wire=NULL WHERE seq=?'),
    latch: sql.prepare('INSERT OR IGNORE INTO encrypted VALUES(?)'),
    latched: sql.prepare('SELECT 1 FROM encrypted WHERE room=?'),
    rooms: sql.prepare('SELECT room FROM encrypted'),
    expect: sql.prepare('INSERT OR IGNORE INTO expected VALUES(?,?)'),
    expected: sql.prepare('SELECT user FROM expected WHERE room=?'),
    sent: sql.prepare('SELECT event FROM sent WHERE room=? AND txn=?'),
    setSent: sql.prepare('INSERT OR IGNORE INTO sent VALUES(?,?,?)'),
    sentAs: sql.prepare('SELECT txn FROM sent WHERE event=?'),
    see: sql.prepare('INSERT OR IGNORE INTO seen VALUES(?,?,?,?)'),
    seen: sql.prepare('SELECT event FROM seen WHERE room=? AND session=? AND at=?'),
  };
  return {
    token: (): string | undefined => (q.value.get('token') as { value: string } | undefined)?.value,
    /**
     * Takes a sync in: its events, its gaps and the token that lies behind them, together or not at all: the server
     * never says again what lies before the token. Events already known are left out, whatever the server serves them
     * for. Their ids are kept for ever, some hundred bytes each.
     */
    accept(arrivals: readonly Arrival[], gaps: readonly Gap[], token: string): void {
      sql.exec('BEGIN IMMEDIATE');
      try {
        for (const { room, wire } of arrivals) q.arrive.run(room, wire.event_id, JSON.stringify(wire));
        for (const { room, why } of gaps) q.gap.run(room, why);
        q.setValue.run('token', token);
        sql.exec('COMMIT');
      } catch (error) {
        sql.exec('ROLLBACK');
        throw error;
      }
    },
    gaps: (): Gap[] => q.gaps.all() as Gap[],
    closeGap: (room: RoomId): void => void q.closeGap.run(room),
    known: (event: string): boolean => q.known.get(event) !== undefined,
    /** The oldest event that was not handled to its end. */
    next(): Waiting | undefined {
      const row = q.next.get() as { seq: number; room: string; wire: string } | undefined;
      return row && { seq: row.seq, room: row.room as RoomId, wire: JSON.parse(row.wire) as WireEvent };
    },
    newest: (): number => (q.newest.get() as { seq: number | null }).seq ?? 0,
    done: (seq: number): void => void q.done.run(seq),
    /** From now on, for ever, nothing goes to that room in the clear. */
    latch: (room: RoomId): void => void q.latch.run(room),
    latched: (room: RoomId): boolean => q.latched.get(room) !== undefined,
    rooms: (): RoomId[] => (q.rooms.all() as { room: RoomId }[]).map((r) => r.room),
    /** These users belong in that room. */
    expect(room: RoomId, users: readonly UserId[]): void {
      for (const user of users) q.expect.run(room, user);
    },
    expected: (room: RoomId): UserId[] => (q.expected.all(room) as { user: UserId }[]).map((r) => r.user),
    sent: (room: RoomId, txn: string): EventId | undefined =>
      (q.sent.get(room, txn) as { event: EventId } | undefined)?.event,
    setSent: (room: RoomId, txn: string, event: EventId): void => void q.setSent.run(room, txn, event),
    sentAs: (event: EventId): string | undefined => (q.sentAs.get(event) as { txn: string } | undefined)?.txn,
    /** True where this message of this session was never seen under another event id. The first one seen stays. */
    replay(room: RoomId, session: string, index: number, event: EventId): boolean {
      q.see.run(room, session, index, event);
      return (q.seen.get(room, session, index) as { event: string }).event === event;
    },
    close: (): void => sql.close(),
  };
}
