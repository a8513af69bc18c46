/** What lies at the homeserver: bytes that were encrypted elsewhere. */
import { MatrixError } from 'matrix-bot-sdk';
import { oneLine } from '../show/visible.ts';
import type { Client } from './client.ts';

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
