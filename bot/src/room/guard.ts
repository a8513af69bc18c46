/** The room guard: where rooms or identities are not what they were, nothing that was shown counts any more. */
import { newId } from '@pocketcoder/ledger/src/action.ts';
import { retry } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { NarrowLedger } from '../approval/narrow.ts';
import type { Cards } from '../approval/store.ts';
import type { Book } from '../approval/view.ts';
import { unlessOver } from '../desk/refusals.ts';
import type { Conversation } from '../tasks/conversation.ts';
import type { Matrix, RoomId } from '../types.ts';
import type { Troubles } from './troubles.ts';

export type Guard = ReturnType<typeof createGuard>;
export type GuardOptions = {
  matrix: Pick<Matrix, 'identityNow' | 'troubleNow'>;
  cards: Cards;
  book: Book;
  ledger: NarrowLedger;
  conversation: Pick<Conversation, 'interrupt'>;
  /** Rooms in which nothing is asked or approved, and why. */
  troubles: Troubles;
  /** Never throws; the same `txn` is the same message. */
  say(room: RoomId, text: string, o?: { txn: string }): Promise<void>;
  log: Logger;
};
export function createGuard(o: GuardOptions) {
  const { matrix, cards, book, ledger, troubles, say, log } = o;
  /** Troubles that this process has told of. */
  const raised = new Set<string>();

  async function voidCards(room: RoomId, reason: string): Promise<void> {
    // All of them first: the next event may be an answer to any.
    for (const card of cards.open()) if (card.room === room) cards.set(card.action, { open: false });
    for (const { action, digest } of book.unfinished()) {
      const waits = ['requested', 'posted', 'endorsed'].includes(book.state(action.id));
      if (!waits || book.rooms().get(action.workspace) !== room) continue;
      const body = { digest, reason };
      await unlessOver(ledger.append({ kind: 'void', action: action.id, body }));
    }
  }

  /** Identities that are enrolled no longer, while not all that follows is recorded: the ledger may be down meanwhile. */
  const changed: { id: string; user: string }[] = [];

  async function compare(): Promise<void> {
    for (const user of new Set(book.enrolled().map((d) => d.user))) {
      const now = await matrix.identityNow(user);
      if (!now || book.enrolled().some((d) => d.user === user && d.master === now.master)) continue;
      log.error({ user }, 'an identity changed');
      const body = { user, master: now.master };
      const { seq } = await ledger.append({ kind: 'identity.changed', body });
      await book.reached(seq); // from here on nobody of that user is given keys or heard
      changed.push({ id: newId(), user });
    }
    for (let next = changed[0]; next; next = changed[0]) {
      const reason = `the identity of ${next.user} is not the one that was paired`;
      await ledger.append({ id: next.id, kind: 'alarm', body: { reason, user: next.user } });
      for (const [workspace, room] of book.rooms()) {
        void o.conversation.interrupt(workspace);
        await voidCards(room as RoomId, reason);
        await say(room as RoomId, `⚠️ ${reason}. What waited here is void. Pair again at the console.`);
      }
      changed.shift();
    }
    if (book.enrolled().length > 0) return;
    // Cut off by a crash half-way through the above.
    for (const room of book.rooms().values()) await voidCards(room as RoomId, 'no device is paired');
  }
  let comparing: Promise<void> = Promise.resolve();

  return {
    /** A gap in the room's history that could not be filled: a ❌ may be in it, so its open cards are void. */
    async lost(room: RoomId): Promise<void> {
      await voidCards(room, 'part of the room’s history could not be read');
      await say(room, '⚠️ Part of what was said here could not be read, so what waited is void. Ask again.');
    },
    /** Somebody unexpected is there, or the room's protection changed: nothing is approved until a person looked. */
    async trouble(room: RoomId, why: string): Promise<void> {
      const trouble = troubles.note(room, why);
      if (raised.has(trouble.id)) return;
      log.error({ room, why: trouble.why }, 'room guard');
      await voidCards(room, trouble.why);
      await ledger.append({ id: trouble.id, kind: 'alarm', body: { reason: trouble.why, room } });
      raised.add(trouble.id);
      await say(
        room,
        `⚠️ ${trouble.why}. What waited here is void, and nothing is asked or approved until that is undone and you say !resume.`,
        { txn: `alarm-${trouble.id}` },
      );
    },
    /** Looks at a troubled room again for a person who asked, and lifts its trouble if all is well. Returns what to say. */
    async recheck(room: RoomId): Promise<string> {
      const was = troubles.why(room);
      if (!was) return 'Nothing is off here.';
      const why = await matrix.troubleNow(room);
      if (why) return `⚠️ Still off: ${why}. Nothing is asked or approved here until that is undone.`;
      troubles.lift(room);
      log.warn({ room, was }, 'a person lifted a trouble');
      return 'This room is as it was made. Actions are asked and approved again; what became void has to be asked anew.';
    },
    /** Keys were stated anew: whoever's identity is not the pinned one any more is enrolled no longer. */
    identities(): Promise<void> {
      comparing = comparing.catch(() => {}).then(compare);
      return comparing;
    },
  };
}

/** The guard as what only sees calls it: never waited for, and a ledger that is down for a while makes it forget nothing. */
export function createWatch(guard: Guard, troubles: Troubles, log: Logger) {
  const insist = (work: () => Promise<void>): void =>
    void retry(work, {
      ...{ first: 5000, most: 5000 },
      again(error) {
        log.error({ err: error }, 'the room guard could not record what it saw; trying again');
        return true;
      },
    });
  const trouble = (room: RoomId, why: string): void => insist(() => guard.trouble(room, why));
  const identities = (): void => insist(guard.identities);
  return {
    trouble,
    identities,
    /** After a start: tells of what a crash cut off, a trouble that was noted or an identity that changed meanwhile. */
    resume(): void {
      for (const { room, why } of troubles.all()) trouble(room, why);
      identities();
    },
  };
}
