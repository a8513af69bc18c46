/** Which files that were sent a model that sees is shown: pictures by their bytes, as the ledger has them. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { mimeOf, pictureIn } from '../../bot/src/brain/pictures.ts';
import { sha256 } from '../../ledger/src/action.ts';
import type { Entry, Ledger } from '../../ledger/src/client.ts';

const latin = (text: string) => Buffer.from(text, 'latin1');
const png = latin('\x89PNG\r\n\x1a\nthe rest');

test('a picture is known by the bytes it begins with', () => {
  const rows: [Buffer, string | undefined][] = [
    [png, 'image/png'],
    [latin('\xff\xd8\xff\xe0..JFIF'), 'image/jpeg'],
    [latin('GIF89a...'), 'image/gif'],
    [latin('GIF87a...'), 'image/gif'],
    [latin('RIFF\n\x00\r\xffWEBPVP8 '), 'image/webp'],
    [latin('RIFF....WAVEfmt '), undefined],
    [latin('<svg xmlns="http://www.w3.org/2000/svg"/>'), undefined],
    [latin('BM......'), undefined],
    [latin('x\x89PNG\r\n\x1a\n'), undefined],
    [latin('x\n\x89PNG\r\n\x1a\n'), undefined],
    [latin('\x89PN'), undefined],
    [latin(''), undefined],
  ];
  for (const [bytes, mime] of rows) assert.equal(mimeOf(bytes), mime, bytes.toString('latin1'));
});

/** A ledger in which this was asked for, and these bytes stand beside it. */
function ledgerOf(bytes: Uint8Array, over: { kind?: string; args?: object; transcript?: string } = {}) {
  const args = { path: 'uploads/a.png', sha256: sha256(bytes), size: bytes.length, ...over.args };
  const entry = {
    body: JSON.stringify({ kind: over.kind ?? 'put_file', args }),
    transcript: over.transcript ?? 'a.bin',
  } as Entry;
  let read = 0;
  const pieces = [bytes.subarray(0, 3), bytes.subarray(3)];
  const ledger = {
    story: async () => [entry, { ...entry, body: '{}' }],
    transcript() {
      read++;
      return Readable.from(pieces);
    },
  } as unknown as Pick<Ledger, 'story' | 'transcript'>;
  return { ledger, reads: () => read };
}

test('what was sent is shown where it is the picture that the action names, and is not too large', async () => {
  const { ledger } = ledgerOf(png);
  const picture = await pictureIn(ledger, 'id');
  assert.equal(picture?.mime, 'image/png');
  assert.ok(png.equals(picture?.bytes ?? latin('')));
  const large = Buffer.alloc(5_000_001, png);
  const most = await pictureIn(ledgerOf(Buffer.alloc(5_000_000, png)).ledger, 'id');
  assert.equal(most?.bytes.length, 5_000_000);
  for (const [bytes, over] of [
    [latin('text'), {}],
    [png, { args: { sha256: sha256('another') } }],
    [png, { args: { size: png.length - 1 } }],
    [png, { args: { size: png.length + 1 } }],
    [png, { kind: 'bash', args: { script: 'true' } }],
    [png, { transcript: '' }],
  ] as const)
    assert.equal(await pictureIn(ledgerOf(bytes, over).ledger, 'id'), undefined, JSON.stringify(over));
  const unread = ledgerOf(large);
  assert.equal(await pictureIn(unread.ledger, 'id'), undefined);
  assert.equal(unread.reads(), 0, 'nothing of what is too large is read');
});
