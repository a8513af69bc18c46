/** Follows the homeserver: keys to the crypto machine, events to the disk, gaps filled, and only then the token moves. */
import { wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { messageOf, retry } from '@pocketcoder/ledger/src/retry.ts';
import { MatrixError } from 'matrix-bot-sdk';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { News } from '../proof/receive.ts';
import { isShallow, wellFormed } from '../proof/wire.ts';
import type { RoomId, UserId, WireEvent } from '../types.ts';
import type { Client } from './client.ts';
import type { Arrival, Gap, Journal } from './journal.ts';

/** The library takes ids of users alone. */
function isUser(id: string): boolean {
  try {
    return Boolean(new W.UserId(id));
  } catch {
    return false;
  }
}
const events = z.object({ events: z.array(z.unknown()).nullish() });
const users = z.array(z.string().refine(isUser)).nullish();
const syncedRoom = z.object({
  state: events.nullish(),
  timeline: events.extend({ limited: z.unknown().optional(), prev_batch: z.string().nullish() }).nullish(),
});
const rooms = z.record(z.string(), syncedRoom).nullish();
/** What is read of a sync. Null where nothing is said; the server may say anything, and each event is looked at later. */
const syncAnswer = z.object({
  next_batch: z.string(),
  to_device: events.nullish(),
  device_lists: z.object({ changed: users, left: users }).nullish(),
  device_one_time_keys_count: z.record(z.string(), z.int().min(0).max(0xffffffff)).nullish(),
  device_unused_fallback_key_types: z.array(z.string()).nullish(),
  rooms: z.object({ join: rooms, leave: rooms }).nullish(),
});
type SyncAnswer = z.infer<typeof syncAnswer>;
/** What the server answered is no sync: nothing of it is taken. */
class Malformed extends Error {}

/** @throws Malformed */
function checked(answer: unknown): SyncAnswer {
  const { data, error } = syncAnswer.safeParse(answer);
  if (data) return data;
  const where = error.issues.map(({ path }) => path.join('.') || 'the whole of it').join(', ');
  throw new Malformed(`the homeserver's sync answer is malformed: ${where}`);
}
export type SyncOptions = {
  me: UserId;
  client: Client;
  journal: Journal;
  log: Logger;
  signal: AbortSignal;
  /** Events were written down. */
  onArrivals(): void;
  /** Resolves when there is room to write. */
  space(): Promise<void>;
  /** Takes what comes for the crypto machine. */
  receive(news: News): Promise<void>;
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
const page = { size: 100, most: 100, bytes: 64 << 20 };

export function createSync(o: SyncOptions) {
  const { client, journal, log, signal } = o;

  const giveKeys = (s: SyncAnswer): Promise<void> =>
    o.receive({
      events: (s.to_device?.events ?? []).filter((event) => isShallow(event)),
      changed: s.device_lists?.changed ?? [],
      left: s.device_lists?.left ?? [],
      counts: s.device_one_time_keys_count ?? undefined,
      unused: s.device_unused_fallback_key_types ?? undefined,
    });

  /** What lies between two tokens, oldest first. A server that is merely down makes this wait, not give up. */
  async function fill(room: RoomId, from: string, to: string): Promise<WireEvent[]> {
    const newestFirst: WireEvent[] = [];
    let at: string | undefined = from;
    let bytes = 0;
    for (let pages = 0; at !== undefined; pages++) {
      if (pages === page.most) throw new Error(`more than ${page.most * page.size} events`);
      const query = { dir: 'b', from: at, to, limit: page.size };
      const path = `/rooms/${encodeURIComponent(room)}/messages`;
      const answer: { chunk?: unknown[]; end?: string } = await client.api('GET', path, { query });
      for (const event of (answer.chunk ?? []).filter(wellFormed)) {
        if (journal.known(event.event_id)) return newestFirst.reverse();
        bytes += JSON.stringify(event).length;
        if (bytes > page.bytes) throw new Error(`more than ${page.bytes >> 20} MiB`);
        newestFirst.push(event);
      }
      at = answer.end === at || answer.chunk?.length === 0 ? undefined : answer.end;
    }
    return newestFirst.reverse();
  }

  async function arrivalsOf(
    room: RoomId,
    synced: z.infer<typeof syncedRoom>,
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
        const why = error instanceof MatrixError ? error.error : messageOf(error);
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

  /** @throws where the server ends the session, or the library or the disk fails */
  const insist = (timeout: number): Promise<void> =>
    retry(() => once(timeout), {
      ...{ first: 2000, most: 2000, signal },
      again(error) {
        const ended = error instanceof MatrixError && error.errcode === 'M_UNKNOWN_TOKEN';
        if (ended || !(error instanceof MatrixError || error instanceof Malformed)) return false;
        log.error({ err: error }, 'sync failed; trying again');
        return true;
      },
    });

  return {
    /** One round without waiting: what the server has by now is on the disk when it returns. */
    catchUp: () => insist(0),
    /** Goes on until the signal. */
    async follow(): Promise<void> {
      while (!signal.aborted)
        await insist(waitForNews).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        });
    },
  };
}
