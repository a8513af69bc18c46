/** Who gets a room key: the enrolled devices, and nobody else. */
import { createHash } from 'node:crypto';
import * as W from '@matrix-org/matrix-sdk-crypto-wasm';

/** A device that may read. Keys are unpadded base64. */
export type Recipient = { user: string; device: string; ed25519: string; curve25519: string };
type Memory = { readers(room: string): string; setReaders(room: string, digest: string): void };
/** Ciphertexts of a to-device request: user → device → content with the recipient's curve25519 key as its key. */
type Messages = Record<string, Record<string, { ciphertext?: Record<string, unknown> }>>;

const rotation = { micros: 7n * 86_400n * 1_000_000n, messages: 100n };

function settings(): W.EncryptionSettings {
  const s = new W.EncryptionSettings();
  s.algorithm = W.EncryptionAlgorithm.MegolmV1AesSha2;
  s.historyVisibility = W.HistoryVisibility.Joined;
  s.rotationPeriod = rotation.micros;
  s.rotationPeriodMessages = rotation.messages;
  s.sharingStrategy = W.CollectStrategy.onlyTrustedDevices(); // the identity-based one ignores blacklisted devices
  return s;
}

const is = (r: Recipient, d: W.Device): boolean =>
  r.user === d.userId.toString() &&
  r.device === d.deviceId.toString() &&
  r.ed25519 === d.ed25519Key?.toBase64() &&
  r.curve25519 === d.curve25519Key?.toBase64();

/** Local trust is what keeps a cross-signed device out that nobody enrolled, or one that came back with other keys. */
async function blacklistOthers(
  m: W.OlmMachine,
  user: string,
  recipients: readonly Recipient[],
): Promise<void> {
  for (const device of (await m.getUserDevices(new W.UserId(user))).devices()) {
    const want = recipients.some((r) => is(r, device)) ? W.LocalTrust.Unset : W.LocalTrust.BlackListed;
    if (device.localTrustState !== want) await device.setLocalTrust(want);
  }
}

/** The devices that a request would give the key to, but that are not enrolled with the very key it is encrypted to. */
function strangers(request: W.ToDeviceRequest, recipients: readonly Recipient[]): string[] {
  if (request.event_type === 'm.room_key.withheld') return [];
  const { messages } = JSON.parse(request.body) as { messages: Messages };
  return Object.entries(messages).flatMap(([user, devices]) =>
    Object.entries(devices)
      .filter(([device, content]) => {
        const keys = Object.keys(content.ciphertext ?? {});
        const known = recipients.find((r) => r.user === user && r.device === device);
        return !known || keys.length !== 1 || keys[0] !== known.curve25519;
      })
      .map(([device]) => `${user} ${device}`),
  );
}

/**
 * Prepares the room's key for its recipients; the requests that come out are to be sent before anything is encrypted.
 * A session ends when the recipients change, so that one who was removed reads nothing later.
 * @throws where a request names anybody else: the session is thrown away and nothing may be sent
 */
export async function shareRoomKey(
  m: W.OlmMachine,
  memory: Memory,
  room: string,
  recipients: readonly Recipient[],
): Promise<W.ToDeviceRequest[]> {
  const names = recipients.map((r) => [r.user, r.device, r.ed25519, r.curve25519].join(' ')).sort();
  const digest = createHash('sha256').update(names.join('\n')).digest('hex');
  if (memory.readers(room) !== digest) {
    await m.invalidateGroupSession(new W.RoomId(room));
    memory.setReaders(room, digest);
  }
  const users = [...new Set(recipients.map((r) => r.user))];
  for (const user of users) await blacklistOthers(m, user, recipients);
  const requests = await m.shareRoomKey(
    new W.RoomId(room),
    users.map((u) => new W.UserId(u)),
    settings(),
  );
  const wrong = requests.flatMap((r) => strangers(r, recipients));
  if (wrong.length > 0) {
    await m.invalidateGroupSession(new W.RoomId(room));
    throw new Error(`a room key was about to go to ${wrong.join(', ')}, not enrolled: nothing was sent`);
  }
  return requests;
}
