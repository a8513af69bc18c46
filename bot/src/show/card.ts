/** The Matrix events of a card: message, sealed chips, poll, long file, and what stands there once it was answered. */
import type { Action } from '@pocketcoder/ledger/src/action.ts';
import type { Card } from '../approval/store.ts';
import { digestText } from '../approval/tokens.ts';
import { actionBlocks, header } from './action.ts';
import { type Block, type Content, message, toText } from './blocks.ts';
import { namedBlocks } from './named.ts';
import { type Poll, pollOf } from './poll.ts';
import { oneLine } from './visible.ts';

/** What of a card is shown with its action. */
export type Secrets = Pick<
  Card,
  'number' | 'digest' | 'title' | 'named' | 'decideBy' | 'key' | 'nonce' | 'code'
>;

const emojiOf = (key: string): string => key.split(' ')[0] ?? '';

type Shown = Pick<Secrets, 'number' | 'digest' | 'decideBy' | 'title' | 'named'>;
/** What stands below how an action goes: of its output, and for auditors; where a tap on that leads, the timeline's page. */
export type Below = { below?: readonly Block[]; more?: readonly string[]; link?: string | undefined };

/** Whose card it is, as somebody's words: nothing in it can pass for the card's own lines. */
const titled = (title = ''): Block[] => (title ? [{ said: oneLine(title, 60) }] : []);

/** What is for auditors: a card's last line, and a short one. @param how what the ledger says of it, and where a tap on it leads */
const proof = (
  action: Action,
  { digest }: Pick<Shown, 'digest'>,
  { more = [], link }: Below = {},
): Block => ({
  line: [...(more.length > 0 ? more : [action.class]), `digest ${digestText(digest).slice(0, 10)}`].join(
    ' · ',
  ),
  ...(link && { link }),
});

/** What every form of a card shows: header, the whole action, how to answer, digest. */
const asking = (action: Action, s: Shown, how: readonly Block[] = []): Block[] => [
  ...titled(s.title),
  header(action, s.number, s.decideBy),
  ...actionBlocks(action),
  ...namedBlocks(action, s.named),
  ...how,
  proof(action, s),
];

/**
 * A card that was answered: the action stays as it was, and below it stands how it goes or how it ended.
 * @param how what it wrote, left out where the event could not hold it; who approved it, and where the ledger then was
 */
export function answered(action: Action, s: Omit<Shown, 'decideBy'>, line: string, how: Below = {}): Content {
  const shown = [...actionBlocks(action), ...namedBlocks(action, s.named)];
  const about = [...titled(s.title), header(action, s.number), ...shown, { line }];
  const whole = message([...about, ...(how.below ?? []), proof(action, s, how)]);
  return fitsEvent({ ...whole, 'm.new_content': whole }) ? whole : message([...about, proof(action, s, how)]);
}

/** Blocks of a chip card. The name of the right chip stands in the card's own ciphertext: that is the forced match. */
export const chipCard = (action: Action, s: Secrets): Block[] =>
  asking(action, s, [{ line: `tap ${emojiOf(s.key)} to approve · ❌ to deny` }]);

/**
 * Bytes of an event's content before encryption. A homeserver takes 65,536 of the encrypted event, and clients were seen
 * to take bodies of 45 KiB; an edit carries both bodies twice and is the largest of a card's events.
 */
const mostBytes = 40_000;

/** More lines than this are no card on a phone. */
const mostLines = 200;

/** Whether the card can show the whole action to its end; if not it goes along as a file and takes only its code. */
export function canBeTapped(action: Action, s: Secrets): boolean {
  const blocks = chipCard(action, s);
  if (toText(blocks).split('\n').length > mostLines) return false;
  const content = message(blocks);
  return fitsEvent({ ...content, 'm.new_content': content });
}

/** The same before there are secrets: they are all of one length. */
export const fitsCard = (action: Action): boolean =>
  canBeTapped(action, {
    ...{ number: 999_999, digest: '0'.repeat(64), decideBy: 0, key: '🦊', nonce: '', code: '' },
  });

/** A sealed chip: the whole annotation inside, an empty reference outside, so that the server never sees the key. */
export function chip(card: string, key: string): { content: Content; outer: Content } {
  return {
    content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: card, key } },
    outer: { rel_type: 'm.reference', event_id: card },
  };
}

/** Answer ids that only a reader of the poll has, and that name the action they are for. */
export const pollAnswers = (s: Pick<Secrets, 'digest' | 'nonce'>): { ok: string; no: string } => ({
  ok: `ok.${digestText(s.digest)}.${s.nonce}`,
  no: `no.${digestText(s.digest)}.${s.nonce}`,
});

/** The question holds the whole action. */
export function poll(action: Action, s: Secrets, approvers: readonly string[]): Poll {
  const { ok, no } = pollAnswers(s);
  const answers = { [ok]: 'Approve', [no]: 'Deny' };
  return pollOf(toText(asking(action, s)), answers, approvers);
}

const cut = 1200;

export const fitsEvent = (content: Content): boolean =>
  Buffer.byteLength(JSON.stringify(content)) <= mostBytes;

/** An action's head and tail, where all of it is too long. */
function headAndTail(action: Action): Block[] {
  const whole = toText(actionBlocks(action));
  return [
    { line: `too long for a card (${whole.length} characters). It starts with` },
    { quote: whole.slice(0, cut).toWellFormed() },
    { line: 'and ends with' },
    { quote: whole.slice(-cut).toWellFormed() },
  ];
}

/** What ran without a card: how it ended, then the action, all of it or head and tail where an event cannot hold it, and what it wrote. */
export function told(action: Action, s: Omit<Shown, 'decideBy'>, line: string, how: Below): Content {
  const wrote = how.below?.length ? [{ line: 'and wrote' }, ...how.below] : [];
  const last = [...wrote, proof(action, s, how)];
  const whole = message([{ line }, ...actionBlocks(action), ...last]);
  return fitsEvent(whole) ? whole : message([{ line }, ...headAndTail(action), ...last]);
}

/** For what is too long for a card: its head and tail, and where the rest and the code are. */
export function longCard(action: Action, s: Secrets): { card: Content; file: string } {
  const blocks: Block[] = [
    ...titled(s.title),
    header(action, s.number, s.decideBy),
    ...headAndTail(action),
    { line: 'read the file below: its last line has the code that approves it · tap ❌ to deny' },
    proof(action, s),
  ];
  const file = `${toText(asking(action, s))}\nsend ${s.code} to approve #${s.number}\n`;
  return { card: message(blocks, 'm.text'), file };
}
