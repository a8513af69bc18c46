/** Whatever the server, a stolen token or an enrolled phone sends: no crash and no approval. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openCrypto } from '@matrix-org/matrix-sdk-crypto-nodejs';
import fc from 'fast-check';
import { judge } from '../../bot/src/approval/gatekeeper.ts';
import { type Card, cardStore } from '../../bot/src/approval/store.ts';
import type { Gate } from '../../bot/src/approval/verdict.ts';
import type { Person } from '../../bot/src/approval/view.ts';
import { openDatabase } from '../../bot/src/database.ts';
import { takeIn } from '../../bot/src/proof/decrypt.ts';
import { openSeen } from '../../bot/src/proof/seen.ts';
import { wellFormed } from '../../bot/src/proof/wire.ts';
import { pollAnswers } from '../../bot/src/show/card.ts';
import type { Matrix, RoomId, Taken } from '../../bot/src/types.ts';

const dir = mkdtempSync(join(tmpdir(), 'malformed-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const crypto = await openCrypto({
  dir,
  storeKey: new Uint8Array(32).fill(1),
  user: '@bot:x',
  device: 'BOT',
  recipients: () => [],
  panic: (error) => {
    throw error;
  },
});
const db = openDatabase(':memory:');
const store = openSeen(db);
const room = '!r:x' as RoomId;
const phone = {
  user: '@owner:x',
  master: 'M',
  device: 'PHONE',
  ed25519: 'E',
  curve25519: 'C',
  role: 'owner',
} as Person;
const card: Card = {
  ...{ action: 'action1', number: 1, room, digest: 'a'.repeat(64), form: 'chip', key: '🦊 4F7KQ2ZD' },
  ...{
    decoy: '🌵 M2XT9QRB',
    nonce: 'NONCE',
    code: 'AAAA-BBBB',
    event: '$card',
    poll: '$poll',
  },
  ...{ chips: '', decideBy: 5000, dropped: false, open: true, ended: false, approval: '' },
};
const cards = cardStore(db, pollAnswers);
cards.add(card);
const gate: Gate = {
  matrix: {
    user: '@bot:x',
    forceQuery: async () => {},
    deviceNow: async () => ({ ...phone, crossSigned: true, blacklisted: false, dehydrated: false }),
    identityNow: async () => ({ verified: true, violation: false, master: 'M' }),
    replay: store.replay,
  } as unknown as Matrix,
  cards,
  people: () => [phone],
  answeredBy: () => undefined,
  option: () => undefined,
  trouble: () => '',
  now: () => 1000,
};

/** Everything but the card's own secrets: what is left to whoever cannot read the room. */
const types = ['m.reaction', 'm.room.redaction', 'm.room.message', 'm.room.encrypted', 'm.room.member'];
const response = 'org.matrix.msc3381.poll.response';
const some = fc.oneof(
  fc.constantFrom(
    null,
    '',
    '$card',
    '$poll',
    '❌',
    '✅',
    '🦊',
    '🦊 00000000',
    'm.annotation',
    'm.text',
    '@owner:x',
  ),
  fc.constantFrom(
    'AAAA-BBBC',
    `ok.${'0'.repeat(52)}.NONCE`,
    'm.megolm.v1.aes-sha2',
    'AwgAEgA',
    'constructor',
  ),
  fc.string(),
  fc.double(),
  fc.boolean(),
);
const names = fc.constantFrom(
  ...['event_id', 'rel_type', 'key', 'm.relates_to', 'redacts', 'msgtype', 'body', 'answers', response],
  ...['algorithm', 'ciphertext', 'session_id', 'sender_key', 'device_id', 'm.new_content', '__proto__'],
);
const { content } = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, some, fc.array(tie('value'), { maxLength: 3 }), tie('content')),
  content: fc.dictionary(names, tie('value'), { maxKeys: 6 }),
}));
const at = fc.oneof(fc.constantFrom('$card', '$poll'), some);
const key = fc.oneof(fc.constantFrom('❌', '🦊 00000000', '✅'), some);
const relation = fc.record({ 'm.relates_to': fc.record({ event_id: at, key, rel_type: some }) });
const contents = fc.oneof(relation, content as fc.Arbitrary<Record<string, unknown>>);
const kind = fc.oneof(fc.constantFrom(...types, response), fc.string());
let events = 0;

test('ten thousand malformed or random events are refused or ignored', async (t) => {
  const seen = new Map<string, number>();
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  const served = fc.record(
    {
      type: fc.oneof({ weight: 9, arbitrary: kind }, { weight: 1, arbitrary: some }),
      sender: fc.constantFrom<unknown>('@owner:x', '@owner:x', '@other:x', '', null, 7),
      state_key: fc.constantFrom<unknown>('', '@owner:x', 3),
      content: fc.oneof({ weight: 9, arbitrary: contents }, { weight: 1, arbitrary: some }),
      redacts: some,
    },
    { requiredKeys: ['type', 'sender', 'content'] },
  );
  await t.test('as the server serves them', () =>
    fc.assert(
      fc.asyncProperty(served, async (event) => {
        const wire: unknown = { ...event, event_id: `$e${++events}`, origin_server_ts: 0 };
        if (!wellFormed(wire)) return count('dropped');
        const taken = await takeIn(crypto, store, room, wire);
        const verdict = await judge(taken, gate);
        count(verdict.do);
        assert.ok(!['approve', 'hear'].includes(verdict.do), JSON.stringify([wire, verdict]));
      }),
      { numRuns: 5000 },
    ),
  );
  await t.test('as an enrolled phone, or another device, encrypts them', () =>
    fc.assert(
      fc.asyncProperty(kind, contents, fc.boolean(), async (type, inside, enrolled) => {
        const device = enrolled ? 'PHONE' : 'OTHER';
        const evidence = { sender: phone.user, device, claimedEd25519: 'E', curve25519: 'C', session: 's' };
        const wire = { type: 'm.room.encrypted', event_id: `$e${++events}`, sender: phone.user, content: {} };
        const taken = {
          room,
          wire,
          encrypted: true,
          type,
          content: inside,
          evidence: { ...evidence, index: events },
        };
        const verdict = await judge(taken as unknown as Taken, gate);
        count(verdict.do);
        assert.ok(verdict.do !== 'approve', JSON.stringify([taken, verdict]));
        assert.ok(verdict.do !== 'hear' || enrolled, JSON.stringify([taken, verdict]));
      }),
      { numRuns: 5000 },
    ),
  );
  for (const reached of ['dropped', 'ignore', 'deny', 'suspect']) assert.ok(seen.get(reached), reached);
});

test('the same gate approves the genuine tap', async () => {
  const tap = { 'm.relates_to': { rel_type: 'm.annotation', event_id: card.event, key: card.key } };
  const wire = {
    type: 'm.reaction',
    event_id: '$tap',
    sender: phone.user,
    content: tap,
    origin_server_ts: 0,
  };
  assert.ok(wellFormed(wire));
  const taken = await takeIn(crypto, store, room, wire);
  assert.equal((await judge(taken, gate)).do, 'approve');
});
