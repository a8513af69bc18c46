/** Open secrets stay where they belong: nothing else that leaves the bot may hold one. */
import type { Card, CardStore } from './store.ts';
import { folded, sealedPart } from './tokens.ts';

/** Which of its card's secrets an event is made to carry, by its transaction id (`poll-ACTION`). No other has any. */
const carriers: Readonly<Record<string, (card: Card) => string[]>> = {
  chip1: (c) => [c.key, c.decoy],
  chip2: (c) => [c.key, c.decoy],
  poll: (c) => [c.nonce],
};

/** What JSON, or a text made visible, writes for a character that would split a secret: its letters are not the secret's. */
const escapes = /\\(?:[bfnrt]|u[0-9a-f]{4}|u\{[^}]{0,16}\})/gi;

/**
 * Looks for open secrets in what is about to leave, in every form in which a code would count.
 * @param txn transaction id of the event that carries the text, '' for everything else
 * @returns '' or what is wrong, for people: without the secret
 */
export function leakIn(cards: CardStore, text: string, txn = ''): string {
  const open = cards.open();
  if (open.length === 0) return '';
  const forms = [folded(text), folded(text.replace(escapes, ''))];
  for (const card of open) {
    const own = Object.entries(carriers).find(([part]) => txn === `${part}-${card.action}`)?.[1](card) ?? [];
    for (const secret of [card.key, card.decoy, card.nonce, card.code]) {
      const part = folded(sealedPart(secret) || secret);
      if (secret && !own.includes(secret) && forms.some((form) => form.includes(part)))
        return `it holds a secret of #${card.number}, which is open: to approve, send the code as your whole message`;
    }
  }
  return '';
}
