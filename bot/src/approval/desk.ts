/** From a wish to a card, and from a verdict to a decision in the ledger. What the ledger refuses did not happen. */
import {
  type Action,
  type Asked,
  actionText,
  type Clocks,
  makeAction,
} from '@pocketcoder/ledger/src/action.ts';
import { type Ledger, LedgerError } from '@pocketcoder/ledger/src/client.ts';
import type { Logger } from 'pino';
import type { EventId, Matrix, RoomId } from '../matrix/types.ts';
import type { Book } from './book.ts';
import {
  type Content,
  canBeTapped,
  chip,
  chipCard,
  codeNotice,
  longCard,
  message,
  poll,
  type Secrets,
} from './card.ts';
import type { Verdict } from './gatekeeper.ts';
import type { Card, CardStore } from './store.ts';
import { newCode, newNonce, pickEmojis, sealedKey, sealedPart } from './tokens.ts';

export type DeskOptions = {
  ledger: Ledger;
  matrix: Matrix;
  cards: CardStore;
  book: Book;
  clocks: Clocks;
  /** How sealed actions are answered; signed ones always take a poll. */
  form: 'chip' | 'poll';
  owner: string;
  log: Logger;
};
export type Desk = {
  /** Records the wish and shows its card. Resolves when the card can be answered. */
  ask(asked: Asked): Promise<{ action: string; number: number }>;
  /** Carries out a verdict of the gatekeeper. Returns what a person should be told, or ''. */
  apply(verdict: Verdict): Promise<string>;
  addPoll(number: number): Promise<string>;
  addCode(number: number): Promise<string>;
  deny(action: string, by: string, why: string): Promise<void>;
  /** Ends what runs and denies what waits in a workspace. Returns how many actions that were. */
  stop(workspace: string, by: string): Promise<number>;
  /** Writes `expired` for every card whose decide-by has passed. */
  expire(now: number): Promise<void>;
  /** After a restart: shows the cards that were recorded but not shown, or not with all their chips. */
  resume(): Promise<void>;
};

export function createDesk(o: DeskOptions): Desk {
  const { ledger, matrix, cards, book, log } = o;

  const secretsOf = (card: Card): Secrets => ({ ...card, decideBy: new Date(card.decideBy) });
  const roomOf = (workspace: string): RoomId => {
    const room = book.rooms().get(workspace);
    if (!room) throw new Error(`workspace ${workspace} has no room`);
    return room as RoomId;
  };

  /** A card with fresh secrets, stored before anything of it is sent. */
  function draw(action: Action, number: number, digest: string, requestedAt: number): Card {
    const known = cards.get(action.id);
    if (known) return known; // shown again after a crash: the same secrets, never a second set
    const sealed = action.grade === 'sealed' && o.form === 'chip';
    const [named, decoy] = sealed ? pickEmojis(cards.recentEmojis()) : ['', ''];
    const card: Card = {
      action: action.id,
      number,
      room: roomOf(action.workspace),
      digest,
      form: sealed ? 'chip' : 'poll',
      key: sealed ? sealedKey(named) : '',
      decoy: sealed ? sealedKey(decoy) : '',
      nonce: newNonce(),
      code: newCode(),
      event: '',
      poll: '',
      notice: '',
      chips: '',
      decideBy: requestedAt + action.decide_within * 1000,
      dropped: false,
      open: true,
      ended: false,
      approval: '',
    };
    if (!canBeTapped(action, secretsOf(card))) Object.assign(card, { form: 'code', key: '', decoy: '' });
    cards.add(card);
    return card;
  }

  const post = (card: Card, part: string, type: string, content: Content, outer?: Content) =>
    matrix.post(card.room, type, content, {
      txn: `${part}-${card.action}`,
      ...(outer && { outerRelation: outer }),
    });

  async function showPoll(card: Card, action: Action): Promise<string> {
    const { type, content } = poll(action, secretsOf(card), o.owner);
    const event = await post(card, 'poll', type, content);
    cards.set(card.action, { poll: event });
    return event;
  }

  async function showLong(card: Card, action: Action): Promise<string> {
    const { card: content, file } = longCard(action, secretsOf(card));
    content['m.mentions'] = { user_ids: [o.owner] };
    const event = await post(card, 'card', 'm.room.message', content);
    const name = `action-${card.number}.txt`;
    const attached = await matrix.uploadEncrypted(Buffer.from(file), name, 'text/plain');
    await post(card, 'file', 'm.room.message', attached);
    return event;
  }

  async function showChips(card: Card): Promise<void> {
    const ids: EventId[] = [];
    // Neither their order nor their transaction ids may tell which is the named one: a person would tap the first unread.
    const [first = '', second = ''] = [card.key, card.decoy].sort((a, b) =>
      sealedPart(a) < sealedPart(b) ? -1 : 1,
    );
    for (const [part, key] of [
      ['chip1', first],
      ['chip2', second],
      ['deny', '❌'],
    ] as const) {
      const { content, outer } = chip(card.event, key);
      ids.push(await post(card, part, 'm.reaction', content, outer));
    }
    cards.set(card.action, { chips: ids.join(' ') });
    // It ended while its chips were still on their way: whoever ended it could not take them away.
    if (cards.get(card.action)?.ended)
      for (const id of ids) await matrix.redact(card.room, id, 'the card has ended');
  }

  /** Sends the card, records where it stands, then adds the chips: no tap can come before `posted`. */
  async function show(action: Action, card: Card): Promise<void> {
    const event =
      card.form === 'poll'
        ? await showPoll(card, action)
        : card.form === 'code'
          ? await showLong(card, action)
          : await post(card, 'card', 'm.room.message', {
              ...message(chipCard(action, secretsOf(card)), 'm.text'),
              'm.mentions': { user_ids: [o.owner] },
            });
    cards.set(card.action, { event });
    const body = { digest: card.digest, room: card.room, event, form: card.form };
    const entry = await ledger.append({ kind: 'posted', action: card.action, body });
    await book.reached(entry.seq);
    if (card.form === 'chip') await showChips({ ...card, event });
  }

  async function decide(kind: 'approved' | 'denied', card: Card, body: object): Promise<string> {
    try {
      const entry = await ledger.append({
        kind,
        action: card.action,
        body: { digest: card.digest, ...body },
      });
      cards.set(card.action, { open: false });
      log.info({ action: card.action, kind, seq: entry.seq }, 'decision');
      return '';
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code === 'unreachable') throw error;
      log.warn({ action: card.action, kind, code: error.code }, 'the ledger refused a decision');
      return refused[error.code] ?? `the ledger refused it (${error.code}): nothing was run`;
    }
  }

  /** A denial counts until the executor has claimed the action; the ledger knows which came first. */
  const denyCard = (card: Card, by: string, why: string): Promise<string> =>
    decide('denied', card, { grade: 'plain', by, reason: why });

  async function apply(v: Verdict): Promise<string> {
    switch (v.do) {
      case 'approve':
        cards.set(v.card.action, { approval: v.evidence.event });
        return decide('approved', v.card, { grade: v.grade, evidence: v.evidence });
      case 'deny':
        if (['posted', 'approved'].includes(book.state(v.card.action)))
          return denyCard(v.card, v.evidence.user, v.why);
        return '';
      case 'suspect':
        if (!v.card.open || v.card.dropped) return '';
        cards.set(v.card.action, { dropped: true });
        await ledger.append({ kind: 'alarm', body: { reason: 'token guessed', action: v.card.action } });
        return `⚠️ #${v.card.number} got a tap with a key nobody was given. Taps no longer count for it: answer with !poll ${v.card.number}.`;
      case 'explain':
        return v.why;
      default:
        return '';
    }
  }

  const waiting = (number: number): { card: Card; action: Action } | string => {
    const card = cards.byNumber(number);
    const page = card && book.page(card.action);
    if (!card || !page) return `There is no #${number}. !pending lists what waits.`;
    if (!card.open) return `#${number} is already ${book.state(card.action)}.`;
    return { card, action: page.action };
  };

  return {
    async ask(asked) {
      const action = makeAction(asked, o.clocks);
      const entry = await ledger.append({
        id: action.id,
        kind: 'requested',
        action: action.id,
        body: JSON.parse(actionText(action)) as object,
      });
      await book.reached(entry.seq);
      const page = book.page(action.id);
      if (!page) throw new Error('the ledger did not show the action it took');
      await show(action, draw(action, page.number, page.digest, page.requestedAt));
      return { action: action.id, number: page.number };
    },
    apply,
    async addPoll(number) {
      const found = waiting(number);
      if (typeof found === 'string') return found;
      if (found.card.form === 'code') return `#${number} is too long for a poll: its file has a code.`;
      await showPoll(found.card, found.action);
      return '';
    },
    async addCode(number) {
      const found = waiting(number);
      if (typeof found === 'string') return found;
      if (found.card.form === 'code') return `#${number} is too long to show: its file has the code.`;
      const event = await post(
        found.card,
        'code',
        'm.room.message',
        codeNotice(found.action, secretsOf(found.card)),
      );
      cards.set(found.card.action, { notice: event });
      return '';
    },
    async deny(action, by, why) {
      const card = cards.get(action);
      if (card) await denyCard(card, by, why);
    },
    async stop(workspace, by) {
      const mine = book.unfinished().filter((p) => p.action.workspace === workspace);
      for (const { action } of mine) {
        const state = book.state(action.id);
        const card = cards.get(action.id);
        if (card && (state === 'posted' || state === 'approved')) await denyCard(card, by, 'stopped');
        // Claimed meanwhile, or long since: then it is the executor's to end.
        const now = book.state(action.id);
        if (now === 'denied') continue;
        await ledger.append({ kind: 'stop', action: action.id, body: { by } }).catch((error: unknown) => {
          if (!(error instanceof LedgerError) || error.code !== 'lifecycle') throw error;
        });
      }
      return mine.length;
    },
    async expire(now) {
      for (const card of cards.open()) {
        if (now <= card.decideBy || book.state(card.action) !== 'posted') continue;
        const body = { digest: card.digest, reason: 'not decided in time' };
        await ledger.append({ kind: 'expired', action: card.action, body });
        cards.set(card.action, { open: false });
      }
    },
    async resume() {
      for (const page of book.unfinished()) {
        const state = book.state(page.action.id);
        const card = cards.get(page.action.id);
        if (state === 'requested')
          await show(page.action, draw(page.action, page.number, page.digest, page.requestedAt));
        else if (state === 'posted' && card?.form === 'chip' && !card.chips) await showChips(card);
      }
    },
  };
}

/** What the ledger's refusals mean to the person who tapped. */
const refused: Record<string, string> = {
  late: 'too late: the time to decide has passed, nothing was run',
  frozen: 'everything is frozen: nothing was run. Thaw at the console first',
  lifecycle: 'it was decided already',
  not_enrolled: 'that device is not enrolled: nothing was run. Pair it at the console',
  clock_back: 'the ledger’s clock went back: nothing was run. Ask again',
};
