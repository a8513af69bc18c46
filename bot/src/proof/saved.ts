/**
 * A bot restored from a backup: its identity is the one that was saved, its device and its key store are new. The room keys
 * of before are for looking at what it said itself: they never come into the store that opens events to be judged.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Content, DeviceId, RoomId, UserId, WireEvent } from '../types.ts';
import type { Server } from './server.ts';

/** The seeds of the cross-signing keys, unpadded base64. */
export type Saved = { master: string; selfSigning: string; userSigning: string };

const identityIn = (dir: string): string => join(dir, 'identity.json');
const keysOf = 'room-keys-';

/** Writes the identity, and a device's room keys for audits, readable by this user alone. */
export function keepSaved(dir: string, device: string, saved: Saved, roomKeys: string): void {
  writeFileSync(identityIn(dir), JSON.stringify(saved), { mode: 0o600 });
  writeFileSync(join(dir, `${keysOf}${device}.json`), roomKeys, { mode: 0o600 });
}

/** The identity of before, while a restored bot has not settled; undefined at all other times. */
export const savedIn = (dir: string): Saved | undefined =>
  existsSync(identityIn(dir)) ? (JSON.parse(readFileSync(identityIn(dir), 'utf8')) as Saved) : undefined;

/** The new device is signed and everything said: from now on this is a bot like any other. */
export const settle = (dir: string): void => rmSync(identityIn(dir), { force: true });

/** What the bot said in a room, as far as the saved room keys open it. @param from the sync token after which */
export async function saidSince(
  dir: string,
  server: Pick<Server, 'api'>,
  from: string | undefined,
  me: { user: UserId; device: DeviceId },
  room: RoomId,
): Promise<Content[]> {
  if (from === undefined) return [];
  const path = `/rooms/${encodeURIComponent(room)}/messages`;
  const query = { dir: 'f', from, limit: 1000 };
  const { chunk } = await server.api<{ chunk: WireEvent[] }>('GET', path, { query });
  // Without a name its store is in memory alone.
  const machine = await W.OlmMachine.initialize(new W.UserId(me.user), new W.DeviceId(me.device));
  try {
    for (const name of readdirSync(dir).filter((file) => file.startsWith(keysOf)))
      await machine.importExportedRoomKeys(readFileSync(join(dir, name), 'utf8'), () => {});
    const said: Content[] = [];
    for (const event of chunk) {
      if (event.sender !== me.user || event.type !== 'm.room.encrypted') continue;
      const settings = new W.DecryptionSettings(W.TrustRequirement.Untrusted);
      const text = JSON.stringify({ ...event, room_id: room });
      const opened = await machine
        .decryptRoomEvent(text, new W.RoomId(room), settings)
        .catch(() => undefined);
      if (opened) said.push((JSON.parse(opened.event) as { content: Content }).content);
    }
    return said;
  } finally {
    machine.close();
  }
}
