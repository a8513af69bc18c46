/** The executor hands a secret to a proxy only where the operator bound it to that very host. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fitsSecret } from '../../console/people/secret.ts';
import { secretsFor, strike } from '../../sandbox/src/secrets.ts';

const rule = { host: 'git.example', port: 443, class: 'git-fetch', path: '/a.git' } as const;
const mine = { host: 'git.example', user: 'x-access-token', value: 'the value' };

test('attack-59 a secret that is another host’s, or is not there, opens nothing and is not said; the twin is handed over', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'secrets-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'secrets.json');
  const asked = (...rules: object[]) => secretsFor(rules as (typeof rule)[], file);
  assert.throws(() => asked({ ...rule, secret: 'MINE' }), /cannot be read; nothing was opened/);
  writeFileSync(file, JSON.stringify({ MINE: mine, OTHER: { ...mine, value: 'another' } }));
  const refused: [object, RegExp][] = [
    [{ host: 'git.example.org', secret: 'MINE' }, /MINE is not for git\.example\.org; nothing was opened/],
    [{ host: 'sub.git.example', secret: 'MINE' }, /not for sub\.git\.example/],
    [{ secret: 'NONE' }, /NONE is not there; nothing was opened/],
    [{ secret: 'constructor' }, /constructor is not there/],
    [{ secret: '__proto__' }, /is not there/],
  ];
  for (const [over, words] of refused)
    assert.throws(
      () => asked({ ...rule, secret: 'MINE' }, { ...rule, ...over }),
      (error: Error) => words.test(error.message) && !error.message.includes('value'),
    );
  assert.throws(() => secretsFor([{ ...rule, secret: 'MINE' }], undefined), /not there/);
  // The twins: that one alone, and none where none is named.
  assert.deepEqual(asked(rule, { ...rule, secret: 'MINE' }), { MINE: mine });
  assert.deepEqual(asked(rule), {});
});

test('a secret is for a host, with a user or without, or for an image', () => {
  for (const words of [
    'git.example',
    'git.example me',
    'image:mine',
    'image:mcp/files:1',
    'image:a.example/b@sha256:ab',
  ])
    assert.ok(fitsSecret(['add', 'MINE', ...words.split(' ')]), words);
  for (const words of ['image:', 'image:a b', 'image:mine me', 'mine', 'mine:1', 'image:-x', ''])
    assert.equal(fitsSecret(['add', 'MINE', ...words.split(' ')]), false, words);
});

test('attack-84 a secret is struck out of a line wherever JSON holds it, in any of its escapes, and however a server writes that line; the twin, a line without it, stays to the letter', () => {
  const value = 'u0041"to\\k/+9';
  const inJson = (levels: number): string =>
    Array.from({ length: levels }).reduce<string>((text) => JSON.stringify(text), value);
  const codes = [...value]
    .map((c) => `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`)
    .join('');
  for (const text of [
    inJson(1),
    ...[inJson(3), inJson(6)],
    `"${codes}"`,
    JSON.stringify(`\\${value}`),
    JSON.stringify(codes),
    JSON.stringify(codes.replaceAll('\\', '\\u005c')),
    JSON.stringify(JSON.stringify(codes).replaceAll('\\', '\\u005C')),
  ]) {
    const told = JSON.parse(strike([value], `{"a":[${text},true,-1.5e9],${text}:1}`)) as { a: unknown[] };
    assert.match(String(told.a[0]), /^["\\]*\[secret\]["\\]*$/, text);
    assert.match(Object.keys(told)[1] ?? '', /\[secret\]/);
    assert.deepEqual(told.a.slice(1), [true, -1.5e9]);
  }
  assert.equal(strike(['1234', '77'], '[12345,"77",770]'), '["[secret]5","[secret]","[secret]0"]');
  assert.equal(strike(['\\\\'], '["\\\\\\\\","ab"]'), '["[secret]","ab"]');
  for (const twin of ['{"a":"\\u00e9\\/ \\n", "b" : [1.50,true,null]}', '"to\\\\k"'])
    assert.equal(strike([value], twin), twin);
  // Whatever it says, it is read in a time that goes with its length.
  for (const bad of ['"', '\\"', '\\\\', '"\\', 'u005c'])
    assert.throws(() => strike([value], bad.repeat(1 << 20)), SyntaxError, bad);
  for (const long of ['\\\\', '\\"', '\\u005c', 'u005c', '\\\\u005c', '9'])
    assert.equal(
      strike([value], `"${long.repeat((4 << 20) / long.length)}"`).length,
      2 + 4 * 2 ** 20 - ((4 << 20) % long.length),
      long,
    );
});
