/** What stands in a room, looked up again: context for words about it, and proof of nothing. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Crypto } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { type Content, type EventId, isObject, type RoomId, type WireEvent } from '../types.ts';
import type { Client } from './client.ts';
import { wellFormed } from './wire.ts';

/** Milliseconds: words wait for it. */
const most = 2000;

/** The newest edit of an event that its own sender made, as the server says; else the event. */
function newest(wire: WireEvent): WireEvent {
  const relations = wire.unsigned?.['m.relations'];
  const edit = isObject(relations) ? relations['m.replace'] : undefined;
  return wellFormed(edit) && edit.sender === wire.sender ? edit : wire;
}

/** @returns the content of an encrypted message as it stands now, or {} where it can't be had or read. Never throws */
export async function readEvent(
  decrypt: Crypto['decrypt'],
  client: Client,
  room: RoomId,
  event: EventId,
): Promise<Content> {
  const path = `/rooms/${encodeURIComponent(room)}/event/${encodeURIComponent(event)}`;
  async function read(): Promise<Content> {
    const wire = await client.api<unknown>('GET', path, { patience: 0, timeout: most });
    if (!wellFormed(wire)) return {};
    const { event: clear } = await decrypt(room, { ...newest(wire), room_id: room });
    const { content } = JSON.parse(clear) as { content?: unknown };
    if (!isObject(content)) return {};
    return isObject(content['m.new_content']) ? content['m.new_content'] : content;
  }
  return Promise.race([read().catch(() => ({})), pause(most, {})]);
}
