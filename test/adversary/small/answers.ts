/** What people send about a card in the small world, and what the homeserver makes up. */
import { randomUUID } from 'node:crypto';
import type { Card } from '../../../bot/src/approval/store.ts';
import type { Verdict } from '../../../bot/src/approval/verdict.ts';
import { pollAnswers } from '../../../bot/src/show/card.ts';
import type { Content, RoomId, WireEvent } from '../../../bot/src/types.ts';
import type { Device } from './device.ts';

const bot = ['@bot:x'];
const response = 'org.matrix.msc3381.poll.response';

/** An open chip card with secrets of its own. @param n up to 99 */
export function cardOf(room: RoomId, n: number, over: Partial<Card> = {}): Card {
  const two = String(n).padStart(2, '0');
  return {
    ...{ action: `action${n}`, number: n, room, digest: two.padStart(64, 'a'), form: 'chip' },
    ...{ key: `🦊 4F7KQ2${two}`, decoy: `🌵 M2XT9Q${two}`, nonce: `NONCE${two}`, code: `AAAA-BB${two}` },
    ...{ event: `$card${n}`, poll: `$poll${n}`, chips: '', decideBy: Date.now() + 60_000 },
    ...{ dropped: false, open: true, ended: false, approval: '' },
    ...over,
  };
}

export const say = (from: Device, body: string, more: Content = {}): Promise<WireEvent> =>
  from.send('m.room.message', { msgtype: 'm.text', body, ...more }, bot);

export const vote = (from: Device, card: Card, more: Content = {}): Promise<WireEvent> =>
  from.send(response, { [response]: { answers: [pollAnswers(card).ok] }, ...more }, bot);

/** An encrypted reaction (MSC4392). @param outer what stands beside the ciphertext in place of its whole relation */
export async function react(from: Device, on: string, key: string, outer?: Content): Promise<WireEvent> {
  const relation = { rel_type: 'm.annotation', event_id: on, key };
  const wire = await from.send('m.reaction', { 'm.relates_to': relation }, bot);
  if (outer) wire.content['m.relates_to'] = outer;
  else delete wire.content['m.relates_to'];
  return wire;
}

/** An event as the homeserver writes it, in anybody's name. */
export const forged = (type: string, content: Content, over: Partial<WireEvent> = {}): WireEvent =>
  ({
    type,
    content,
    event_id: `$${randomUUID()}`,
    sender: '@owner:x',
    origin_server_ts: Date.now(),
    ...over,
  }) as WireEvent;

/** The plain reaction that a phone sends. */
export const tap = (on: string, key: string, over: Partial<WireEvent> = {}): WireEvent =>
  forged('m.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: on, key } }, over);

/** `approve action1`, `hear`, `ignore`. */
export const brief = (v: Verdict): string => ('card' in v ? `${v.do} ${v.card.action}` : v.do);
