/** A file that somebody sent, opened by the key that its message holds. (Client-server API, "Sending encrypted attachments") */
import { createDecipheriv, createHash } from 'node:crypto';
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
