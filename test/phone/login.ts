/** The phone's account: login, and the identity with its recovery key. */
import * as sdk from 'matrix-js-sdk';
import type { CryptoCallbacks } from 'matrix-js-sdk/lib/crypto-api/index.js';
import { decodeRecoveryKey } from 'matrix-js-sdk/lib/crypto-api/recovery-key.js';
import { logger as sdkLogger } from 'matrix-js-sdk/lib/logger.js';
import { until } from '../harness/wait.ts';
import type { Content, PhoneOptions } from './types.ts';

export type Account = { user: string; device: string; token: string };
type Logger = NonNullable<sdk.ICreateClientOpts['logger']>;

const ignore = (): void => {};
const silent: Logger = {
  trace: ignore,
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  getChild: () => silent,
};
// What doesn't go through the client's own logger (calls, for one) goes through children of this one.
Object.assign(sdkLogger, { methodFactory: () => ignore });
(sdkLogger as unknown as { rebuild(): void }).rebuild();

// The SDK leaves timers of a minute and more behind every request: they must not keep a finished test from ending.
const { setTimeout: original } = globalThis;
const letting = (run: () => void, ms?: number, ...rest: []) => {
  const timer = original(run, ms, ...rest);
  return (ms ?? 0) < 60_000 ? timer : timer.unref();
};
globalThis.setTimeout = Object.assign(letting, original) as typeof setTimeout;

/** One request to the homeserver. @throws Error with what it answered */
export async function request(base: string, token: string, method: string, path: string, body?: object) {
  const response = await fetch(`${base}/_matrix/client/v3${path}`, {
    method,
    headers: token ? { authorization: `Bearer ${token}` } : {},
    ...(body && { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as Content;
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

export async function logIn({ homeserver, user, password }: PhoneOptions): Promise<Account> {
  const answer = await request(homeserver, '', 'POST', '/login', {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user },
    password,
  });
  return {
    user: String(answer['user_id']),
    device: String(answer['device_id']),
    token: String(answer['access_token']),
  };
}

/** A client with its keys in memory, and the two ways to come to an identity. */
export async function openClient(o: PhoneOptions, account: Account) {
  let recovery: Uint8Array<ArrayBuffer> | undefined;
  const cryptoCallbacks: CryptoCallbacks = {
    getSecretStorageKey: async ({ keys }) => {
      const id = Object.keys(keys)[0];
      return recovery && id ? [id, recovery] : null;
    },
  };
  const client = sdk.createClient({
    baseUrl: o.homeserver,
    userId: account.user,
    deviceId: account.device,
    accessToken: account.token,
    cryptoCallbacks,
    logger: silent,
    timelineSupport: true,
  });
  await client.initRustCrypto({ useIndexedDB: false });
  const crypto = client.getCrypto();
  if (!crypto) throw new Error('no crypto');

  const newIdentity = (): Promise<void> =>
    crypto.bootstrapCrossSigning({
      setupNewCrossSigning: true,
      authUploadDeviceSigningKeys: async (upload) => {
        try {
          await upload(null);
        } catch (error) {
          if (!(error instanceof sdk.MatrixError) || !error.data['session']) throw error;
          const identifier = { type: 'm.id.user', user: account.user };
          const { session } = error.data as { session?: string };
          await upload({ type: 'm.login.password', identifier, password: o.password, session });
        }
      },
    });

  return {
    client,
    crypto,
    newIdentity,
    async setUp(): Promise<string> {
      await newIdentity();
      const made = await crypto.createRecoveryKeyFromPassphrase();
      recovery = made.privateKey;
      await crypto.bootstrapSecretStorage({
        setupNewSecretStorage: true,
        createSecretStorageKey: async () => made,
      });
      if (!made.encodedPrivateKey) throw new Error('no recovery key');
      return made.encodedPrivateKey;
    },
    backUp: () => crypto.resetKeyBackup(),
    async readBackup(): Promise<void> {
      await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
      await crypto.restoreKeyBackup();
    },
    async restore(recoveryKey: string): Promise<void> {
      recovery = decodeRecoveryKey(recoveryKey);
      await crypto.userHasCrossSigningKeys(account.user, true);
      await crypto.bootstrapCrossSigning({});
      // The server shows the new signature back a moment later.
      const signed = async () => {
        await crypto.getUserDeviceInfo([account.user], true);
        return (await crypto.getDeviceVerificationStatus(account.user, account.device))?.crossSigningVerified;
      };
      await until('the recovery key to sign this device', signed, { seconds: 10, every: 100 });
    },
  };
}
