/** Open secrets stay where they belong: nothing else that leaves the bot may hold one. */
import type { Card, CardStore } from './store.ts';
import { sealedPart } from './tokens.ts';

/** Which of its card's secrets an event is made to carry, by its transaction id (`poll-ACTION`). No other has any. */
const carriers: Readonly<Record<string, (card: Card) => string[]>> = {
  chip1: (c) => [c.key, c.decoy],
  chip2: (c) => [c.key, c.decoy],
  poll: (c) => [c.nonce],
  code: (c) => [c.code],
};

/**
 * Looks for open secrets in what is about to leave.
 * @param txn transaction id of the event that carries the text, '' for everything else
 * @returns '' or what is wrong, for people: without the secret
 */
export function leakIn(cards: CardStore, text: string, txn = ''): string {
  const bare = (s: string) => s.toUpperCase().replaceAll('-', ''); // a code may be typed in any case
  const all = bare(text);
  for (const card of cards.open()) {
    const own = Object.entries(carriers).find(([part]) => txn === `${part}-${card.action}`)?.[1](card) ?? [];
    for (const secret of [card.key, card.decoy, card.nonce, card.code])
      if (secret && !own.includes(secret) && all.includes(bare(sealedPart(secret) || secret)))
        return `it holds a secret of #${card.number}, which is open: to approve, send the code as your whole message`;
  }
  return '';
}
