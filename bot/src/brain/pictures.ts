/** Files that a person sent, as pictures for a model that sees. */
import { type Action, sha256 } from '@pocketcoder/ledger/src/action.ts';
import { wholeOf } from '@pocketcoder/ledger/src/transcript.ts';
import type { NarrowLedger } from '../approval/narrow.ts';
import type { Picture } from './brain.ts';

/** Bytes: more than that no provider takes, and its agent has the path. */
const most = 5_000_000;

/** Kinds that providers take, by the bytes they begin with; a name or a stated type may say anything. */
const kinds: readonly [mime: Picture['mime'], begins: RegExp][] = [
  ['image/png', /^\x89PNG\r\n/],
  ['image/jpeg', /^\xff\xd8\xff/],
  ['image/gif', /^GIF8[79]a/],
  ['image/webp', /^RIFF.{4}WEBP/s],
];
export const mimeOf = (bytes: Uint8Array): Picture['mime'] | undefined => {
  const begin = Buffer.from(bytes.subarray(0, 16)).toString('latin1');
  return kinds.find(([, begins]) => begins.test(begin))?.[0];
};

/** The picture that came with a request to add a file; undefined where it is none, or too large. @throws LedgerError */
export async function pictureIn(
  ledger: Pick<NarrowLedger, 'story' | 'transcript'>,
  action: string,
): Promise<Picture | undefined> {
  const [requested] = await ledger.story(action);
  const { kind, args } = JSON.parse(requested?.body ?? '{}') as Partial<Action>;
  if (!requested?.transcript || kind !== 'put_file' || !args || !('sha256' in args) || args.size > most)
    return undefined;
  const bytes = await wholeOf(ledger.transcript(requested), args.size);
  const mime = bytes && mimeOf(bytes);
  return bytes && mime && sha256(bytes) === args.sha256 ? { mime, bytes } : undefined;
}
