/** Encryption of backups with age, by a passphrase or for a recipient: what `age -d` opens as well. */
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { Decrypter, Encrypter } from 'age-encryption';
import { messageOf } from '../../ledger/src/retry.ts';
import { fault } from '../fault.ts';
import { legible } from '../instance/state.ts';
import { unseenLine } from '../question.ts';
import type { Report } from '../report.ts';

/** What encrypts a new backup: made for `to` (age1…), else by a passphrase that is made at a terminal and read elsewhere. */
export async function encrypterFor(
  to: string | undefined,
  report: Report,
  setting = '--to',
): Promise<Encrypter> {
  const encrypter = new Encrypter();
  if (to !== undefined)
    try {
      encrypter.addRecipient(to);
      return encrypter;
    } catch (error) {
      throw fault.usage(`${setting} takes an age recipient (age1…): ${messageOf(error)}. Nothing was done.`);
    }
  const given = process.stdin.isTTY ? '' : await unseenLine('');
  const passphrase = given || legible(25, 5);
  encrypter.setPassphrase(passphrase);
  if (!given)
    report.event(
      { event: 'passphrase', passphrase },
      `The passphrase of this backup, shown once; without it the file is worth nothing:\n\n  ${passphrase}\n`,
    );
  return encrypter;
}

/** Asks for what opens a backup: its passphrase, or the AGE-SECRET-KEY-… of its recipient. */
export async function decrypterAsked(): Promise<Decrypter> {
  const secret = await unseenLine('Passphrase, or AGE-SECRET-KEY-…: ');
  const decrypter = new Decrypter();
  if (secret.startsWith('AGE-SECRET-KEY-')) decrypter.addIdentity(secret);
  else decrypter.addPassphrase(secret);
  return decrypter;
}

type Web = globalThis.ReadableStream<Uint8Array>;
/** A stream through age. It fails as soon as a piece of 64 KiB is not what was written, or the end is missing. */
export const through = async (age: Encrypter | Decrypter, stream: Readable): Promise<Readable> => {
  const web = Readable.toWeb(stream) as unknown as Web;
  const out = age instanceof Encrypter ? await age.encrypt(web) : await age.decrypt(web);
  return Readable.fromWeb(out as unknown as ReadableStream<Uint8Array>);
};
