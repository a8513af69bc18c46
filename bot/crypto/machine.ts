/** The bot's keys: one Olm machine over the durable store. */
import { join } from 'node:path';
import * as W from '@matrix-org/matrix-sdk-crypto-wasm';
import { installDurableIndexedDB } from './durable.ts';
import { type Recipient, shareRoomKey } from './share.ts';

export type CryptoOptions = {
  /** Folder of the key store. */
  dir: string;
  /** 32 random bytes. */
  storeKey: Uint8Array;
  user: string;
  device: string;
  /** Asked before each share. */
  recipients(room: string): readonly Recipient[];
  /** The library panicked: its state can't be relied on, the process must end. */
  panic(error: Error): void;
};

export type Crypto = {
  machine: W.OlmMachine;
  /** Requests that hand the room's key to its recipients; to be sent before `encrypt`, under one lock per room. */
  share(room: string): Promise<W.ToDeviceRequest[]>;
  encrypt(room: string, type: string, content: object): Promise<Record<string, unknown>>;
  /** Accepts events of cross-signed devices only. @throws MegolmDecryptionError */
  decrypt(room: string, event: object): Promise<W.DecryptedRoomEvent>;
  /** Told of each room key that comes. One listener. */
  onRoomKeys(came: (keys: { room: string; session: string }[]) => void): void;
  /** Ends the room's Megolm session: the next share makes a new one. */
  renew(room: string): Promise<void>;
  close(): void;
};

/** Every call into the machine, so that a panic (a wasm trap) is noticed wherever it happens. */
function guarded(machine: W.OlmMachine, panic: (error: Error) => void): W.OlmMachine {
  const noticed = (error: unknown): never => {
    if (error instanceof WebAssembly.RuntimeError) panic(error);
    throw error;
  };
  return new Proxy(machine, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        try {
          const result: unknown = value.apply(target, args);
          return result instanceof Promise ? result.catch(noticed) : result;
        } catch (error) {
          return noticed(error);
        }
      };
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}

/**
 * Opens or makes the key store. Once per process.
 * @throws where another process holds it, or the key is not the one it was made with
 */
export async function openCrypto(o: CryptoOptions): Promise<Crypto> {
  if (o.storeKey.length !== 32) throw new Error('the store key must be 32 bytes');
  await W.initAsync();
  const store = await installDurableIndexedDB(join(o.dir, 'crypto.sqlite'));
  const handle = await W.StoreHandle.openWithKey('bot', o.storeKey);
  const user = new W.UserId(o.user);
  const machine = guarded(await W.OlmMachine.initFromStore(user, new W.DeviceId(o.device), handle), o.panic);
  machine.roomKeyForwardingEnabled = false;
  machine.roomKeyRequestsEnabled = false;
  return {
    machine,
    share: (room) => shareRoomKey(machine, store, room, o.recipients(room)),
    async encrypt(room, type, content) {
      const text = await machine.encryptRoomEvent(new W.RoomId(room), type, JSON.stringify(content));
      return JSON.parse(text) as Record<string, unknown>;
    },
    decrypt: (room, event) =>
      machine.decryptRoomEvent(
        JSON.stringify(event),
        new W.RoomId(room),
        new W.DecryptionSettings(W.TrustRequirement.CrossSigned),
      ),
    onRoomKeys: (came) =>
      machine.registerRoomKeyUpdatedCallback(async (keys) =>
        came(keys.map((k) => ({ room: k.roomId.toString(), session: k.sessionId }))),
      ),
    async renew(room) {
      await machine.invalidateGroupSession(new W.RoomId(room));
    },
    close() {
      machine.close();
      store.close();
    },
  };
}
