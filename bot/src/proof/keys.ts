/** Carries what the crypto machine wants sent, and asks the server for keys. */
import { type Crypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { DeviceId, DeviceNow, IdentityNow, RoomId, UserId } from '../types.ts';
import { createLock } from './lock.ts';
import type { Server } from './server.ts';

type Outgoing = { id?: string | undefined; type: W.RequestType; body: string };
export type Keys = ReturnType<typeof createKeys>;

const paths = new Map<W.RequestType, string>([
  [W.RequestType.KeysUpload, '/keys/upload'],
  [W.RequestType.KeysQuery, '/keys/query'],
  [W.RequestType.KeysClaim, '/keys/claim'],
  [W.RequestType.SignatureUpload, '/keys/signatures/upload'],
]);

/** The ed25519 value of a master key: the object around it also carries signatures, which change. */
export const masterOf = (json: string): string =>
  Object.values((JSON.parse(json) as { keys: Record<string, string> }).keys)[0] ?? '';

const describe = (d: W.Device): DeviceNow => ({
  user: d.userId.toString() as UserId,
  device: d.deviceId.toString() as DeviceId,
  ed25519: d.ed25519Key?.toBase64() ?? '',
  curve25519: d.curve25519Key?.toBase64() ?? '',
  crossSigned: d.isCrossSignedByOwner(),
  blacklisted: d.isBlacklisted(),
  dehydrated: d.isDehydrated,
});

export function createKeys(crypto: Crypto, client: Server) {
  const { machine } = crypto;
  const lock = createLock();
  /** What the machine was told last of each user's keys, if that was the answer to a forced query. */
  const told = new Map<UserId, string>();
  let verifying: UserId | undefined;
  let stated = (): void => {};

  /** Sends one request of the machine's and gives it the answer. */
  async function carry(r: Outgoing): Promise<void> {
    const path = paths.get(r.type);
    let answer: unknown = {};
    if (path) answer = await client.api('POST', path, { body: JSON.parse(r.body) });
    else if (r instanceof W.ToDeviceRequest) {
      const { messages } = JSON.parse(r.body) as { messages: object };
      // What was sealed the machine sees before anybody can look at it, and it answers what is no verification for it.
      const unasked =
        r.event_type.startsWith('m.key.verification.') && Object.keys(messages).some((u) => u !== verifying);
      if (!unasked) await client.sendToDevice(r.event_type, r.txn_id, messages);
    } else if (r instanceof W.RoomMessageRequest) {
      // Steps of a verification: in the clear, because before it nobody can be given keys.
      const content = JSON.parse(r.body) as Record<string, unknown>;
      const event_id = await client.sendWire(r.room_id as RoomId, r.event_type, content, r.txn_id);
      answer = { event_id };
    } else throw new Error(`the crypto library wants a request of type ${r.type}, which the bot never makes`);
    const { id } = r;
    if (!id) return;
    const tell = async () => void (await machine.markRequestAsSent(id, r.type, JSON.stringify(answer)));
    if (r.type !== W.RequestType.KeysQuery) return tell();
    await lock('query', () => {
      told.clear();
      return tell();
    });
    stated();
  }

  const pump = (): Promise<void> =>
    lock('pump', async () => {
      for (const request of await machine.outgoingRequests()) await carry(request as Outgoing);
    });

  return {
    carry,
    /** Calls back from now on whenever the machine was given the server's answer about keys. */
    onStated(listener: () => void): void {
      stated = listener;
    },
    /** With whom alone steps of a verification by to-device messages are exchanged from now on. */
    verify(user: UserId | undefined): void {
      verifying = user;
    },
    /** Sends everything that the machine has waiting. */
    pump,
    /** From now on the machine follows these users' devices and identities. */
    async track(users: readonly UserId[]): Promise<void> {
      await machine.updateTrackedUsers(users.map((u) => new W.UserId(u)));
      await pump();
    },
    /** Makes sure that room keys can be encrypted to these users' devices. */
    async prepare(users: readonly UserId[]): Promise<void> {
      const ids = () => users.map((u) => new W.UserId(u)); // a call consumes them
      await machine.updateTrackedUsers(ids());
      await pump(); // an unanswered query makes the next call wait for seconds
      const claim = await machine.getMissingSessions(ids());
      if (claim) await carry(claim);
    },
    async forceQuery(user: UserId): Promise<void> {
      const query = machine.queryKeysForUsers([new W.UserId(user)]);
      const answer = await client.keysOf(user, 5000);
      const text = JSON.stringify(answer);
      await lock('query', async () => {
        // The same answer again changes nothing, and the machine would verify every device of it: a millisecond each.
        if (told.get(user) === text) return;
        told.delete(user);
        await machine.markRequestAsSent(query.id, query.type, text);
        told.set(user, text);
        stated();
      });
      if (!answer.device_keys?.[user])
        throw new Error(`the homeserver did not answer for the keys of ${user}`);
      const known = await machine.getIdentity(new W.UserId(user));
      if (known && !answer.master_keys?.[user])
        throw new Error(`the homeserver did not answer for the identity of ${user}`);
    },
    async deviceNow(user: UserId, device: DeviceId): Promise<DeviceNow | undefined> {
      const d = await machine.getDevice(new W.UserId(user), new W.DeviceId(device));
      return d && !d.isDeleted() ? describe(d) : undefined;
    },
    async devicesNow(user: UserId): Promise<readonly DeviceNow[]> {
      const known = await machine.getUserDevices(new W.UserId(user));
      return known
        .devices()
        .filter((d) => !d.isDeleted())
        .map(describe);
    },
    async identityNow(user: UserId): Promise<IdentityNow | undefined> {
      const i = await machine.getIdentity(new W.UserId(user));
      return (
        i && {
          verified: i.isVerified(),
          violation: i.hasVerificationViolation(),
          master: masterOf(i.masterKey),
        }
      );
    },
  };
}
