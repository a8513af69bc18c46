/** What a person does with a card on the phone: find it, read its chip's name, answer. */
import type { Card, Phone } from '../phone/phone.ts';

/** Says `text` and waits for the card that comes of it, complete with its chips or answers. */
export async function askAndSee(phone: Phone, text: string): Promise<Card> {
  const before = new Set(phone.cards().map((c) => c.id));
  await phone.say(text);
  return phone.until(`the card of ${JSON.stringify(text)}`, (p) =>
    p.cards().find((c) => !before.has(c.id) && (c.chips.length === 3 || c.answers.length === 2)),
  );
}

/** The chip that the card's own text names, and the one it does not. */
export function chipsOf(card: Card): { named: string; decoy: string } {
  const name = /tap (\S+) to approve/.exec(card.text)?.[1];
  const sealed = card.chips.map((c) => c.key).filter((key) => key !== '❌');
  const named = sealed.find((key) => key.startsWith(`${name} `));
  const decoy = sealed.find((key) => key !== named);
  if (!named || !decoy) throw new Error(`a card without its two chips: ${card.text}`);
  return { named, decoy };
}

/** Taps the chip that the card names, as a careful person does. @returns the reaction's id */
export const approve = (phone: Phone, card: Card): Promise<string> => phone.tap(card.id, chipsOf(card).named);

/** Waits for a message that contains this, and returns its text. */
export const sees = (phone: Phone, what: string, seconds?: number): Promise<string> =>
  phone.until(
    `a message with ${JSON.stringify(what)}`,
    (p) =>
      p
        .timeline()
        .map((e) => String(e.content['body'] ?? ''))
        .find((body) => body.includes(what)),
    seconds,
  );

/** Waits for the card's last edit to contain this. */
export const endsWith = (phone: Phone, card: Card, what: string): Promise<string> =>
  phone.until(`the card to end with ${JSON.stringify(what)}`, (p) => {
    const edited = p.cards().find((c) => c.id === card.id)?.edited;
    return edited?.includes(what) ? edited : undefined;
  });
