/** The crypto library's floor, read from package-lock.json and asked of the library that is really loaded. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { checkout } from '../../console/instance/paths.ts';

type Lock = { packages: Record<string, { version?: string; link?: boolean; resolved?: string }> };

/**
 * The first release without CVE-2026-45056 (sender of a to-device message spoofed by the homeserver), and so without
 * CVE-2025-48937 (sender of an encrypted event); in the Rust crate 0.16.1 and 0.11.1.
 */
const floor = { '@matrix-org/matrix-sdk-crypto-wasm': [18, 3, 0] };
const crateFloor = [0, 16, 1];
/** Packages of the same crypto under other names; none of them had a fixed release when this was written. */
const never = ['@matrix-org/matrix-sdk-crypto-js', '@matrix-org/olm', 'olm'];

const parts = (version: string): number[] => {
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`${version} is no plain release`);
  return version.split('.').map(Number);
};
const below = (version: string, least: readonly number[]): boolean => {
  const mine = parts(version);
  const at = mine.findIndex((n, i) => n !== least[i]);
  return at >= 0 && (mine[at] ?? 0) < (least[at] ?? 0);
};

/** What is wrong with the crypto that a lockfile installs, wherever in the tree it stands. */
function wrongIn(lock: Lock): string[] {
  const wrong: string[] = [];
  let found = 0;
  for (const [path, { version = '', link, resolved }] of Object.entries(lock.packages)) {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (never.includes(name)) wrong.push(`${path} has known holes`);
    if (name === '@matrix-org/matrix-sdk-crypto-nodejs' && !(link && resolved === 'bot/crypto'))
      wrong.push(`${path} is not ours`);
    const least = floor[name as keyof typeof floor];
    if (!least) continue;
    found++;
    if (below(version, least)) wrong.push(`${path} ${version} is below ${least.join('.')}`);
  }
  return found > 0 ? wrong : [...wrong, 'no crypto library at all'];
}

test('attack-06 no crypto library below the fixed release can be installed or loaded', async () => {
  const lock = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8')) as Lock;
  const wasm = 'node_modules/@matrix-org/matrix-sdk-crypto-wasm';
  const withOne = (path: string, version: string): Lock => ({
    packages: { ...lock.packages, [path]: { version } },
  });
  for (const version of ['18.2.0', '17.99.0', '4.9.0', '0.0.1'])
    assert.equal(wrongIn(withOne(wasm, version)).length, 1, version);
  assert.throws(() => wrongIn(withOne(wasm, '18.3.0-rc.1')), /no plain release/);
  assert.deepEqual(wrongIn(withOne(`node_modules/matrix-js-sdk/${wasm}`, '18.2.9')), [
    `node_modules/matrix-js-sdk/${wasm} 18.2.9 is below 18.3.0`,
  ]);
  const nodejs = 'node_modules/matrix-bot-sdk/node_modules/@matrix-org/matrix-sdk-crypto-nodejs';
  assert.deepEqual(wrongIn(withOne(nodejs, '0.4.0')), [`${nodejs} is not ours`]);
  for (const version of ['18.3.0', '18.10.0', '19.0.0'])
    assert.deepEqual(wrongIn(withOne(wasm, version)), []);
  // The twin: what is installed, and what the bot loads.
  assert.deepEqual(wrongIn(lock), []);
  const asked = JSON.parse(readFileSync(join(checkout, 'bot/crypto/package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  assert.equal(asked.dependencies['@matrix-org/matrix-sdk-crypto-wasm'], lock.packages[wasm]?.version);
  await W.initAsync();
  const loaded = W.getVersions();
  assert.equal(below(loaded.matrix_sdk_crypto, crateFloor), false, loaded.matrix_sdk_crypto);
});
