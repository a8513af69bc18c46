/** A backup's inside and its encryption: what comes out is what went in, or nothing does. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { through } from '../../console/backup/age.ts';
import { migrations } from '../../console/backup/backup.ts';
import { type Manifest, readArchive, writeArchive } from '../../console/engine/archive.ts';
import { version } from '../../console/instance/state.ts';
import { launch } from '../harness/instance.ts';

const dir = mkdtempSync(join(tmpdir(), 'archive-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const manifest: Manifest = { at: '2026-01-01T00:00:00.000Z', version, migrations: migrations(), volumes: [] };
const [bot, volumes] = [Buffer.alloc(9 * 2 ** 20 + 5, 'bot'), Buffer.alloc(70_000, 'volumes')];

const archive = (of: Manifest): Readable =>
  writeArchive(async (add, addPart) => {
    await add('manifest.json', Buffer.from(JSON.stringify(of)));
    await add('home/secrets.json', Buffer.from('{}'));
    await add('home/tls/ca.pem', Buffer.from('a certificate'));
    await addPart('bot', Readable.from([bot.subarray(0, 7), bot.subarray(7)]));
    await addPart('volumes', Readable.from([volumes]));
  });
async function encrypted(name: string, encrypter: Encrypter, of = manifest): Promise<string> {
  const file = join(dir, name);
  writeFileSync(file, await buffer(await through(encrypter, archive(of))));
  return file;
}
function byPassphrase(): Encrypter {
  const encrypter = new Encrypter();
  encrypter.setPassphrase('of a test');
  encrypter.setScryptWorkFactor(10);
  return encrypter;
}

test('what was written for a recipient is read with its key, each part whole and apart, also one read in part', async () => {
  const identity = await generateX25519Identity();
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  const file = await encrypted('recipient.age', encrypter);
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  for (const whole of [true, false]) {
    const read = await readArchive(await through(decrypter, Readable.from([readFileSync(file)])));
    assert.deepEqual(read.manifest, manifest);
    assert.deepEqual([...read.home.keys()], ['secrets.json', 'tls/ca.pem']);
    for await (const { part, stream } of read.parts()) {
      if (part === 'volumes') assert.deepEqual(await buffer(stream), volumes);
      else if (whole) assert.deepEqual(await buffer(stream), bot);
      else for await (const piece of stream) if (piece) break;
    }
  }
});

test('restore refuses what it cannot read, and nothing is changed', async () => {
  const file = await encrypted('good.age', byPassphrase());
  const bytes = readFileSync(file);
  writeFileSync(join(dir, 'cut.age'), bytes.subarray(0, bytes.length - 3));
  // After whole pieces, where only the missing mark of the last one tells.
  const header = bytes.indexOf('\n', bytes.indexOf('\n--- ') + 1) + 1;
  writeFileSync(join(dir, 'edge.age'), bytes.subarray(0, header + 16 + 2 * (64 * 1024 + 16)));
  const spoilt = Buffer.from(bytes);
  spoilt[spoilt.length >> 1] = (spoilt[spoilt.length >> 1] ?? 0) ^ 1;
  writeFileSync(join(dir, 'spoilt.age'), spoilt);
  writeFileSync(join(dir, 'none.age'), 'no age file at all');
  await encrypted('newer.age', byPassphrase(), { ...manifest, version: version + 1 });
  await encrypted('migrated.age', byPassphrase(), { ...manifest, migrations: ['9_of_tomorrow.js'] });
  const home = join(dir, 'home');
  for (const [name, passphrase, code, words] of [
    ['good.age', 'another', 1, /does not open it/],
    ['good.age', '', 1, /does not open it/],
    ['cut.age', 'of a test', 1, /cut off, damaged or no backup/],
    ['edge.age', 'of a test', 1, /cut off, damaged or no backup/],
    ['spoilt.age', 'of a test', 1, /cut off, damaged or no backup/],
    ['none.age', 'of a test', 1, /cut off, damaged or no backup/],
    ['not there.age', 'of a test', 1, /ENOENT/],
    ['newer.age', 'of a test', 78, /newer release/],
    ['migrated.age', 'of a test', 78, /newer release/],
  ] as const) {
    const env = { POCKETCODER_HOME: home };
    const ran = await launch(['restore', join(dir, name)], { env, input: `${passphrase}\n` });
    assert.equal(ran.code, code, `${name}: ${ran.out}${ran.err}`);
    assert.match(ran.err, words, name);
    assert.match(ran.err, /Nothing was changed/, name);
    assert.equal(existsSync(home), false, name);
  }
});
