/** What the bot must not forget of the room: the sync token, events not yet handled, sent ids. */
import type { Database } from '../database.ts';
import type { EventId, RoomId, WireEvent } from '../types.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS value(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS event(seq INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL,
    event TEXT NOT NULL UNIQUE, wire TEXT) STRICT;
  CREATE INDEX IF NOT EXISTS waiting ON event(seq) WHERE wire IS NOT NULL;
  CREATE TABLE IF NOT EXISTS unread(seq INTEGER PRIMARY KEY, room TEXT NOT NULL, session TEXT NOT NULL,
    wire TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS gap(room TEXT PRIMARY KEY, why TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS sent(room TEXT, txn TEXT, event TEXT NOT NULL, PRIMARY KEY(room, txn)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS sent_event ON sent(event);`;

/** An event of one sync, in the order it is to be handled. */
export type Arrival = { room: RoomId; wire: WireEvent };
/** Events of a room that were missed and can't be had. */
export type Gap = { room: RoomId; why: string };
/** What is to be written together with something else, or not at all. */
export type Writes = readonly (() => void)[];
export type Waiting = Arrival & { seq: number };
/** How many events of a room wait for their keys, the newest ones, and for how many milliseconds. */
export const patience = { most: 100, time: 6 * 3_600_000 };
export type Journal = ReturnType<typeof openJournal>;

/** What a function wrote has reached the disk when it returns. */
export function openJournal(db: Database) {
  db.exec(schema);
  const q = {
    value: db.prepare('SELECT value FROM value WHERE name=?'),
    setValue: db.prepare('INSERT OR REPLACE INTO value VALUES(?,?)'),
    arrive: db.prepare('INSERT OR IGNORE INTO event(room, event, wire) VALUES(?,?,?)'),
    newest: db.prepare('SELECT max(seq) AS seq FROM event'),
    waiting: db.prepare('SELECT count(*) AS n FROM event WHERE wire IS NOT NULL'),
    gap: db.prepare('INSERT OR REPLACE INTO gap VALUES(?,?)'),
    gaps: db.prepare('SELECT room, why FROM gap'),
    closeGap: db.prepare('DELETE FROM gap WHERE room=?'),
    known: db.prepare('SELECT 1 FROM event WHERE event=?'),
    next: db.prepare('SELECT seq, room, wire FROM event WHERE wire IS NOT NULL ORDER BY seq LIMIT 1'),
    done: db.prepare('UPDATE event SET wire=NULL WHERE seq=?'),
    unread: db.prepare('INSERT OR IGNORE INTO unread VALUES(?,?,?,?,?)'),
    kept: db.prepare('SELECT 1 FROM unread WHERE seq=?'),
    forget: db.prepare('DELETE FROM unread WHERE seq=?'),
    forgetOld: db.prepare(`DELETE FROM unread WHERE at<? OR (room=?2 AND seq NOT IN
      (SELECT seq FROM unread WHERE room=?2 ORDER BY seq DESC LIMIT ${patience.most}))`),
    forgetEvent: db.prepare('DELETE FROM unread WHERE seq=(SELECT seq FROM event WHERE event=?)'),
    wake: db.prepare(`UPDATE event SET wire=(SELECT wire FROM unread WHERE seq=event.seq) WHERE wire IS NULL AND seq IN
      (SELECT seq FROM unread WHERE at>=? AND (?2 IS NULL OR (room=?2 AND session=?3)))`),
    sent: db.prepare('SELECT event FROM sent WHERE room=? AND txn=?'),
    setSent: db.prepare('INSERT OR IGNORE INTO sent VALUES(?,?,?)'),
    sentAs: db.prepare('SELECT txn FROM sent WHERE event=?'),
  };
  return {
    token: (): string | undefined => (q.value.get('token') as { value: string } | undefined)?.value,
    /**
     * Takes a sync in: its events, its gaps and the token that lies behind them, together or not at all: the server
     * never says again what lies before the token. Events already known are left out, whatever the server serves them
     * for. Their ids are kept for ever, some hundred bytes each.
     */
    accept(arrivals: readonly Arrival[], gaps: readonly Gap[], token: string): void {
      db.transaction(() => {
        for (const { room, wire } of arrivals) q.arrive.run(room, wire.event_id, JSON.stringify(wire));
        for (const { room, why } of gaps) q.gap.run(room, why);
        q.setValue.run('token', token);
      });
    },
    gaps: (): Gap[] => q.gaps.all() as Gap[],
    closeGap: (room: RoomId): void => void q.closeGap.run(room),
    known: (event: string): boolean => q.known.get(event) !== undefined,
    /** The oldest event that was not handled to its end. */
    next(): Waiting | undefined {
      const row = q.next.get() as { seq: number; room: string; wire: string } | undefined;
      return row && { seq: row.seq, room: row.room as RoomId, wire: JSON.parse(row.wire) as WireEvent };
    },
    /** How many events were not handled to their end. */
    waiting: (): number => Number(q.waiting.get()?.['n']),
    newest: (): number => (q.newest.get() as { seq: number | null }).seq ?? 0,
    /** @param writes done with it */
    done(seq: number, writes: Writes = []): void {
      db.transaction(() => {
        for (const write of writes) write();
        q.forget.run(seq);
        q.done.run(seq);
      });
    },
    /** Instead of done: it was handled as one that can't be read, and is handled again when the key of its session comes. */
    keep({ seq, room, wire }: Waiting, session: string, now: number, writes: Writes = []): void {
      db.transaction(() => {
        for (const write of writes) write();
        q.unread.run(seq, room, session, JSON.stringify(wire), now);
        q.forgetOld.run(now - patience.time, room);
        q.done.run(seq);
      });
    },
    kept: (seq: number): boolean => q.kept.get(seq) !== undefined,
    /** It was removed from its room, so it is not to be heard later. */
    forget: (event: string): void => void q.forgetEvent.run(event),
    /** The key of that session came, or those of any may have. @returns whether something waited, which comes next now, in its order */
    wake: (now: number, key?: { room: string; session: string }): boolean =>
      q.wake.run(now - patience.time, key?.room ?? null, key?.session ?? null).changes > 0,
    sent: (room: RoomId, txn: string): EventId | undefined =>
      (q.sent.get(room, txn) as { event: EventId } | undefined)?.event,
    setSent: (room: RoomId, txn: string, event: EventId): void => void q.setSent.run(room, txn, event),
    sentAs: (event: EventId): string | undefined => (q.sentAs.get(event) as { txn: string } | undefined)?.txn,
  };
}
