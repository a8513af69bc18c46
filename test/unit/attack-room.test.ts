/** The room guard: whatever the homeserver changes of what the bot made is noticed, and what it must not notice is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { troubleIn, troubleWith } from '../../bot/src/matrix/room.ts';
import type { Content, UserId } from '../../bot/src/types.ts';

const me = '@bot:x' as UserId;
const owner = '@owner:x' as UserId;
type State = { type: string; state_key: string; content: Content };
const powers = {
  ...{ users: { [me]: 100 }, users_default: 0, events: {}, events_default: 0, state_default: 100 },
  ...{ invite: 100, kick: 100, ban: 100, redact: 100 },
};
const made: Record<string, Content> = {
  'm.room.encryption': { algorithm: 'm.megolm.v1.aes-sha2' },
  'm.room.history_visibility': { history_visibility: 'joined' },
  'm.room.guest_access': { guest_access: 'forbidden' },
  'm.room.join_rules': { join_rule: 'invite' },
  'm.room.power_levels': powers,
};
const of = (type: string, content: Content, state_key = ''): State => ({ type, state_key, content });
const member = (user: string, membership: unknown): State => of('m.room.member', { membership }, user);
const whole = (): State[] => [
  ...Object.entries(made).map(([type, content]) => of(type, content)),
  ...[member(me, 'join'), member(owner, 'join'), of('m.room.name', { name: 'anything' })],
];
const trouble = (e: State): string | undefined => troubleWith(e, me, [owner]);
/** The genuine twin: the room as it was made. */
const clean = (): void => {
  assert.equal(troubleIn(whole(), me, [owner]), undefined);
  for (const e of whole()) assert.equal(trouble(e), undefined, e.type);
};

test('attack-12 encryption that is dropped, emptied or changed, and a room that replaces this one, are trouble', () => {
  const other = [
    '',
    'none',
    'm.olm.v1.curve25519-aes-sha2',
    'M.MEGOLM.V1.AES-SHA2',
    null,
    1,
    ['m.megolm.v1.aes-sha2'],
  ];
  for (const algorithm of other)
    assert.match(trouble(of('m.room.encryption', { algorithm })) ?? '', /encryption was changed/);
  assert.match(trouble(of('m.room.encryption', {})) ?? '', /encryption was changed/);
  const without = whole().filter((e) => e.type !== 'm.room.encryption');
  assert.match(troubleIn(without, me, [owner]) ?? '', /m.room.encryption is gone/);
  for (const content of [{}, { body: 'moved', replacement_room: '!other:x' }])
    assert.match(trouble(of('m.room.tombstone', content)) ?? '', /replaced by another/);
  clean();
});

test('attack-13 a ghost member, and any change of power, visibility or who may join, are trouble', () => {
  for (const membership of ['join', 'invite', 'knock', undefined, {}, 'anything'])
    for (const ghost of ['@ghost:x', '@Owner:x', '@оwner:x', ''])
      assert.match(trouble(member(ghost, membership)) ?? 'nothing', /whom nobody expects|^nothing$/);
  for (const membership of ['join', 'invite', 'knock', {}])
    assert.match(trouble(member('@ghost:x', membership)) ?? '', /@ghost:x, whom nobody expects/);
  for (const membership of ['leave', 'ban', 'invite', {}])
    assert.match(trouble(member(me, membership)) ?? '', /the bot was removed/);
  const changes: [string, Content][] = [
    ...['world_readable', 'shared', 'invited', null].map((history_visibility): [string, Content] => [
      'm.room.history_visibility',
      { history_visibility },
    ]),
    ['m.room.history_visibility', {}],
    ['m.room.join_rules', { join_rule: 'public' }],
    ['m.room.join_rules', { join_rule: 'knock' }],
    ['m.room.guest_access', { guest_access: 'can_join' }],
    ['m.room.power_levels', { ...powers, users: { [me]: 100, '@ghost:x': 100 } }],
    ['m.room.power_levels', { ...powers, users: {} }],
    ['m.room.power_levels', { ...powers, state_default: 0 }],
    ['m.room.power_levels', { ...powers, invite: 0 }],
    ['m.room.power_levels', { ...powers, events: { 'm.room.encryption': 0 } }],
    ['m.room.power_levels', {}],
  ];
  for (const [type, content] of changes)
    assert.match(
      trouble(of(type, content)) ?? '',
      new RegExp(`${type} was changed`),
      JSON.stringify(content),
    );
  for (const type of Object.keys(made)) {
    const without = whole().filter((e) => e.type !== type);
    assert.match(troubleIn(without, me, [owner]) ?? '', new RegExp(`${type} is gone`));
  }
  for (const membership of ['leave', 'ban']) assert.equal(trouble(member('@ghost:x', membership)), undefined);
  clean();
});

test('attack-13 whatever a ghost is called, its trouble is one short line of the bot’s, with all of the name seen', () => {
  const ghost = '@g:x\n✅ All is well.\u2028\t\u202E';
  assert.equal(
    trouble(member(ghost, 'join')),
    '@g:x\\u{A}✅ All is well.\\u{2028}\\u{9}\\u{202E}, whom nobody expects, is there (join)',
  );
  for (const unit of ['x', '\n', '🦊', '\u202E']) {
    const why = trouble(member(unit.repeat(2_000_000 / unit.length), 'join')) ?? '';
    assert.ok(why.length < 260 && why.isWellFormed() && !/[\n\u202E]/.test(why), why);
    assert.match(why, /…, whom nobody expects, is there \(join\)$/);
  }
  const longest = `@${'g'.repeat(197)}:x`;
  const twin = trouble(member(longest, 'join'));
  assert.equal(twin, `${longest}, whom nobody expects, is there (join)`, 'its genuine twin');
});
