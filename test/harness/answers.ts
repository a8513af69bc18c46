/** What a person does with a card on the phone: find it, read its chip's name, answer, read how it ends. */
import { createDecipheriv, createHash } from 'node:crypto';
import type { Card, Content, Phone, Shown } from '../phone/types.ts';

const bodyOf = (e: Shown): string => String(e.content['body'] ?? '');

/** Which event this one edits, and what that now says. */
export function editOf(e: Shown): { of: string; text: string; html: string } | undefined {
  const relation = e.content['m.relates_to'] as { rel_type?: string; event_id?: string } | undefined;
  const now = e.content['m.new_content'] as { body?: string; formatted_body?: string } | undefined;
  if (relation?.rel_type !== 'm.replace' || !relation.event_id || !now) return undefined;
  return { of: relation.event_id, text: now.body ?? '', html: now.formatted_body ?? '' };
}

/** Says `text` and waits for the card that comes of it, complete with its chips or answers. */
export async function askAndSee(phone: Phone, text: string, room?: string): Promise<Card> {
  const before = new Set(phone.cards().map((c) => c.id));
  await phone.say(text, room);
  return phone.until(`the card of ${JSON.stringify(text)}`, (p) =>
    p.cards().find((c) => !before.has(c.id) && (c.chips.length === 3 || c.answers.length === 2)),
  );
}

/** The number in a card's header, which stands below the title of a task that is not the current one. */
export function numberOf(card: Card): number {
  const number = /^(?:> .*\n)?#(\d+) /.exec(card.text)?.[1];
  if (!number) throw new Error(`a card without a number: ${card.text}`);
  return Number(number);
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

/** The poll's answer with this text: `Approve` or `Deny`. */
export function answerOf(card: Card, text: 'Approve' | 'Deny'): string {
  const answer = card.answers.find((a) => a.text === text)?.id;
  if (!answer) throw new Error(`no answer ${text}: ${card.text}`);
  return answer;
}

/** Approves whatever card comes, as a person would who agrees with everything. @returns the way to end that */
export function approveAll(phone: Phone): () => void {
  const seen = new Set<string>();
  const timer = setInterval(() => {
    for (const card of phone.cards()) {
      const poll = card.answers.length === 2;
      if (seen.has(card.id) || !(poll || card.chips.length === 3)) continue;
      seen.add(card.id);
      const answered = poll ? phone.vote(card.id, [answerOf(card, 'Approve')]) : approve(phone, card);
      answered.catch((error: unknown) => console.error(error));
    }
  }, 20);
  return () => clearInterval(timer);
}

export const isTapped = ({ chips }: Card): boolean => chips.length === 3;

/**
 * Waits for the next card that can be answered and has these words, and gives each once.
 * @param fits whether it can be answered as the story does
 */
export function nextCards(phone: () => Phone, fits: (card: Card) => boolean, seconds: number) {
  const given = new Set<string>();
  return async (words = ''): Promise<Card> => {
    const isNext = (c: Card) => !given.has(c.id) && c.text.includes(words) && fits(c);
    const card = await phone().until(`a card with "${words}"`, (p) => p.cards().find(isNext), seconds);
    given.add(card.id);
    return card;
  };
}

/** Waits for the poll of the card with this number. */
export const pollOf = (phone: Phone, number: number): Promise<Card> =>
  phone.until(`a poll of #${number}`, (p) =>
    p.cards().find((c) => c.answers.length === 2 && numberOf(c) === number),
  );

/** Waits for a message of somebody else that contains this, and returns its text; of an edit, what it now says. */
export const sees = (phone: Phone, what: string, seconds?: number): Promise<string> =>
  phone.until(
    `a message with ${JSON.stringify(what)}`,
    (p) =>
      p
        .timeline()
        .filter((e) => e.sender !== p.user)
        .map((e) => editOf(e)?.text ?? bodyOf(e))
        .find((body) => body.includes(what)),
    seconds,
  );

/**
 * Says something and waits for the next message of somebody else that contains this. An edit of what stood there before, as the
 * pinned message gets at any time, is no answer.
 */
export async function hears(phone: Phone, text: string, what: string): Promise<string> {
  const before = new Set(phone.timeline().map((e) => e.id));
  await phone.say(text);
  const answer = await phone.until(`an answer to ${text} with ${JSON.stringify(what)}`, (p) =>
    p
      .timeline()
      .find(
        (e) =>
          !before.has(e.id) &&
          !before.has(editOf(e)?.of ?? '') &&
          e.sender !== p.user &&
          bodyOf(e).includes(what),
      ),
  );
  return bodyOf(answer);
}

/**
 * What somebody else's messages in a room cost their reader: how many stand there, edits and reactions not counted, and how
 * many characters they have as they stand now.
 */
export function readerCost(
  phone: Phone,
  room: string,
): { messages: number; characters: number; texts: string[] } {
  const said = phone.timeline().filter((e) => e.room === room && e.sender !== phone.user && !e.redacted);
  const edits = new Map(said.flatMap((e) => editOf(e) ?? []).map(({ of, text }) => [of, text]));
  const polls = new Map(phone.cards().map((card) => [card.id, card.text]));
  const texts = said
    .filter((e) => (e.type === 'm.room.message' && !editOf(e)) || e.type.endsWith('poll.start'))
    .map((e) => edits.get(e.id) ?? polls.get(e.id) ?? bodyOf(e));
  const characters = texts.reduce((sum, text) => sum + text.length, 0);
  return { messages: texts.length, characters, texts };
}

/** Waits for the card's last edit to contain this. */
export const endsWith = (phone: Phone, card: Card, what: string, seconds?: number): Promise<string> =>
  phone.until(
    `the card to end with ${JSON.stringify(what)}`,
    (p) => {
      const last = p.timeline().findLast((e) => editOf(e)?.of === card.id);
      const text = last && editOf(last)?.text;
      return text?.includes(what) ? text : undefined;
    },
    seconds,
  );

/** Waits for the card to say how its action ended. @returns what stands there of its output */
export async function outputOf(phone: Phone, card: Card, seconds?: number): Promise<string> {
  const lines = (await endsWith(phone, card, ' · ⛓ ', seconds)).split('\n');
  const end = lines.findLastIndex((line) => /^[✅⚠🛑❓]/u.test(line));
  const quoted = lines.slice(end + 1).filter((line) => line.startsWith('|'));
  return quoted.map((line) => line.replace(/^\| ?/, '')).join('\n');
}

/** Waits for the file of that name and downloads it as a client does. @param homeserver its address */
export async function fileOf(phone: Phone, homeserver: string, name: string): Promise<Buffer> {
  const event = await phone.until(`the file ${name}`, (p) =>
    p
      .timeline()
      .find((e) => ['m.file', 'm.image'].includes(String(e.content['msgtype'])) && bodyOf(e) === name),
  );
  const file = event.content['file'] as Content & { key: { k: string }; hashes: { sha256: string } };
  const media = String(file['url']).replace('mxc://', '/_matrix/client/v1/media/download/');
  const headers = { authorization: `Bearer ${phone.token}` };
  const sealed = Buffer.from(await (await fetch(homeserver + media, { headers })).arrayBuffer());
  const hash = createHash('sha256').update(sealed).digest('base64').replace(/=+$/, '');
  if (hash !== file.hashes.sha256) throw new Error(`${name} is not what was encrypted`);
  const key = Buffer.from(file.key.k, 'base64url');
  const opened = createDecipheriv('aes-256-ctr', key, Buffer.from(String(file['iv']), 'base64'));
  return Buffer.concat([opened.update(sealed), opened.final()]);
}

/**
 * Asks for a command that stands below so many lines that no card shows it: it takes nothing but a code.
 * @returns its card, and the code out of the last line of its file
 */
export async function askLong(
  phone: Phone,
  homeserver: string,
  command: string,
): Promise<{ card: Card; code: string }> {
  const before = new Set(phone.timeline().map((e) => e.id));
  await phone.say(`!run ${Array.from({ length: 300 }, (_, i) => `: line ${i}\n`).join('')}${command}`);
  const event = await phone.until('the card of a long action', (p) =>
    p.timeline().find((e) => !before.has(e.id) && bodyOf(e).includes('too long for a card')),
  );
  const card: Card = { id: event.id, room: event.room, text: bodyOf(event), chips: [], answers: [] };
  const file = (await fileOf(phone, homeserver, `action-${numberOf(card)}.txt`)).toString();
  const code = /^send (\S+) to approve/.exec(file.trimEnd().split('\n').at(-1) ?? '')?.[1];
  if (!code) throw new Error(`a file without a code: ${file.slice(-200)}`);
  return { card, code };
}
