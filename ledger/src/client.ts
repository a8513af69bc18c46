/** The ledger as its users see it: append, read, follow. */
import { EventSource } from 'eventsource';
import { canonical } from '../rules/canonical.cjs';
import { lastingKinds } from '../rules/state.cjs';
import { newId } from './action.ts';
import { type Entry, entryOf } from './entry.ts';
import { LedgerError } from './errors.ts';
import { type Follow, type Following, follow } from './follow.ts';
import { makeLive } from './live.ts';
import { type Login, makeSession, type Session } from './session.ts';
import { readTranscript, type Source, sendTranscript } from './transcript.ts';

export type { Entry } from './entry.ts';
export { LedgerError } from './errors.ts';
export type { Identity } from './session.ts';
export type { Source } from './transcript.ts';

/**
 * `id` makes a retry the same entry; `action` is the id of its `requested` entry; `body` is made canonical here, and names the
 * transcript's size: a result as `bytes`, a request to add a file as its action's `size`.
 */
export type Append = { id?: string; kind: string; action?: string; body: object; transcript?: Source };

export type Ledger = Awaited<ReturnType<typeof connectLedger>>;

const page = 500;
const slowest = 1 << 20; // bytes a second: what a transcript's time limit is reckoned with

// Node has no EventSource of its own; PocketBase's SDK looks for a global one.
Object.assign(globalThis, { EventSource });

/** Logs in. Waits a while for a ledger that does not answer yet; throws LedgerError `unreachable` or `unauthorized`. */
export async function connectLedger(login: Login) {
  const session = makeSession(login);
  await session.patient(() => session.pb.health.check());
  return {
    ...reader(session),
    /** Writes one entry, or confirms that it is written. Throws LedgerError. */
    append: (entry: Append): Promise<Entry> => append(session, entry),
    live: makeLive(session),
  };
}

function reader(session: Session) {
  const { pb } = session;
  const entries = pb.collection('entries');
  const list = (filter: string) => async (signal: AbortSignal) => {
    const { items } = await entries.getList(1, page, { filter, sort: 'seq', skipTotal: true, signal });
    return items.map(entryOf);
  };
  const each = async function* (filter: string, after = 0): AsyncGenerator<Entry> {
    for (let last = after; ; ) {
      const some = await session.patient(list(`${filter} && seq > ${last}`));
      yield* some;
      if (some.length < page) return;
      last = some.at(-1)?.seq ?? last;
    }
  };
  const all = (filter: string, after?: number): Promise<Entry[]> => Array.fromAsync(each(filter, after));
  return {
    /** All entries with a number above `seq`, in order. */
    since: (seq: number): Promise<Entry[]> => all('seq > 0', seq),
    /** The same one after the other, of which no more than a page is held. */
    each: (seq: number): AsyncIterable<Entry> => each('seq > 0', seq),
    /** So many of the newest entries, in order. */
    last: (count: number): Promise<Entry[]> =>
      session.patient(async (signal) => {
        const { items } = await entries.getList(1, count, { sort: '-seq', skipTotal: true, signal });
        return items.map(entryOf).reverse();
      }),
    /** All entries of one action, in order. */
    story: (action: string): Promise<Entry[]> => all(pb.filter('action = {:action}', { action })),
    /** All entries that decide who may approve what, and whether anything runs, in order: `stateAfter` makes of them all but the leases' uses. */
    control: (): Promise<Entry[]> => all(`(${lastingKinds.map((kind) => `kind = '${kind}'`).join(' || ')})`),
    /** The bytes that stand beside an entry: of a result its output, of a request the file to add. Or those from one place to before another. */
    transcript: (entry: Entry, from?: number, to?: number): AsyncIterable<Uint8Array> =>
      readTranscript(session, entry, from, to),
    /** Every entry after `from`, in order, with its place in the chain verified; reconnects for ever. */
    follow: (options: Follow): Following =>
      follow(session, (after) => session.once(list(`seq > ${after}`)), options),
  };
}

/** The entry with this id if it is there and says the same; undefined if it is not there. */
async function written(
  session: Session,
  id: string,
  wanted: Append,
  body: string,
): Promise<Entry | undefined> {
  let found: Entry;
  try {
    const record = await session.patient((signal) => session.pb.collection('entries').getOne(id, { signal }));
    found = entryOf(record);
  } catch (error) {
    if (error instanceof LedgerError && error.status === 404) return undefined;
    throw error;
  }
  if (found.kind === wanted.kind && found.action === (wanted.action ?? '') && found.body === body)
    return found;
  throw new LedgerError('id_taken', 400, `Entry id ${id} belongs to another entry. Nothing was written.`);
}

async function append(session: Session, wanted: Append): Promise<Entry> {
  const id = wanted.id ?? (wanted.kind === 'requested' && wanted.action ? wanted.action : newId());
  const body = canonical(wanted.body);
  const fields = { id, kind: wanted.kind, action: wanted.action ?? '', body };
  const { transcript } = wanted;
  const { args, bytes = args?.size ?? 0 } = wanted.body as { bytes?: number; args?: { size?: number } };
  const seconds = 10 + (transcript ? Math.ceil(bytes / slowest) : 0);
  try {
    return await session.patient(async (signal) => {
      if (transcript) return sendTranscript(session, fields, transcript, signal);
      return entryOf(await session.pb.collection('entries').create(fields, { signal }));
    }, seconds);
  } catch (error) {
    // A refusal may be the answer to a repeat of what was written already: the answer to the first may have been lost.
    if (!(error instanceof LedgerError) || error.code === 'unreachable') throw error;
    const found = await written(session, id, wanted, body);
    if (found) return found;
    throw error;
  }
}
