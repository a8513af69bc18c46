import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { violated } from '../../bot/src/proof/rules.ts';
import type { DeviceNow, Enrolled, IdentityNow, Matrix, Taken } from '../../bot/src/types.ts';

/** Every condition of the six rules by itself: one thing is off, all else is in order. */
const enrolled = { user: '@o:x', master: 'M', device: 'PHONE', ed25519: 'E', curve25519: 'C' } as Enrolled;
const evidence = {
  sender: '@o:x',
  device: 'PHONE',
  claimedEd25519: 'E',
  curve25519: 'C',
  session: 'S',
  index: 0,
};
const wire = { type: 'm.room.encrypted', event_id: '$1', sender: '@o:x', content: {}, origin_server_ts: 0 };
const good = {
  room: '!r:x',
  wire,
  encrypted: true,
  type: 'm.room.message',
  content: { body: 'x' },
  evidence,
};
const device = {
  user: '@o:x',
  device: 'PHONE',
  ed25519: 'E',
  curve25519: 'C',
  crossSigned: true,
} as DeviceNow;
const identity: IdentityNow = { verified: true, violation: false, master: 'M' };

type Case = {
  event?: object;
  evidence?: object;
  device?: object | null;
  identity?: object | null;
  replay?: boolean;
};
const judge = (c: Case): Promise<string | undefined> => {
  const m = {
    deviceNow: async () =>
      c.device === null ? undefined : { ...device, blacklisted: false, dehydrated: false, ...c.device },
    identityNow: async () => (c.identity === null ? undefined : { ...identity, ...c.identity }),
    replay: () => c.replay ?? true,
  } as Pick<Matrix, 'deviceNow' | 'identityNow' | 'replay'>;
  const event = { ...good, evidence: { ...evidence, ...c.evidence }, ...c.event };
  return violated(event as unknown as Taken, [enrolled], m);
};

const cases: [string, string, Case][] = [
  ['1', 'in the clear', { event: { encrypted: false } }],
  ['1', 'not decrypted', { event: { failed: 'no key', evidence: undefined } }],
  ['1', 'no evidence', { event: { evidence: undefined } }],
  ['1', 'attack-07 a forwarded key', { evidence: { forwarder: '@f:x' } }],
  ['2', 'attack-07 a key from a backup', { evidence: { shield: 'AuthenticityNotGuaranteed' } }],
  ['2', 'an unsigned device', { evidence: { shield: 'UnsignedDevice' } }],
  ['2', 'a sender that does not match', { evidence: { shield: 'MismatchedSender' } }],
  ['3', 'no device', { evidence: { device: undefined } }],
  ['3', 'another device', { evidence: { device: 'OTHER' } }],
  ['3', 'another signing key', { evidence: { claimedEd25519: 'X' } }],
  ['3', 'no signing key', { evidence: { claimedEd25519: undefined } }],
  ['3', 'another encryption key', { evidence: { curve25519: 'X' } }],
  ['3', 'another user', { evidence: { sender: '@m:x' } }],
  ['3', 'gone', { device: null }],
  ['3', 'the id has other keys now', { device: { ed25519: 'X' } }],
  ['3', 'the id has another encryption key now', { device: { curve25519: 'X' } }],
  ['3', 'no longer signed', { device: { crossSigned: false } }],
  ['3', 'blacklisted', { device: { blacklisted: true } }],
  ['3', 'dehydrated', { device: { dehydrated: true } }],
  ['4', 'no identity', { identity: null }],
  ['4', 'not verified', { identity: { verified: false } }],
  ['4', 'in violation', { identity: { violation: true } }],
  ['4', 'another master key', { identity: { master: 'X' } }],
  ['5', 'sent as somebody else', { event: { wire: { ...wire, sender: '@bot:x' } } }],
  ['6', 'replayed', { replay: false }],
  ['6', 'an edit', { event: { content: { 'm.relates_to': { rel_type: 'm.replace', event_id: '$0' } } } }],
  ['6', 'new content', { event: { content: { 'm.new_content': {} } } }],
];

test('what is in order passes, with and without the cached warning', async () => {
  assert.equal(await judge({}), undefined);
  assert.equal(await judge({ evidence: { shield: 'UnverifiedIdentity' } }), undefined);
});

for (const [rule, what, c] of cases)
  test(`rule ${rule}: ${what}`, async () => {
    assert.match((await judge(c)) ?? 'passed', new RegExp(`^${rule}:`));
  });

test('whatever the content, judging neither throws nor passes an edit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.constantFrom('m.relates_to', 'body'), fc.jsonValue()),
      async (content) => {
        const why = await judge({ event: { content } });
        const relation = content['m.relates_to'] as { rel_type?: unknown } | null | undefined;
        assert.equal(why !== undefined, relation?.rel_type === 'm.replace');
      },
    ),
  );
});
