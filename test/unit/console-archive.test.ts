/** A backup's inside and its encryption: what comes out is what went in, or nothing does. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { pack } from 'tar-stream';
import { through } from '../../console/backup/age.ts';
import { type Manifest, migrations, readArchive } from '../../console/backup/archive.ts';
import { version } from '../../console/instance/state.ts';
import { launch } from '../harness/instance.ts';

const dir = mkdtempSync(join(tmpdir(), 'archive-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const manifest: Manifest = { at: '2026-01-01T00:00:00.000Z', version, migrations: migrations(), volumes: [] };

/** As the engine makes it: in the order of names, with directories and links among them. */
function archive(of: Manifest): Readable {
  const tar = pack();
  tar.entry({ name: 'backup/', type: 'directory' }, '');
  tar.entry({ name: 'backup/bot/store' }, Buffer.alloc(300_000, 'bot'));
  tar.entry({ name: 'backup/home/', type: 'directory' }, '');
  tar.entry({ name: 'backup/home/secrets.json' }, '{}');
  tar.entry({ name: 'backup/home/tls/ca.pem' }, 'a certificate');
  tar.entry({ name: 'backup/home/link', type: 'symlink', linkname: '/etc/passwd' }, '');
  tar.entry({ name: 'backup/manifest.json' }, JSON.stringify(of));
  tar.entry({ name: 'backup/volumes/_data/home/secrets.json' }, 'not ours');
  tar.finalize();
  return Readable.from(tar);
}
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

test('what was written for a recipient is read with its key: the manifest and the settings, wherever they stand in it', async () => {
  const identity = await generateX25519Identity();
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  const file = await encrypted('recipient.age', encrypter);
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const read = await readArchive(await through(decrypter, Readable.from([readFileSync(file)])));
  assert.deepEqual(read.manifest, manifest);
  const home = [...read.home].map(([name, bytes]) => [name, bytes.toString()]);
  assert.deepEqual(home, [
    ['secrets.json', '{}'],
    ['tls/ca.pem', 'a certificate'],
  ]);
});

test('a tar of something else is no backup', async () => {
  const tar = pack();
  tar.entry({ name: 'manifest.json' }, JSON.stringify(manifest));
  tar.finalize();
  await assert.rejects(readArchive(Readable.from(tar)), /no backup of PocketCoder/);
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
