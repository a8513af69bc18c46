/** The bot's own cross-signing identity: made once, never again, since making it again is what a thief would do. */
import { type Crypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { DeviceId, UserId } from '../types.ts';
import { type Keys, masterOf } from './keys.ts';
import type { Saved } from './saved.ts';
import type { Server } from './server.ts';

const first = (keys: Record<string, string> | undefined): string => Object.values(keys ?? {})[0] ?? '';

/** @throws where the server states other keys for this device than this store holds: whoever sends to it would send to those */
function mustBeOurs(stated: Record<string, string>, held: W.IdentityKeys, device: DeviceId, dir: string) {
  const ours = { ed25519: held.ed25519.toBase64(), curve25519: held.curve25519.toBase64() };
  for (const [kind, key] of Object.entries(ours))
    if (stated[`${kind}:${device}`] !== key)
      throw new Error(
        `the homeserver states another ${kind} key for the bot’s device ${device} than ${dir} holds. The bot was not started: nothing was ` +
          'sent, read or approved. Either that state directory is an old one, then restore the newest; or somebody put keys of theirs in ' +
          'the bot’s place: look after the homeserver first.',
      );
}

/**
 * Makes the identity and signs this device with it, or finishes what was cut off, or finds all in order.
 * @param saved the identity of a bot that was restored: taken over, never made
 * @throws where the server has an identity that this store does not hold, or other keys of this device: nothing is uploaded then
 */
export async function ensureIdentity(
  me: { user: UserId; device: DeviceId; stateDir: string },
  crypto: Crypto,
  client: Pick<Server, 'api' | 'keysOf'>,
  keys: Keys,
  saved?: Saved,
): Promise<'kept' | 'made' | 'finished'> {
  const { machine } = crypto;
  const served = await client.keysOf(me.user);
  const device = served.device_keys?.[me.user]?.[me.device];
  // At the first start it has none yet.
  if (device) mustBeOurs(device.keys ?? {}, machine.identityKeys, me.device, me.stateDir);
  const theirs = first(served.master_keys?.[me.user]?.keys);
  let status = await machine.crossSigningStatus();
  if (saved && !status.hasMaster) {
    await keys.forceQuery(me.user); // the library takes private keys only where it knows the public ones
    status = await machine.importCrossSigningKeys(saved.master, saved.selfSigning, saved.userSigning);
  }
  const held = status.hasMaster && status.hasSelfSigning && status.hasUserSigning;
  const mine = held ? await machine.getIdentity(new W.UserId(me.user)) : undefined;
  if ((theirs || saved) && (!mine || masterOf(mine.masterKey) !== theirs))
    throw new Error(
      `the homeserver has ${theirs ? 'a' : 'no'} cross-signing identity for ${me.user}, not the one that ${me.stateDir} holds. ` +
        'The bot does not replace it and was not started: restore that state directory, or give the bot a new account.',
    );
  const signer = `ed25519:${first(served.self_signing_keys?.[me.user]?.keys)}`;
  if (theirs && device?.signatures?.[me.user]?.[signer]) return 'kept';
  const requests = await machine.bootstrapCrossSigning(false); // false: keeps the keys that are in the store
  if (requests.uploadKeysRequest) await keys.carry(requests.uploadKeysRequest as W.KeysUploadRequest);
  if (!theirs) {
    const body = JSON.parse(requests.uploadSigningKeysRequest.body) as object;
    await client.api('POST', '/keys/device_signing/upload', { body });
  }
  await keys.carry(requests.uploadSignaturesRequest);
  return theirs ? 'finished' : 'made';
}
