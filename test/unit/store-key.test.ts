/** The key of the key store: made once, kept apart from the session, and taken over from where a release before had it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { storeKeyIn } from '../../bot/src/proof/store-key.ts';

function stateDir(t: { after(end: () => void): void }): string {
  const dir = mkdtempSync(join(tmpdir(), 'store-key-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('a key of 32 bytes is made the first time, for this user alone, and is the same from then on', (t) => {
  const dir = stateDir(t);
  const key = storeKeyIn(dir);
  assert.equal(key.length, 32);
  assert.deepEqual(storeKeyIn(dir), key);
  assert.equal(statSync(join(dir, 'store.key')).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(dir), ['store.key']);
  assert.notDeepEqual(storeKeyIn(stateDir(t)), key);
});

test('a key that stands with the session is taken over and stands there no more, also where that was cut off', (t) => {
  const dir = stateDir(t);
  const session = join(dir, 'session.json');
  const rest = { device: 'PC1', user: '@bot:x', token: 'syt' };
  const before = Buffer.alloc(32, 7);
  const old = JSON.stringify({ ...rest, storeKey: before.toString('base64') });
  writeFileSync(session, old);
  assert.deepEqual(Buffer.from(storeKeyIn(dir)), before);
  assert.deepEqual(JSON.parse(readFileSync(session, 'utf8')), rest);
  writeFileSync(session, old); // as far as it came
  assert.deepEqual(Buffer.from(storeKeyIn(dir)), before);
  assert.deepEqual(JSON.parse(readFileSync(session, 'utf8')), rest);
});
