import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isNo } from '../../bot/src/approval/said.ts';
import {
  crockford,
  digestText,
  emojis,
  looksSealed,
  newCode,
  pickEmojis,
  reuseAfter,
  sealedKey,
} from '../../bot/src/approval/tokens.ts';

test('crockford base32 keeps every bit', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (a, b) => {
      const same = Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;
      assert.equal(a.length === b.length && crockford(a) === crockford(b), same);
    }),
  );
  assert.equal(crockford(new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff])), 'ZZZZZZZZ');
  assert.equal(crockford(new Uint8Array([0])), '00');
});

test('there are more than a thousand emoji, each one code point and none a denial', () => {
  assert.ok(emojis.length > reuseAfter, `${emojis.length}`);
  assert.equal(new Set(emojis).size, emojis.length);
  for (const emoji of emojis) assert.equal([...emoji].length, 1, emoji);
  for (const refused of '❌👎🛑⛔✅👍') assert.ok(!emojis.includes(refused), refused);
  for (const emoji of emojis) assert.ok(!isNo(emoji), `${emoji} would deny`);
});

test('a chip and its decoy differ and are not among the recent ones', () => {
  const recent = new Set(emojis.slice(0, reuseAfter));
  for (let i = 0; i < 500; i++) {
    const [named, decoy] = pickEmojis(recent);
    assert.notEqual(named, decoy);
    assert.ok(!recent.has(named) && !recent.has(decoy));
  }
  assert.throws(() => pickEmojis(new Set(emojis)), /no emoji is free/);
});

test('a sealed key is at most 16 characters with 40 random bits', () => {
  const seen = new Set<string>();
  for (let i = 0; i < 1000; i++) {
    const key = sealedKey('🦊');
    assert.ok(looksSealed(key), key);
    assert.ok(key.length <= 16, key);
    seen.add(key);
  }
  assert.equal(seen.size, 1000);
  for (const other of ['🦊', '✅', '🦊 4F7KQ2Z', '🦊 4F7KQ2ZDX', '4F7KQ2ZD', '🦊 4F7KQ2ZU', '🦊🦊 4F7KQ2ZD'])
    assert.ok(!looksSealed(other), other);
});

test('codes have two groups of four, digests are base32', () => {
  assert.match(newCode(), /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/);
  assert.equal(digestText('ff'.repeat(32)).length, 52);
});
