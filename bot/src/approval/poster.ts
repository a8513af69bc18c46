/** Draws a card and shows it: message, chips, poll, code or file. Its secrets are stored before anything is sent. */

import { bodyOf, last } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import type { Action } from '@pocketcoder/ledger/src/action.ts';
import { type Content, message } from '../show/blocks.ts';
import { canBeTapped, chip, chipCard, longCard, poll } from '../show/card.ts';
import type { EventId, Matrix, RoomId } from '../types.ts';
import type { NarrowLedger } from './narrow.ts';
import type { Card, CardStore } from './store.ts';
import { newCode, newNonce, pickEmojis, sealedKey, sealedPart } from './tokens.ts';
import { type Book, type Page, usersWho } from './view.ts';

export type PosterOptions = {
  ledger: NarrowLedger;
  matrix: Matrix;
  cards: CardStore;
  book: Book;
  /** What people call a task where the room speaks with another one now, else ''. */
  titleOf(task: string): string;
};
export type Poster = {
  /** Shows an action's card and records it as posted. After a crash the same card, with the same secrets. */
  show(page: Page): Promise<void>;
  /** The poll of a card that was posted without one. */
  showPoll(action: Action): Promise<void>;
  /** Records the message that asks for an action as what stands in a card's place. */
  adopt(page: Page, event: string): Promise<Card>;
  /** The chips of a card that was posted without all of them. */
  showChips(action: string): Promise<void>;
};

export function createPoster({ ledger, matrix, cards, book, titleOf }: PosterOptions): Poster {
  /** Whose phones a card has to wake. */
  const approvers = (): string[] => usersWho(book.enrolled(), 'approves');
  const roomOf = (workspace: string): RoomId => {
    const room = book.rooms().get(workspace);
    if (!room) throw new Error(`workspace ${workspace} has no room`);
    return room as RoomId;
  };

  /**
   * A card with fresh secrets, stored before anything of it is sent.
   * @param command the event that takes its place: its secrets are never shown then, and it takes no answer
   */
  function draw({ action, number, digest, requestedAt, story }: Page, command = ''): Card {
    const known = cards.get(action.id);
    if (known) return known; // shown again after a crash: the same secrets, never a second set
    // Signed actions always take a poll; how sealed ones are answered the policy says.
    const sealed = !command && action.grade === 'sealed' && book.policy()[action.class]?.form === 'chip';
    const title = titleOf(action.task);
    const files = last(story, 'named');
    const [named, decoy] = sealed ? pickEmojis(cards.recentEmojis()) : ['', ''];
    const card: Card = {
      action: action.id,
      number,
      room: roomOf(action.workspace),
      digest,
      ...(title && { title }),
      ...(files && { named: bodyOf(files, 'named') }),
      form: sealed ? 'chip' : 'poll',
      key: sealed ? sealedKey(named) : '',
      decoy: sealed ? sealedKey(decoy) : '',
      nonce: newNonce(),
      code: '',
      event: '',
      poll: '',
      chips: '',
      decideBy: requestedAt + action.decide_within * 1000,
      dropped: false,
      open: true,
      ended: false,
      approval: '',
    };
    if (command) Object.assign(card, { form: 'command', event: command, open: false });
    else if (!canBeTapped(action, card))
      Object.assign(card, { form: 'code', key: '', decoy: '', code: newCode() });
    cards.add(card);
    return card;
  }

  const post = (card: Card, part: string, type: string, content: Content, outer?: Content) =>
    matrix.post(card.room, type, content, {
      txn: `${part}-${card.action}`,
      ...(outer && { outerRelation: outer }),
    });

  async function postPoll(card: Card, action: Action): Promise<EventId> {
    const { type, content } = poll(action, card, approvers());
    const event = await post(card, 'poll', type, content);
    cards.set(card.action, { poll: event });
    return event;
  }

  async function postLong(card: Card, action: Action): Promise<EventId> {
    const { card: content, file } = longCard(action, card);
    content['m.mentions'] = { user_ids: approvers() };
    const event = await post(card, 'card', 'm.room.message', content);
    const name = `action-${card.number}.txt`;
    const attached = await matrix.uploadEncrypted([Buffer.from(file)], name, 'text/plain');
    await post(card, 'file', 'm.room.message', attached);
    return event;
  }

  async function showChips(action: string): Promise<void> {
    const card = cards.get(action);
    if (!card) return;
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
    cards.set(action, { chips: ids.join(' ') });
    // It ended while its chips were still on their way: whoever ended it could not take them away.
    if (cards.get(action)?.ended)
      for (const id of ids) await matrix.redact(card.room, id, 'the card has ended');
  }

  /** Recorded before it can be answered: no tap comes before `posted`. */
  async function record({ action, digest, room, form }: Card, event: string): Promise<void> {
    const entry = await ledger.append({ kind: 'posted', action, body: { digest, room, event, form } });
    await book.reached(entry.seq);
  }

  return {
    async show(page) {
      const { action } = page;
      const card = draw(page);
      const event =
        card.form === 'poll'
          ? await postPoll(card, action)
          : card.form === 'code'
            ? await postLong(card, action)
            : await post(card, 'card', 'm.room.message', {
                ...message(chipCard(action, card), 'm.text'),
                'm.mentions': { user_ids: approvers() },
              });
      cards.set(card.action, { event });
      await record(card, event);
      if (card.form === 'chip') await showChips(card.action);
    },
    async adopt(page, event) {
      const card = draw(page, event);
      await record(card, event);
      return card;
    },
    async showPoll(action) {
      const card = cards.get(action.id);
      if (card) await postPoll(card, action);
    },
    showChips,
  };
}
