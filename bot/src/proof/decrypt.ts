/** A ciphertext becomes an event with the evidence of who made it, or a reason why not. */
import { type Crypto, megolmIndex, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Content, DeviceId, Evidence, RoomId, Taken, UserId, WireEvent } from '../types.ts';
import { isObject } from '../types.ts';
import type { Replays } from './seen.ts';

function evidenceOf(wire: WireEvent, d: W.DecryptedRoomEvent): Evidence {
  const device = d.senderDevice?.toString() as DeviceId | undefined;
  const forwarder = d.forwarder?.toString() as UserId | undefined;
  const claimedEd25519 = d.senderClaimedEd25519Key;
  const { code } = d.shieldState(true);
  return {
    sender: d.sender.toString() as UserId,
    ...(device && { device }),
    ...(claimedEd25519 && { claimedEd25519 }),
    curve25519: d.senderCurve25519Key,
    ...(forwarder && { forwarder }),
    ...(code !== undefined && { shield: W.ShieldStateCode[code] ?? String(code) }),
    session: String(wire.content['session_id']),
    index: megolmIndex(String(wire.content['ciphertext'])),
  };
}

/** @throws MegolmDecryptionError, or Error where it is opened and holds no event */
async function opened(crypto: Crypto, room: RoomId, wire: WireEvent) {
  const decrypted = await crypto.decrypt(room, { ...wire, room_id: room });
  const { type, content } = JSON.parse(decrypted.event) as { type?: unknown; content?: unknown };
  if (typeof type !== 'string' || !isObject(content)) throw new Error('no event inside');
  return { type, content, evidence: evidenceOf(wire, decrypted) };
}

/** @returns why nothing came out of it, for the log, and whether that is only a key that may come later */
function reasonOf(error: unknown): Pick<Taken, 'failed' | 'missingKey'> {
  if (!(error instanceof W.MegolmDecryptionError)) return { failed: String(error) };
  const missingKey = error.code === W.DecryptionErrorCode.MissingRoomKey;
  const failed = `${W.DecryptionErrorCode[error.code]}: ${error.description}`;
  return missingKey ? { failed, missingKey } : { failed };
}

/** Decrypts one event. Whatever stands in it, the answer is a Taken: `failed` says why nothing came out. */
export async function takeIn(crypto: Crypto, seen: Replays, room: RoomId, wire: WireEvent): Promise<Taken> {
  const { type: outside, content } = wire;
  const clear = (type: string, content: Content): Taken => ({ room, wire, encrypted: false, type, content });
  if (outside !== 'm.room.encrypted' || wire.state_key !== undefined) return clear(outside, content);
  const sealed = { room, wire, encrypted: true };
  try {
    const inside = await opened(crypto, room, wire);
    const { session, index } = inside.evidence;
    seen.replay(room, session, index, wire.event_id); // the first id it is seen under
    const { 'm.relates_to': relation, ...rest } = content;
    if (inside.type !== 'm.reaction' || relation === undefined) return { ...sealed, ...inside };
    // The library puts the clear relation into an event that has none inside: all that a reaction says may be the server's then.
    const alone = await opened(crypto, room, { ...wire, content: rest });
    const own = 'm.relates_to' in alone.content;
    return own ? { ...sealed, ...alone } : clear(inside.type, inside.content);
  } catch (error) {
    return { ...sealed, type: outside, content: {}, ...reasonOf(error) };
  }
}
