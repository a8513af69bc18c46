/** Attachments: encrypted before they are uploaded, checked when they come down. (Client-server API, "Extensions to m.room.message msgtypes") */
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { MatrixError } from 'matrix-bot-sdk';
import { oneLine } from '../show/visible.ts';
import type { Content } from '../types.ts';
import type { Client } from './client.ts';

/**
 * Encrypts the pieces as they come, outside of the wasm, which would hold the whole thrice (client-server API, "Sending
 * encrypted attachments": AES-256-CTR, a counter of 64 bits that begins at 0, SHA-256 of what is uploaded).
 * @returns the content of an m.file message
 */
export async function uploadEncrypted(
  client: Pick<Client, 'uploadContent'>,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  name: string,
  mime: string,
): Promise<Content> {
  const key = randomBytes(32);
  const iv = Buffer.concat([randomBytes(8), Buffer.alloc(8)]);
  const cipher = createCipheriv('aes-256-ctr', key, iv);
  const hash = createHash('sha256');
  const sealed: Buffer[] = [];
  for await (const piece of pieces) {
    const part = cipher.update(piece);
    hash.update(part);
    sealed.push(part);
  }
  const bytes = Buffer.concat(sealed);
  const url = await client.uploadContent(bytes, 'application/octet-stream');
  return {
    msgtype: 'm.file',
    body: name,
    filename: name,
    info: { mimetype: mime, size: bytes.length },
    file: {
      v: 'v2',
      url,
      key: {
        kty: 'oct',
        key_ops: ['encrypt', 'decrypt'],
        alg: 'A256CTR',
        k: key.toString('base64url'),
        ext: true,
      },
      iv: unpadded(iv),
      hashes: { sha256: unpadded(hash.digest()) },
    },
  };
}

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

/** @returns what lies at that address. @throws Error with words for a person, where it can't be had or is more than that many bytes */
export async function fetchMedia(
  client: Pick<Client, 'media'>,
  url: string,
  most: number,
): Promise<Uint8Array> {
  return client.media(url, most).catch((error: unknown) => {
    const code = error instanceof MatrixError ? error.errcode : 'no answer';
    if (code === 'M_TOO_LARGE') throw new Error(tooLarge(most));
    throw new Error(
      `The homeserver did not give that file (${oneLine(code)}): it was not taken. Send it again.`,
    );
  });
}

/** What is said of a file that is too large. @param most bytes */
export const tooLarge = (most: number): string =>
  `A file of more than ${most >> 20} MiB can’t be sent here: it was not taken. Bring it in at the console.`;
