/** Attachments: encrypted before they are uploaded, checked when they come down. (Client-server API, "Extensions to m.room.message msgtypes") */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { oneLine } from '../show/visible.ts';
import type { Content } from '../types.ts';
import type { Client } from './client.ts';
import { MatrixError } from './http.ts';

/**
 * Encrypts the pieces as they come, outside of the wasm, which would hold the whole thrice (client-server API, "Sending
 * encrypted attachments": AES-256-CTR, a counter of 64 bits that begins at 0, SHA-256 of what is uploaded).
 * @returns the content of an m.file message
 */
export async function uploadEncrypted(
  client: Pick<Client, 'upload'>,
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
  const url = await client.upload(bytes);
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

const decoded = (text: unknown): Buffer => Buffer.from(typeof text === 'string' ? text : '', 'base64');

/**
 * Outside of the wasm, whose memory never shrinks. (Client-server API, "Sending encrypted attachments")
 * @param file the `file` block of a message
 * @param most bytes, at most
 * @throws Error with words for a person, where they are more, are not those that were encrypted, or can't be had
 */
export async function downloadEncrypted(
  client: Pick<Client, 'media'>,
  file: Content,
  most: number,
): Promise<Uint8Array> {
  const { alg, k } = (file['key'] ?? {}) as Content;
  const { sha256 } = (file['hashes'] ?? {}) as Content;
  const [key, iv, hash] = [decoded(k), decoded(file['iv']), decoded(sha256)];
  if (file['v'] !== 'v2' || alg !== 'A256CTR' || key.length !== 32 || iv.length !== 16 || hash.length !== 32)
    throw new Error(
      'That file is encrypted in a way that is not known here: it was not taken. Send it again.',
    );
  const sealed = await client.media(String(file['url']), most).catch((error: unknown) => {
    const code = error instanceof MatrixError ? error.errcode : 'no answer';
    if (code === 'M_TOO_LARGE') throw new Error(tooLarge(most));
    throw new Error(
      `The homeserver did not give that file (${oneLine(code)}): it was not taken. Send it again.`,
    );
  });
  if (!createHash('sha256').update(sealed).digest().equals(hash))
    throw new Error('That file is not the one that was sent, by its hash: it was not taken. Send it again.');
  return createDecipheriv('aes-256-ctr', key, iv).update(sealed); // all of it: this mode holds nothing back
}

/** What is said of a file that is too large. @param most bytes */
export const tooLarge = (most: number): string =>
  `A file of more than ${most >> 20} MiB can’t be sent here: it was not taken. Bring it in at the console.`;
