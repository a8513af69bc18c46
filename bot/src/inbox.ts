/**
 * From events on the disk to events handled: one after another, each once. It sees of an event what the homeserver sees, and
 * can have it opened and handled as it is, late, twice or never: what the homeserver can do as well.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { retry } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { Journal, Waiting, Writes } from './matrix/journal.ts';
import { type RoomId, takenAway, type UserId, type WireEvent, type WithMark } from './types.ts';

/** An event that was looked into. */
export type Opened = {
  /** It could not be read, because its room key has not come here. */
  missingKey: boolean;
  /** Handles it, as unreadable where it is. @param late it was handled before as one that could not be read */
  handle(late: boolean, withMark: WithMark): Promise<void>;
};
export type InboxOptions = {
  journal: Journal;
  log: Logger;
  signal: AbortSignal;
  /** Never rejects. */
  open(room: RoomId, wire: WireEvent): Promise<Opened>;
  /** Whose room keys may be a moment later than their events. */
  mayBeLate(room: RoomId, sender: UserId): boolean;
  /** An encrypted event of one of these is about to be opened. */
  onSealed(sender: UserId): void;
  /** Whether an error of handling means no more than that a part is down. */
  isDown(error: unknown): boolean;
  /** Tells people that this event was tried in vain and is left. */
  setAside(room: RoomId, wire: WireEvent, error: unknown): Promise<void>;
};
export type Inbox = {
  /** Events were written, or may have been. */
  kick(): void;
  /** Room keys came: what waits for one of these is handled again. */
  keysCame(keys: readonly { room: string; session: string }[]): void;
  /** Resolves when none is being handled. */
  idle(): Promise<void>;
};

const late = { wait: 100, most: 1500 };
const backOff = { first: 250, most: 10_000 };
/** Of an event whose handling fails though no part is down. */
const mostTries = 5;

export function createInbox(o: InboxOptions): Inbox {
  const { journal, log, signal } = o;
  let running: Promise<void> | undefined;
  let again = false;

  /** The events up to this one share one wait for keys. */
  let shared = { seq: 0, until: 0 };

  /**
   * A key that comes a sync later than its event is waited for, a little: order matters more than speed here. All that
   * has arrived by now waits together, so that no amount of what nobody can read holds up a tap for longer.
   * @returns the event, and whether it is to be kept for a key that comes later still
   */
  async function open({ seq, room, wire }: Waiting): Promise<{ event: Opened; keep: boolean }> {
    if (seq > shared.seq) shared = { seq: journal.newest(), until: performance.now() + late.most };
    if (wire.type === 'm.room.encrypted' && o.mayBeLate(room, wire.sender)) o.onSealed(wire.sender);
    for (;;) {
      const event = await o.open(room, wire);
      if (!event.missingKey || !o.mayBeLate(room, wire.sender)) return { event, keep: false };
      if (performance.now() > shared.until || journal.kept(seq)) return { event, keep: true };
      await pause(late.wait, undefined, { signal });
    }
  }

  /** As long as a part is down, for an event that was not handled may be the owner's no; else a few times. */
  function insist({ room, wire }: Waiting, work: () => Promise<void>): Promise<void> {
    let left = mostTries;
    return retry(work, {
      ...backOff,
      signal,
      again(error) {
        if (!o.isDown(error) && --left === 0) return false;
        log.error({ event: wire.event_id, room, err: error }, 'an event waits to be handled');
        return true;
      },
    });
  }

  async function handle(next: Waiting, work: () => Promise<void>): Promise<void> {
    const { room, wire } = next;
    const unlessStopping = (error: unknown, words: string): void => {
      if (signal.aborted) throw error;
      log.error({ event: wire.event_id, room, err: error }, words);
    };
    try {
      await insist(next, work);
    } catch (error) {
      unlessStopping(error, 'an event was set aside');
      await insist(next, () => o.setAside(room, wire, error)).catch((failed: unknown) =>
        unlessStopping(failed, 'nobody could be told of an event set aside'),
      );
    }
  }

  /** Handled once as what can't be read, and once more if its key comes: that may be at any moment, so it is looked at again. */
  async function keepFor(next: Waiting, writes: Writes): Promise<void> {
    const { room, wire } = next;
    const session = String(wire.content['session_id']);
    journal.keep(next, session, Date.now(), writes);
    const { missingKey } = await o.open(room, wire);
    if (!missingKey) journal.wake(Date.now(), { room, session });
  }

  async function one(next: Waiting): Promise<void> {
    const { event, keep } = await open(next);
    const late = journal.kept(next.seq);
    let writes: Writes = [];
    if (!late || !keep)
      await handle(next, async () => {
        const mine: (() => void)[] = [];
        await event.handle(late, (write) => void mine.push(write));
        writes = mine;
      });
    const { wire } = next;
    if (wire.type === 'm.room.redaction') journal.forget(takenAway({ content: wire.content, wire }));
    if (keep) await keepFor(next, writes);
    else journal.done(next.seq, writes); // lost by a crash right before, it comes again: its decision is then confirmed or no news
  }

  async function drain(): Promise<void> {
    do {
      again = false;
      for (let next = journal.next(); next && !signal.aborted; next = journal.next()) await one(next);
    } while (again && !signal.aborted);
  }

  function kick(): void {
    again = true;
    running ??= drain()
      .catch((error: unknown) => {
        if (!signal.aborted) log.fatal({ err: error }, 'events are no longer handled');
        if (!signal.aborted) throw error; // unhandled: ends the process, which takes up again where it stopped
      })
      .finally(() => {
        running = undefined;
      });
  }
  journal.wake(Date.now()); // a crash may have come between a key and this

  return {
    kick,
    keysCame(keys) {
      if (signal.aborted) return;
      if (keys.filter((key) => journal.wake(Date.now(), key)).length > 0) kick();
    },
    idle: async () => void (await running?.catch(() => {})),
  };
}
