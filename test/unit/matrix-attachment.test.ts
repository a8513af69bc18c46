/** Attachments as they go out: what the library that other clients use decrypts. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { sealAttachment } from '../../bot/src/proof/attachment.ts';
import type { Content } from '../../bot/src/types.ts';

/** Sends these pieces, and returns the message with what the homeserver then has. */
async function sent(pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
  let stored = Buffer.alloc(0);
  const upload = async (data: Buffer) => {
    stored = Buffer.from(data);
    return 'mxc://x/y';
  };
  const content = await sealAttachment(upload, pieces, 'a.bin', 'application/octet-stream');
  const file = content['file'] as Content;
  return {
    content,
    file,
    stored,
    got: async () => W.Attachment.decrypt(new W.EncryptedAttachment(stored, JSON.stringify(file))),
  };
}

test('pieces of any size are one file to whoever has its keys, and noise to who has not', async () => {
  const whole = randomBytes(100_003);
  for (const size of [1000, 16, 65_536, 200_000]) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += size) pieces.push(whole.subarray(at, at + size));
    const { content, file, stored, got } = await sent(pieces);
    assert.deepEqual(Buffer.from(await got()), whole);
    assert.equal(stored.length, whole.length);
    assert.ok(!stored.includes(whole.subarray(0, 16)));
    assert.deepEqual(content['info'], { mimetype: 'application/octet-stream', size: whole.length });
    assert.equal(file['v'], 'v2');
    const iv = Buffer.from(String(file['iv']), 'base64');
    assert.deepEqual([iv.length, iv.subarray(8).every((byte) => byte === 0)], [16, true]);
    assert.doesNotMatch(JSON.stringify(file), /=/);
  }
  const empty = await sent([]);
  assert.equal((await empty.got()).length, 0);
});

test('a file that was changed on its way does not decrypt', async () => {
  const { file, got } = await sent([Buffer.from('as it was')]);
  const hashes = { sha256: Buffer.alloc(32).toString('base64').replace(/=+$/, '') };
  Object.assign(file, { hashes });
  await assert.rejects(got());
});

test('keys and counters are fresh each time', async () => {
  const [one, two] = [await sent([Buffer.from('x')]), await sent([Buffer.from('x')])];
  assert.notDeepEqual(one.file['key'], two.file['key']);
  assert.notEqual(one.file['iv'], two.file['iv']);
});
