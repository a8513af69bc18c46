/** The executor hands a secret to a proxy only where the operator bound it to that very host. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { secretsFor } from '../../sandbox/src/secrets.ts';

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
