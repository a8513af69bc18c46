/**
 * What stands in a room, looked up again: context for words about it, and proof of nothing. Words alone come of it: what else a
 * message holds may be the secret of a card.
 */
import type { Crypto } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { within } from '@pocketcoder/ledger/src/retry.ts';
import { type EventId, isObject, type RoomId, textOf, type WireEvent } from '../types.ts';
import { wellFormed } from './wire.ts';

/** Milliseconds: words wait for it. */
const most = 2000;

/** The newest edit of an event that its own sender made, as the server says; else the event. */
function newest(wire: WireEvent): WireEvent {
  const relations = wire.unsigned?.['m.relations'];
  const edit = isObject(relations) ? relations['m.replace'] : undefined;
  return wellFormed(edit) && edit.sender === wire.sender ? edit : wire;
}

/** @returns the text of an encrypted message as it stands now, or '' where it can't be had or read. Never throws */
export async function readEvent(
  decrypt: Crypto['decrypt'],
  client: { api(method: string, path: string, o: object): Promise<unknown> },
  room: RoomId,
  event: EventId,
): Promise<string> {
  const path = `/rooms/${encodeURIComponent(room)}/event/${encodeURIComponent(event)}`;
  async function read(): Promise<string> {
    const wire = await client.api('GET', path, { patience: 0, timeout: most });
    if (!wellFormed(wire)) return '';
    const { event: clear } = await decrypt(room, { ...newest(wire), room_id: room });
    const { content } = JSON.parse(clear) as { content?: unknown };
    if (!isObject(content)) return '';
    return textOf((isObject(content['m.new_content']) ? content['m.new_content'] : content)['body']);
  }
  return (await within(read(), most).catch(() => '')) ?? '';
}
