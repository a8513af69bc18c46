/** Attachments: encrypted before they are uploaded, checked when they come down. (Client-server API, "Extensions to m.room.message msgtypes") */
import { wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Client } from './client.ts';
import type { Content } from './types.ts';

/** @returns the content of an m.file message */
export async function uploadEncrypted(
  client: Client,
  bytes: Uint8Array,
  name: string,
  mime: string,
): Promise<Content> {
  const sealed = W.Attachment.encrypt(bytes);
  const file = JSON.parse(sealed.mediaEncryptionInfo ?? '{}') as Content;
  const url = await client.uploadContent(Buffer.from(sealed.encryptedData), 'application/octet-stream');
  return {
    msgtype: 'm.file',
    body: name,
    filename: name,
    info: { mimetype: mime, size: bytes.length },
    file: { ...file, url },
  };
}

/** @param file the `file` block of a message. @throws where the bytes are not those that were encrypted */
export async function downloadEncrypted(client: Client, file: Content): Promise<Uint8Array> {
  const { url, ...info } = file;
  const { data } = await client.downloadContent(String(url));
  return W.Attachment.decrypt(new W.EncryptedAttachment(data, JSON.stringify({ ...info, url })));
}
