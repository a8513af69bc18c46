/** What is enrolled are the keys that the emoji stood for: those that the crypto library had when the phone began. */
import assert from 'node:assert/strict';
import { before, mock, test } from 'node:test';
import { type Crypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import pino from 'pino';
import type { Client } from '../../bot/src/matrix/client.ts';
import type { Keys } from '../../bot/src/proof/keys.ts';
import { createPairing } from '../../bot/src/proof/pairing.ts';
import type { DeviceId, EventId, RoomId, Taken, UserId } from '../../bot/src/types.ts';

before(() => W.initAsync());

const user = '@me:x' as UserId;
const room = '!r:x' as RoomId;
const step: Taken = {
  room,
  wire: {
    event_id: '$e' as EventId,
    type: 'm.key.verification.start',
    sender: user,
    origin_server_ts: 0,
    content: {},
  },
  encrypted: false,
  type: 'm.key.verification.start',
  content: {},
};
type Shown = { ed25519: string; curve25519: string; master: string };
const genuine: Shown = { ed25519: 'E', curve25519: 'C', master: 'M' };

/** A pairing whose library is played: the phone confirms whatever it is shown, and the server shows `later` from then on. */
async function paired(later: Shown, looks: () => Promise<unknown> = async () => {}) {
  let shown = genuine;
  let nudged = 0;
  let renewed = 0;
  let whileLooking = 0;
  let confirmed = false;
  const like = <T extends object>(type: { prototype: T }, own: object): T =>
    Object.create(type.prototype, Object.getOwnPropertyDescriptors(own)) as T;
  const identity = like(W.OtherUserIdentity, {
    verificationRequestContent: () => '{}',
    requestVerification: () => ({ flowId: '$flow' }),
    isVerified: () => true,
    get masterKey() {
      return JSON.stringify({ keys: { 'ed25519:M': shown.master } });
    },
  });
  const sas = like(W.Sas, {
    otherDeviceId: { toString: () => 'PHONE' },
    hasBeenAccepted: () => true,
    canBePresented: () => true,
    cancelInfo: () => undefined,
    emoji: () => Array.from({ length: 7 }, () => ({ symbol: '🦊', description: 'Fox' })),
    isDone: () => confirmed,
    async confirm() {
      confirmed = true;
      return [];
    },
  });
  const machine = {
    updateTrackedUsers: async () => {},
    getIdentity: async () => identity,
    getVerificationRequest: () => ({
      getVerification: () => sas,
      cancelInfo: undefined,
      phase: () => W.VerificationRequestPhase.Transitioned,
      isReady: () => false,
      isCancelled: () => false,
      isDone: () => true,
    }),
    receiveVerificationEvent: async () => {},
  };
  const pairing = createPairing({
    crypto: { machine, renew: async () => void renewed++ } as unknown as Crypto,
    client: { sendWire: async () => '$flow' } as unknown as Client,
    keys: {
      forceQuery: async () => {},
      verify: () => {},
      pump: async () => {},
      deviceNow: async () => ({ ...shown, user, device: 'PHONE' as DeviceId, crossSigned: true }),
    } as unknown as Keys,
    log: pino({ level: 'silent' }),
    members: async () => [{ user, membership: 'join' }],
    nudge: async () => void nudged++,
  });
  const asked = Promise.withResolvers<void>();
  const result = pairing.start(room, user, {
    waits: () => asked.resolve(),
    async compare() {
      const before = nudged;
      await looks();
      whileLooking = nudged - before;
      shown = later;
      return true;
    },
  });
  await asked.promise;
  await pairing.take(step);
  const ended = await result.then(
    (device) => device,
    (error: unknown) => String(error),
  );
  return { ended, renewed, whileLooking };
}

test('the twin: keys that stay as they were are enrolled', async () => {
  const { ended, renewed } = await paired(genuine);
  assert.deepEqual(ended, { user, device: 'PHONE', ...genuine });
  assert.equal(renewed, 1);
});

for (const name of ['ed25519', 'curve25519', 'master'] as const)
  test(`attack-48 another ${name} after the emoji were shown enrols nobody`, async () => {
    const { ended, renewed } = await paired({ ...genuine, [name]: 'another' });
    assert.match(String(ended), /keys of PHONE changed meanwhile.*Nobody was enrolled/);
    assert.equal(renewed, 0);
  });

test('while people compare the phone is kept awake: its next step may wait for its own sync', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] });
  t.after(() => mock.timers.reset());
  const { ended, whileLooking } = await paired(genuine, async () => mock.timers.tick(30_000));
  assert.equal(typeof ended, 'object');
  assert.equal(whileLooking, 30);
});
