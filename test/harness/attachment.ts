/** A file as a client sends it: encrypted, uploaded, and told of in an encrypted message. */
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import type { Content, Phone } from '../phone/types.ts';

/** Uploads and returns the content of an m.file message. @param homeserver its address */
export async function attachment(
  phone: Phone,
  homeserver: string,
  name: string,
  bytes: Uint8Array,
): Promise<Content & { file: Content }> {
  const key = randomBytes(32);
  const iv = Buffer.concat([randomBytes(8), Buffer.alloc(8)]);
  const cipher = createCipheriv('aes-256-ctr', key, iv);
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final()]);
  const unpadded = (b: Buffer) => b.toString('base64').replace(/=+$/, '');
  const response = await fetch(`${homeserver}/_matrix/media/v3/upload`, {
    method: 'POST',
    headers: { authorization: `Bearer ${phone.token}`, 'content-type': 'application/octet-stream' },
    body: sealed,
  });
  const { content_uri: url } = (await response.json()) as { content_uri?: string };
  if (!url) throw new Error(`the homeserver did not take ${name}: ${response.status}`);
  return {
    ...{ msgtype: 'm.file', body: name, filename: name, info: { size: bytes.length } },
    file: {
      ...{
        v: 'v2',
        url,
        iv: unpadded(iv),
        hashes: { sha256: unpadded(createHash('sha256').update(sealed).digest()) },
      },
      key: {
        kty: 'oct',
        alg: 'A256CTR',
        ext: true,
        key_ops: ['encrypt', 'decrypt'],
        k: key.toString('base64url'),
      },
    },
  };
}
