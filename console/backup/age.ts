/** Encryption of backups with age, by a passphrase or for a recipient: what `age -d` opens as well. */
import { createInterface } from 'node:readline';
import { Readable, Writable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { Decrypter, Encrypter } from 'age-encryption';
import { messageOf } from '../../ledger/src/retry.ts';
import { fault } from '../fault.ts';
import { legible } from '../instance/state.ts';
import type { Report } from '../report.ts';

/** The next line of standard input; at a terminal it is asked for and not shown. */
function line(question: string): Promise<string> {
  const terminal = process.stdin.isTTY === true;
  if (terminal) process.stderr.write(question);
  const unseen = new Writable({ write: (_, __, done) => done() });
  const input = createInterface({ input: process.stdin, output: unseen, terminal });
  return new Promise((resolve, reject) => {
    input.once('line', (text) => {
      resolve(text.trim());
      input.close();
      if (terminal) process.stderr.write('\n');
    });
    input.once('close', () => reject(fault.usage('No passphrase came. Nothing was done.')));
  });
}

/** What encrypts a new backup: made for `to` (age1…), else by a passphrase that is made at a terminal and read elsewhere. */
export async function encrypterFor(to: string | undefined, report: Report): Promise<Encrypter> {
  const encrypter = new Encrypter();
  if (to !== undefined)
    try {
      encrypter.addRecipient(to);
      return encrypter;
    } catch (error) {
      throw fault.usage(`--to takes an age recipient (age1…): ${messageOf(error)}. Nothing was done.`);
    }
  const given = process.stdin.isTTY ? '' : await line('');
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
  const secret = await line('Passphrase, or AGE-SECRET-KEY-…: ');
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
