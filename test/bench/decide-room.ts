/**
 * A room to decide in, with all the state that grows: argv says how many past events and cards, enrolled devices and open
 * cards. Real stores, real crypto with really cross-signed devices; the homeserver answers at once. A process of its own,
 * because the key store is the process's: each message is one decision to take, the answer its milliseconds.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCrypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { judge } from '../../bot/src/approval/gatekeeper.ts';
import { type Card, cardStore } from '../../bot/src/approval/store.ts';
import { newCode, newNonce, sealedKey } from '../../bot/src/approval/tokens.ts';
import type { Gate } from '../../bot/src/approval/verdict.ts';
import type { Person } from '../../bot/src/approval/view.ts';
import { openDatabase } from '../../bot/src/database.ts';
import type { Client } from '../../bot/src/matrix/client.ts';
import { openJournal } from '../../bot/src/matrix/journal.ts';
import { ensureIdentity } from '../../bot/src/proof/identity.ts';
import { createKeys } from '../../bot/src/proof/keys.ts';
import { openSeen } from '../../bot/src/proof/seen.ts';
import type { KeysAnswer } from '../../bot/src/proof/server.ts';
import { pollAnswers } from '../../bot/src/show/card.ts';
import type { DeviceId, EventId, RoomId, Taken, UserId } from '../../bot/src/types.ts';

const [past = 0, devices = 1, open = 1] = process.argv.slice(2).map(Number);
const me = '@bot:x' as UserId;
const owner = '@owner:x' as UserId;
const room = '!room:x' as RoomId;
const stateDir = mkdtempSync(join(tmpdir(), 'decide-'));

type Signed = { signatures?: Record<string, Record<string, string>> };
const served = { device_keys: {}, master_keys: {}, self_signing_keys: {}, user_signing_keys: {} } as Record<
  string,
  Record<string, Record<string, Signed>>
>;
/** What a homeserver keeps of uploads: devices, identities, and signatures that come later. */
function upload(user: string, path: string, body: Record<string, Record<string, Signed>>): object {
  if (path === '/keys/upload' && body['device_keys']) {
    const device = String(body['device_keys']['device_id']);
    served['device_keys'] = { ...served['device_keys'] };
    served['device_keys'][user] = { ...served['device_keys'][user], [device]: body['device_keys'] as Signed };
  }
  if (path === '/keys/device_signing/upload')
    for (const name of ['master_key', 'self_signing_key', 'user_signing_key'])
      if (body[name]) served[`${name}s`] = { ...served[`${name}s`], [user]: body[name] };
  if (path === '/keys/signatures/upload')
    for (const [of, objects] of Object.entries(body))
      for (const [name, { signatures }] of Object.entries(objects)) {
        const kept = (served['device_keys']?.[of]?.[name] ?? served['master_keys']?.[of]) as Signed;
        for (const [by, theirs] of Object.entries(signatures ?? {}))
          kept.signatures = { ...kept.signatures, [by]: { ...kept.signatures?.[by], ...theirs } };
      }
  return path === '/keys/upload' ? { one_time_key_counts: { signed_curve25519: 50 } } : served;
}

/** One more device of the owner's, signed by the identity that the first one makes. */
async function addDevice(name: string, keys: W.CrossSigningKeyExport | undefined) {
  const machine = await W.OlmMachine.initialize(new W.UserId(owner), new W.DeviceId(name));
  if (keys) {
    const query = machine.queryKeysForUsers([new W.UserId(owner)]);
    await machine.markRequestAsSent(query.id, query.type, JSON.stringify(served));
    await machine.importCrossSigningKeys(keys.masterKey, keys.self_signing_key, keys.userSigningKey);
  }
  const made = await machine.bootstrapCrossSigning(!keys);
  const body = (request: { body: string }) => JSON.parse(request.body) as never;
  if (made.uploadKeysRequest)
    upload(owner, '/keys/upload', body(made.uploadKeysRequest as W.KeysUploadRequest));
  if (!keys) upload(owner, '/keys/device_signing/upload', body(made.uploadSigningKeysRequest));
  upload(owner, '/keys/signatures/upload', body(made.uploadSignaturesRequest));
  return machine.exportCrossSigningKeys();
}

const crypto = await openCrypto({
  dir: stateDir,
  storeKey: new Uint8Array(32).fill(1),
  user: me,
  device: 'BOT',
  recipients: () => [],
  panic: (error) => {
    throw error;
  },
});
const client = {
  api: async (_: string, path: string, o: { body: never }) => upload(me, path, o.body),
  keysOf: async () => served as KeysAnswer,
} as unknown as Client;
const keys = createKeys(crypto, client);
let first: W.CrossSigningKeyExport | undefined;
for (let i = 0; i < devices; i++) first = (await addDevice(`D${i}`, first)) ?? first;
await ensureIdentity({ user: me, device: 'BOT' as DeviceId, stateDir }, crypto, client, keys);
await keys.track([owner]);
await keys.forceQuery(owner);
const identity = await crypto.machine.getIdentity(new W.UserId(owner));
if (!(identity instanceof W.OtherUserIdentity)) throw new Error('the owner has no identity');
await keys.carry(await identity.verify());
await keys.forceQuery(owner);
const { master = '' } = (await keys.identityNow(owner)) ?? {};
const enrolled: Person[] = [];
for (let i = 0; i < devices; i++) {
  const now = await keys.deviceNow(owner, `D${i}` as DeviceId);
  if (!now?.crossSigned) throw new Error(`D${i} is not signed`);
  enrolled.push({
    user: owner,
    role: 'owner',
    master,
    device: now.device,
    ed25519: now.ed25519,
    curve25519: now.curve25519,
  });
}

const db = openDatabase(join(stateDir, 'bot.sqlite'));
const journal = openJournal(db);
const seen = openSeen(db);
const cards = cardStore(db, pollAnswers);
const wire = (n: number) => ({
  type: 'm.reaction',
  event_id: `$past${n}` as EventId,
  sender: owner,
  content: {},
  origin_server_ts: 0,
});
const card = (number: number, isOpen: boolean): Card => ({
  ...{ action: `action${number}`, number, room, digest: String(number).padStart(64, '0'), form: 'chip' },
  ...{ key: sealedKey('🦊'), decoy: sealedKey('🌵'), nonce: newNonce(), code: newCode() },
  ...{ event: `$card${number}`, poll: `$poll${number}`, chips: '', dropped: false, approval: '' },
  ...{ decideBy: Date.now() + 86_400_000, open: isOpen, ended: !isOpen },
});
journal.accept(
  Array.from({ length: past }, (_, n) => ({ room, wire: wire(n) })),
  [],
  'token',
);
for (let n = 0; n < past; n++) {
  seen.replay(room, `session${n % 100}`, n, `$past${n}` as EventId);
  journal.done(n + 1);
  cards.add(card(n, false));
}
for (let n = past; n < past + open; n++) cards.add(card(n, true));

const gate: Gate = {
  matrix: { user: me, ...keys, replay: seen.replay } as unknown as Gate['matrix'],
  cards,
  people: () => enrolled,
  answeredBy: () => undefined,
  option: () => undefined,
  trouble: () => '',
  now: () => Date.now(),
};
let taken = 0;
async function decide(kind: 'sealed' | 'signed'): Promise<number> {
  const target = cards.byNumber(past + (taken++ % open));
  const device = enrolled[taken % devices];
  if (!target || !device) throw new Error('nothing to decide');
  const response = 'org.matrix.msc3381.poll.response';
  const isTap = kind === 'sealed';
  const type = isTap ? 'm.reaction' : response;
  const content = isTap
    ? { 'm.relates_to': { rel_type: 'm.annotation', event_id: target.event, key: target.key } }
    : { [response]: { answers: [pollAnswers(target).ok] } };
  const { ed25519: claimedEd25519, curve25519 } = device;
  const who = { sender: owner, device: device.device, claimedEd25519, curve25519 };
  const t: Taken = {
    ...{ room, type, content, encrypted: !isTap },
    wire: { ...wire(0), type: isTap ? type : 'm.room.encrypted', event_id: `$now${taken}` as EventId },
    ...(!isTap && { evidence: { ...who, session: 'now', index: taken } }),
  };
  if (!isTap) seen.replay(room, 'now', taken, t.wire.event_id); // as the intake does when it decrypts
  const start = performance.now();
  const verdict = await judge(t, gate);
  const ms = performance.now() - start;
  if (verdict.do !== 'approve' || verdict.grade !== kind) throw new Error(JSON.stringify(verdict));
  return ms;
}
process.on('message', (kind: 'sealed' | 'signed') => {
  decide(kind).then(
    (ms) => process.send?.(ms),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => {
  rmSync(stateDir, { recursive: true, force: true });
  process.exit(0);
});
process.send?.('ready');
