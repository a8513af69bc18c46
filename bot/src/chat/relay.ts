/** Every event of the room: judged by the gatekeeper, then decided, heard, or left alone. */
import type { Entry, Ledger } from '@pocketcoder/ledger/src/client.ts';
import { LedgerError } from '@pocketcoder/ledger/src/client.ts';
import type { Logger } from 'pino';
import type { Book } from '../approval/book.ts';
import { message } from '../approval/card.ts';
import type { Desk } from '../approval/desk.ts';
import { type Gate, judge } from '../approval/gatekeeper.ts';
import type { CardStore } from '../approval/store.ts';
import type { EventId, Matrix, RoomId, Taken } from '../matrix/types.ts';
import { runCommand } from './commands.ts';
import type { Conversation } from './conversation.ts';

export type RelayOptions = {
  matrix: Matrix;
  cards: CardStore;
  book: Book;
  desk: Desk;
  conversation: Conversation;
  ledger: Ledger;
  /** Rooms in which nothing is asked or approved, and why. */
  troubles: Map<string, string>;
  health(): string[];
  log: Logger;
};
export type Relay = {
  /** Takes one event, in order. Throws only when a part is down: then it comes again. */
  take(t: Taken): Promise<void>;
  /** A gap in the room's history that could not be filled: a ❌ may be in it, so its open cards are void. */
  lost(room: RoomId): Promise<void>;
  /** Somebody unexpected is there, or the room's protection changed: nothing is approved until a person looked. */
  trouble(room: RoomId, why: string): Promise<void>;
  onEntry(entry: Entry): void;
};

/** What the operator did at the console, told in every room. */
const told: Record<string, string> = {
  'identity.enrolled':
    'Paired. This device may approve from now on. Say what should be done, or !help for the commands. A card shows the whole action: tap the emoji that the card names to approve it, ❌ to deny it.',
  'identity.revoked':
    '🔒 A device was revoked at the console: it approves nothing more and reads nothing new.',
  frozen: '🧊 Frozen at the console: nothing is approved and nothing starts until it is thawed there.',
  thawed: '☀️ Thawed at the console: approvals count again. What was approved before has to be asked anew.',
};

export function createRelay(o: RelayOptions): Relay {
  const { matrix, cards, book, desk, conversation, log } = o;
  const gate: Gate = {
    matrix,
    cards,
    approvers: () => book.enrolled(),
    trouble: (room) => o.troubles.get(room) ?? '',
    now: () => Date.now(),
  };
  const workspaceOf = (room: string): string | undefined =>
    [...book.rooms()].find(([, r]) => r === room)?.[0];

  /** Words to the room; where that fails the decision stands all the same. */
  async function say(room: RoomId, text: string, replyTo?: string): Promise<void> {
    if (!text) return;
    const content = message([{ line: text }]);
    if (replyTo) content['m.relates_to'] = { 'm.in_reply_to': { event_id: replyTo } };
    await matrix
      .post(room, 'm.room.message', content)
      .catch((error: unknown) => log.warn({ room, err: error }, 'not said'));
  }

  /** Once a card: somebody who sends a spent or refused key over and over must not fill the room. */
  const explained = new Set<string>();
  function explain(about: string, why: string): string {
    if (!why || explained.has(about)) return '';
    explained.add(about);
    return why;
  }

  /** Voids a room's open cards: nothing that was shown there counts any more. */
  async function voidCards(room: RoomId, reason: string): Promise<void> {
    const mine = cards.open().filter((card) => card.room === room);
    // All of them first: the next event may be an answer to any.
    for (const card of mine) cards.set(card.action, { open: false });
    for (const card of mine) {
      const body = { digest: card.digest, reason };
      await o.ledger.append({ kind: 'void', action: card.action, body }).catch((error: unknown) => {
        if (!(error instanceof LedgerError) || error.code !== 'lifecycle') throw error;
      });
    }
  }

  /** Commands and prompts may take long and must not hold up the next tap. */
  function hear(room: RoomId, workspace: string, user: string, text: string, event: string): void {
    const answer = text.startsWith('!')
      ? runCommand(text, { desk, book, cards, conversation, health: o.health, workspace, user })
      : conversation.hear(workspace, text);
    answer
      .catch((error: unknown) => {
        log.error({ room, err: error }, 'not done');
        return `⚠️ ${error instanceof Error ? error.message : String(error)}`;
      })
      .then((said) => say(room, said))
      .catch((error: unknown) => log.error({ err: error }, 'not answered'));
    matrix.readMarker(room, event as EventId).catch(() => {}); // a courtesy
  }

  return {
    async take(t) {
      const workspace = workspaceOf(t.room);
      if (!workspace) return;
      const verdict = await judge(t, gate);
      if (verdict.do === 'ignore') {
        if (t.wire.sender !== matrix.user)
          log.info({ event: t.wire.event_id, type: t.type, why: verdict.why }, 'ignored');
        return;
      }
      if (verdict.do === 'hear') return hear(t.room, workspace, t.wire.sender, verdict.text, t.wire.event_id);
      if (verdict.do === 'stop') {
        // The sandbox first: a brain that hangs must not hold up a stop.
        void conversation.interrupt(workspace);
        const count = await desk.stop(workspace, verdict.evidence.user);
        return say(t.room, count === 0 ? 'Nothing was running or waiting.' : `🛑 Stopped: ${count}.`);
      }
      await say(
        t.room,
        explain(`${verdict.card.action} ${verdict.do}`, await desk.apply(verdict)),
        verdict.card.event,
      );
    },
    async lost(room) {
      await voidCards(room, 'part of the room’s history could not be read');
      await say(room, '⚠️ Part of what was said here could not be read, so what waited is void. Ask again.');
    },
    async trouble(room, why) {
      if (o.troubles.has(room)) return;
      o.troubles.set(room, why);
      log.error({ room, why }, 'room guard');
      await voidCards(room, why);
      await o.ledger.append({ kind: 'alarm', body: { reason: why, room } });
      await say(
        room,
        `⚠️ ${why}. Nothing is asked or approved here until the bot was started again without it.`,
      );
    },
    onEntry(entry) {
      const text = Object.hasOwn(told, entry.kind) ? told[entry.kind] : undefined;
      if (text) for (const room of book.rooms().values()) void say(room as RoomId, text);
    },
  };
}
