/** A file that comes down: whole and genuine, or not at all, whatever the homeserver sends. */
import assert from 'node:assert/strict';
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { Client } from '../../bot/src/matrix/client.ts';
import { createHttp } from '../../bot/src/matrix/http.ts';
import { fetchMedia } from '../../bot/src/matrix/media.ts';
import { openAttachment } from '../../bot/src/proof/attachment.ts';
import type { Content } from '../../bot/src/types.ts';

const stored = new Map<string, Buffer>();
let sent = 0;
const server = http.createServer((req, res) => {
  const name = req.url?.replace('/_matrix/client/v1/media/download/home/', '') ?? '';
  if (name.endsWith('endless')) {
    const more = (): void => {
      while (!res.destroyed && res.write(Buffer.alloc(1 << 16))) sent += 1 << 16;
    };
    res.on('drain', more);
    return more();
  }
  const bytes = stored.get(name);
  if (!bytes) return res.writeHead(404).end('{"errcode":"M_NOT_FOUND","error":"\\u202egone"}');
  return res.end(bytes);
});
const stopping = new AbortController();
let client: Client;
before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new Client(base, 'token', createHttp({ base, signal: stopping.signal, onState: () => {} }));
});
after(() => {
  stopping.abort();
  server.close();
  server.closeAllConnections();
});

function encrypted(name: string, bytes: Uint8Array): Content {
  const [key, iv] = [randomBytes(32), Buffer.concat([randomBytes(8), Buffer.alloc(8)])];
  const cipher = createCipheriv('aes-256-ctr', key, iv);
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final()]);
  stored.set(name, sealed);
  const unpadded = (b: Buffer) => b.toString('base64').replace(/=+$/, '');
  return {
    ...{ v: 'v2', url: `mxc://home/${name}`, iv: unpadded(iv) },
    key: { kty: 'oct', alg: 'A256CTR', ext: true, k: key.toString('base64url') },
    hashes: { sha256: unpadded(createHash('sha256').update(sealed).digest()) },
  };
}
const most = 100_000;
const downloaded = (file: Content, limit: number): Promise<Uint8Array> =>
  openAttachment(file, (url) => fetchMedia(client, url, limit));

test('a file comes down to the byte: an empty one, a small one, and one as large as may be', async () => {
  for (const size of [0, 1, 15, 16, 17, most]) {
    const bytes = randomBytes(size);
    assert.deepEqual(Buffer.from(await downloaded(encrypted('a', bytes), most)), bytes);
  }
});

test('one byte more than may be, or without end, is not read to its end', async () => {
  await assert.rejects(downloaded(encrypted('b', randomBytes(most + 1)), most), /more than 0 MiB/);
  const endless = { ...encrypted('c', randomBytes(1)), url: 'mxc://home/endless' };
  await assert.rejects(downloaded(endless, most), /more than 0 MiB/);
  assert.ok(sent < 64 << 20, `${sent} bytes were sent`);
});

test('of any other answer no more than 32 MiB are read', async () => {
  const before = sent;
  await assert.rejects(client.api('GET', '/endless'), /more than 33554432 bytes/);
  assert.ok(sent - before < 64 << 20, `${sent - before} bytes were sent`);
});

test('what is not as its message says is not taken, and the words say so', async () => {
  const genuine = encrypted('d', Buffer.from('genuine'));
  encrypted('e', Buffer.from('another'));
  const keyed = (key: object) => ({ ...genuine, key: { ...(genuine['key'] as object), ...key } });
  for (const [file, why] of [
    [{ ...genuine, url: 'mxc://home/e' }, /is not the one that was sent/],
    [{ ...genuine, url: 'mxc://home/nowhere' }, /did not give that file \(M_NOT_FOUND\)/],
    [{ ...genuine, url: 'https://elsewhere/d' }, /did not give that file/],
    [{ ...genuine, url: 'mxc://home/../../d' }, /did not give that file/],
    [{ ...genuine, url: undefined }, /did not give that file/],
    [{ ...genuine, v: 'v3' }, /in a way that is not known here/],
    [{ ...genuine, hashes: {} }, /in a way that is not known here/],
    [{ ...genuine, hashes: null }, /in a way that is not known here/],
    [{ ...genuine, iv: 7 }, /in a way that is not known here/],
    [keyed({ alg: 'A128CTR' }), /in a way that is not known here/],
    [keyed({ k: 'short' }), /in a way that is not known here/],
    [{}, /in a way that is not known here/],
  ] as [Content, RegExp][]) {
    await assert.rejects(downloaded(file, most), (error: Error) => {
      assert.match(error.message, why);
      assert.match(error.message, /was not taken/);
      return true;
    });
  }
  assert.equal(Buffer.from(await downloaded(genuine, most)).toString(), 'genuine');
});
