/** Cards as the phone shows them, and what a person does with one. */
import type { Room, Row } from './types.ts';

export type Card = {
  /** Its event. */
  id: string;
  number: number;
  text: string;
  /** The keys of the chip that its text names, and of the one that it does not. */
  named: string;
  decoy: string;
};
export type Poll = { id: string; number: number; text: string; approve: string; deny: string };

/** Of a card of a task that is not the current one its title stands above. */
const numberIn = (row: Row): number => Number(/^#(\d+) /m.exec(row.body ?? '')?.[1] ?? 0);
const emojiOf = (key: string): string => key.split(' ')[0] ?? key;

/** The keys of the chips that stand below it. */
const keysOf = (row: Row): string[] =>
  Object.entries(row.taps)
    .filter(([, by]) => by.includes(row.sender))
    .map(([key]) => key);

/** A row with its three chips is a card that waits for an answer. */
export function cardOf(row: Row): Card | undefined {
  const keys = keysOf(row);
  const sealed = keys.filter((key) => key !== '❌');
  const [named, ...more] = sealed.filter((key) => row.body?.includes(emojiOf(key)));
  const decoy = sealed.find((key) => key !== named);
  if (row.own || !row.id || keys.length !== 3 || !named || !decoy || more.length > 0) return undefined;
  return { id: row.id, number: numberIn(row), text: row.body ?? '', named, decoy };
}

/** A poll that waits for an answer. */
export function pollOf(row: Row): Poll | undefined {
  const answer = (text: string) => row.answers?.find((one) => one.text === text)?.id;
  const [approve, deny] = [answer('Approve'), answer('Deny')];
  if (row.own || !row.id || row.ended || !approve || !deny) return undefined;
  return { id: row.id, number: numberIn(row), text: row.body ?? '', approve, deny };
}

/** Waits for the open card whose text has these words. */
export const nextCard = (room: Room, words: string, seconds = 30): Promise<Card> =>
  room.until(
    `a card with ${JSON.stringify(words)}`,
    (rows) => rows.map(cardOf).findLast((card) => card?.text.includes(words)),
    seconds,
  );

/** Has a command run, as far as its card. The words of the command have to be its own. */
export async function asksFor(room: Room, command: string): Promise<Card> {
  await room.say(`!run ${command}`);
  return nextCard(room, command);
}

/** Asks for the card's poll. */
export async function asksForPoll(room: Room, card: Card): Promise<Poll> {
  await room.say(`!poll ${card.number}`);
  return room.until(`the poll of #${card.number}`, (rows) =>
    rows.map(pollOf).findLast((poll) => poll?.number === card.number),
  );
}

/** Waits until the card is over: its chips are gone, and what became of it stands in it. @returns its text */
export async function isOver(room: Room, card: Card, seconds = 30): Promise<string> {
  const row = await room.until(
    `the end of #${card.number}`,
    (rows) => rows.find((one) => one.id === card.id && one.edited && keysOf(one).length === 0),
    seconds,
  );
  return row.body ?? '';
}
