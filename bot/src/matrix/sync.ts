/** Follows the homeserver: keys to the crypto machine, events to the disk, gaps filled, and only then the token moves. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Crypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { MatrixError } from 'matrix-bot-sdk';
import type { Logger } from 'pino';
import { isObject, type RoomId, type UserId, type WireEvent } from '../types.ts';
import type { Client } from './client.ts';
import type { Arrival, Gap, Journal } from './journal.ts';
import { isShallow, wellFormed } from './wire.ts';

type Maybe<T> = T | null | undefined;
type SyncedRoom = {
  state?: Maybe<{ events?: Maybe<unknown[]> }>;
  timeline?: Maybe<{ events?: Maybe<unknown[]>; limited?: unknown; prev_batch?: Maybe<string> }>;
};
type SyncAnswer = {
  next_batch: string;
  to_device?: Maybe<{ events?: Maybe<unknown[]> }>;
  device_lists?: Maybe<{ changed?: Maybe<string[]>; left?: Maybe<string[]> }>;
  device_one_time_keys_count?: Maybe<Record<string, number>>;
  device_unused_fallback_key_types?: Maybe<string[]>;
  rooms?: Maybe<{ join?: Maybe<Record<string, SyncedRoom>>; leave?: Maybe<Record<string, SyncedRoom>> }>;
};
/** What the server answered is no sync: nothing of it is taken. */
class Malformed extends Error {}

const isList = (v: unknown): boolean => v == null || Array.isArray(v);
const isText = (v: unknown): boolean => v == null || typeof v === 'string';
const isTexts = (v: unknown): boolean =>
  v == null || (Array.isArray(v) && v.every((e) => typeof e === 'string'));
const isRecord = (v: unknown): boolean => v == null || isObject(v);
const isCount = (v: unknown): boolean => Number.isInteger(v) && Number(v) >= 0 && Number(v) <= 0xffffffff;

/** The server may say anything. @throws Malformed where it is not what the rest reads */
function checked(answer: unknown): SyncAnswer {
  const must = (good: boolean, what: string): void => {
    if (!good) throw new Malformed(`the homeserver's sync answer is malformed: ${what}`);
  };
  must(isObject(answer), 'the whole of it');
  // Null where nothing is said; each is looked at before it is read.
  const s = answer as SyncAnswer;
  must(typeof s.next_batch === 'string', 'next_batch');
  for (const part of ['to_device', 'device_lists', 'device_one_time_keys_count', 'rooms'] as const)
    must(isRecord(s[part]), part);
  must(isList(s.to_device?.events), 'to_device');
  must(Object.values(s.device_one_time_keys_count ?? {}).every(isCount), 'device_one_time_keys_count');
  must(isTexts(s.device_unused_fallback_key_types), 'device_unused_fallback_key_types');
  for (const rooms of [s.rooms?.join, s.rooms?.leave]) {
    must(isRecord(rooms), 'rooms');
    for (const room of Object.values(rooms ?? {})) {
      must(isObject(room) && isRecord(room.state) && isRecord(room.timeline), 'a room');
      must(isList(room.state?.events) && isList(room.timeline?.events), 'events');
      must(isText(room.timeline?.prev_batch), 'prev_batch');
    }
  }
  for (const users of [s.device_lists?.changed, s.device_lists?.left]) {
    must(isTexts(users), 'device_lists');
    try {
      usersOf(users);
    } catch {
      must(false, 'device_lists');
    }
  }
  return s;
}
const usersOf = (list: Maybe<string[]>): W.UserId[] => (list ?? []).map((u) => new W.UserId(u));

export type SyncOptions = {
  me: UserId;
  client: Client;
  crypto: Crypto;
  journal: Journal;
  log: Logger;
  signal: AbortSignal;
  /** Events were written down. */
  onArrivals(): void;
  /** Resolves when there is room to write. */
  space(): Promise<void>;
  /** Whether the machine may see this to-device event. */
  admits(event: unknown): Promise<boolean>;
  /** The machine was given to-device events. */
  advance(): Promise<void>;
  /** The machine may have something to send. */
  pump(): Promise<void>;
  /** Events of that room are missing and can't be had. Where it rejects, and after a restart, it is told again. */
  onGap(room: RoomId, why: string): Promise<void>;
};

const filter = JSON.stringify({
  presence: { not_types: ['*'] },
  account_data: { not_types: ['*'] },
  room: { timeline: { limit: 50 }, ephemeral: { not_types: ['*'] }, account_data: { not_types: ['*'] } },
});
const waitForNews = 30_000;
const page = { size: 100, most: 100 };

export function createSync(o: SyncOptions) {
  const { client, crypto, journal, log, signal } = o;

  let counted = '';
  /** What the server said last of this device's keys: an answer without them says that nothing changed, not that none are left. */
  let counts: Record<string, number> = {};
  let unused: string[] | undefined;
  /** Not without news: the machine writes its whole account down each time, before the events that came are looked at. */
  async function giveKeys(s: SyncAnswer): Promise<void> {
    const changed = usersOf(s.device_lists?.changed);
    const left = usersOf(s.device_lists?.left);
    counts = s.device_one_time_keys_count ?? counts;
    unused = s.device_unused_fallback_key_types ?? unused;
    const now = JSON.stringify([counts, unused]);
    const events: unknown[] = [];
    for (const event of s.to_device?.events ?? [])
      if (isShallow(event) && (await o.admits(event))) events.push(event);
    if (events.length + changed.length + left.length === 0 && now === counted) return;
    await crypto.machine.receiveSyncChanges(
      JSON.stringify(events),
      new W.DeviceLists(changed, left),
      new Map(Object.entries(counts)),
      unused && new Set(unused),
      new W.DecryptionSettings(W.TrustRequirement.CrossSigned),
    );
    counted = now;
    if (events.length > 0) await o.advance();
  }

  /** What lies between two tokens, oldest first. A server that is merely down makes this wait, not give up. */
  async function fill(room: RoomId, from: string, to: string): Promise<WireEvent[]> {
    const newestFirst: WireEvent[] = [];
    let at: string | undefined = from;
    for (let pages = 0; at !== undefined; pages++) {
      if (pages === page.most) throw new Error(`more than ${page.most * page.size} events`);
      const query = { dir: 'b', from: at, to, limit: page.size };
      const path = `/rooms/${encodeURIComponent(room)}/messages`;
      const answer: { chunk?: unknown[]; end?: string } = await client.api('GET', path, { query });
      for (const event of (answer.chunk ?? []).filter(wellFormed)) {
        if (journal.known(event.event_id)) return newestFirst.reverse();
        newestFirst.push(event);
      }
      at = answer.end === at || answer.chunk?.length === 0 ? undefined : answer.end;
    }
    return newestFirst.reverse();
  }

  async function arrivalsOf(
    room: RoomId,
    synced: SyncedRoom,
    since: string | undefined,
    gaps: Gap[],
  ): Promise<Arrival[]> {
    const { events, limited, prev_batch } = synced.timeline ?? {};
    let missed: WireEvent[] = [];
    if (since && limited)
      try {
        if (!prev_batch) throw new Error('the server does not say where it begins');
        missed = await fill(room, prev_batch, since);
        log.info({ room, events: missed.length }, 'a gap was filled');
      } catch (error) {
        if (signal.aborted) throw error;
        const why = error instanceof MatrixError ? error.error : error instanceof Error ? error.message : '';
        log.error({ room, err: error }, 'a gap could not be filled');
        gaps.push({ room, why });
      }
    const all = [...(synced.state?.events ?? []), ...missed, ...(events ?? [])].filter(wellFormed);
    return all.map((wire) => ({ room, wire }));
  }

  const telling = new Set<RoomId>();
  function tellGaps(): void {
    for (const { room, why } of journal.gaps()) {
      if (telling.has(room)) continue;
      telling.add(room);
      o.onGap(room, why)
        .then(() => journal.closeGap(room))
        .catch((error: unknown) => log.error({ room, err: error }, 'a gap is told again with the next sync'))
        .finally(() => telling.delete(room));
    }
  }

  async function accept(s: SyncAnswer, since: string | undefined): Promise<void> {
    await giveKeys(s);
    const rooms = [...Object.entries(s.rooms?.join ?? {}), ...Object.entries(s.rooms?.leave ?? {})];
    const arrivals: Arrival[] = [];
    const gaps: Gap[] = [];
    for (const [room, synced] of rooms)
      arrivals.push(...(await arrivalsOf(room as RoomId, synced, since, gaps)));
    for (const { room, wire } of arrivals) {
      const txn = wire.sender === o.me ? wire.unsigned?.['transaction_id'] : undefined;
      if (typeof txn === 'string') journal.setSent(room, txn, wire.event_id); // sent, but the answer was lost
    }
    journal.accept(arrivals, gaps, s.next_batch);
    tellGaps(); // before the events that came after them are handled
    try {
      await o.pump(); // keys that changed are asked for before the events are judged by them
    } finally {
      if (arrivals.length > 0) o.onArrivals();
    }
  }

  async function once(timeout: number): Promise<void> {
    const since = journal.token();
    const query = { timeout, filter, ...(since !== undefined && { since }) };
    const patience = since ? waitForNews + 10_000 : 600_000;
    const answer = checked(await client.api<unknown>('GET', '/sync', { query, timeout: patience }));
    await o.space();
    await accept(answer, since);
  }

  async function again(error: unknown): Promise<void> {
    log.error({ err: error }, 'sync failed; trying again');
    await pause(2000, undefined, { signal });
  }

  return {
    /** One round without waiting: what the server has by now is on the disk when it returns. */
    async catchUp(): Promise<void> {
      for (;;)
        try {
          return await once(0);
        } catch (error) {
          if (!(error instanceof Malformed)) throw error;
          await again(error);
        }
    },
    /** Goes on until the signal. @throws where the server ends the session, or the library or the disk fails */
    async follow(): Promise<void> {
      while (!signal.aborted)
        try {
          await once(waitForNews);
        } catch (error) {
          if (signal.aborted) return;
          const ended = error instanceof MatrixError && error.errcode === 'M_UNKNOWN_TOKEN';
          if (ended || !(error instanceof MatrixError || error instanceof Malformed)) throw error;
          await again(error);
        }
    },
  };
}
