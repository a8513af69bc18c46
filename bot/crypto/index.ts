/**
 * Stands in for the crypto package that matrix-bot-sdk loads, over the Rust crypto that Element runs (crypto-wasm).
 * The bot's own sending and receiving go through `openCrypto`; the SDK's encryption, which takes recipients and
 * visibility from the server, is never switched on, so of its classes only the names are here.
 */
import * as wasm from '@matrix-org/matrix-sdk-crypto-wasm';

export { type Crypto, type CryptoOptions, openCrypto } from './machine.ts';
export { megolmIndex } from './megolm.ts';
export type { Recipient } from './share.ts';
export { wasm };
export const {
  Attachment,
  DeviceId,
  DeviceLists,
  EncryptedAttachment,
  EncryptionSettings,
  HistoryVisibility,
  OlmMachine,
  RequestType,
  RoomId,
  UserId,
} = wasm;
export const EncryptionAlgorithm = { OlmV1Curve25519AesSha2: 0, MegolmV1AesSha2: 1 } as const;
export const StoreType = { Sqlite: 0 } as const;
