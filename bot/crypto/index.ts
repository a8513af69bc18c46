/** The bot's crypto, over the Rust crypto that Element runs (crypto-wasm). */
import * as wasm from '@matrix-org/matrix-sdk-crypto-wasm';

export { type Crypto, type CryptoOptions, openCrypto } from './machine.ts';
export { megolmIndex } from './megolm.ts';
export type { Recipient } from './share.ts';
export { wasm };
