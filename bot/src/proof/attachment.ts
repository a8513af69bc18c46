/** A file, opened by the key that its message holds, or sealed under one of its own. (Client-server API, "Sending encrypted attachments") */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Content } from '../types.ts';
import { isObject, textOf } from '../types.ts';

const decoded = (text: unknown): Buffer => Buffer.from(textOf(text), 'base64');
const inside = (block: unknown): Content => (isObject(block) ? block : {});

/**
 * Outside of the wasm, whose memory never shrinks.
 * @param file the `file` block of a message
 * @param download gives the bytes at an address, whatever they are
 * @throws Error with words for a person, where they are not those that were encrypted, or can't be had
 */
export async function openAttachment(
  file: Content,
  download: (url: string) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const { alg, k } = inside(file['key']);
  const { sha256 } = inside(file['hashes']);
  const [key, iv, hash] = [decoded(k), decoded(file['iv']), decoded(sha256)];
  if (file['v'] !== 'v2' || alg !== 'A256CTR' || key.length !== 32 || iv.length !== 16 || hash.length !== 32)
    throw new Error(
      'That file is encrypted in a way that is not known here: it was not taken. Send it again.',
    );
  const sealed = await download(String(file['url']));
  if (!createHash('sha256').update(sealed).digest().equals(hash))
    throw new Error('That file is not the one that was sent, by its hash: it was not taken. Send it again.');
  return createDecipheriv('aes-256-ctr', key, iv).update(sealed); // all of it: this mode holds nothing back
}

/**
 * Encrypts the pieces as they come, outside of the wasm, which would hold the whole thrice (client-server API, "Sending
 * encrypted attachments": AES-256-CTR, a counter of 64 bits that begins at 0, SHA-256 of what is uploaded).
 * @param upload has the bytes kept somewhere, and says at which address
 * @returns the content of an m.file message
 */
export async function sealAttachment(
  upload: (sealed: Buffer) => Promise<string>,
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
  const url = await upload(bytes);
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
