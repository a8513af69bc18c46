/** `pocketcoder output`: all that an action wrote, to the byte, from the ledger into a file. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { isOver } from '../../ledger/rules/lifecycle.cjs';
import type { Entry, Ledger } from '../../ledger/src/client.ts';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import { ledgerAs } from '../instance/ledger.ts';
import { interruptible, newFile, writeNew } from '../instance/new-file.ts';
import type { Report } from '../report.ts';

/** How the action of that number ended, or undefined. */
async function endOf(ledger: Ledger, number: number): Promise<Entry | undefined> {
  let asked = 0;
  for await (const { kind, action } of ledger.each(0)) {
    if (kind !== 'requested' || ++asked < number) continue;
    return (await ledger.story(action)).find((entry) => isOver(entry.kind));
  }
  return undefined;
}

/** @param number the action's, as its card has it @param name of a file that is not there @throws Fault */
export async function output(
  instance: Instance,
  report: Report,
  number: string,
  name: string,
): Promise<void> {
  const ledger = await ledgerAs(instance, 'auditor');
  const end = await endOf(ledger, Number(number));
  const { sha256, output: text } = JSON.parse(end?.body ?? '{}') as { sha256?: string; output?: string };
  if (!end || !sha256)
    throw fault.failed(
      `#${number} has no output in the ledger: it is not over, or did not run. Nothing was written.`,
    );
  const file = newFile(name);
  const hash = createHash('sha256');
  let bytes = 0;
  async function* counted(of: Entry) {
    for await (const piece of text === undefined ? ledger.transcript(of) : [Buffer.from(text)]) {
      hash.update(piece);
      bytes += piece.length;
      yield piece;
    }
  }
  await interruptible((signal) =>
    writeNew(file, Readable.from(counted(end)), `${file} was not written`, signal),
  );
  if (hash.digest('hex') !== sha256)
    throw fault.failed(
      `${file} does not have the SHA-256 that entry ${end.seq} names: ./pocketcoder audit says more.`,
    );
  report.event(
    { event: 'output', file, bytes, sha256 },
    `${file} has all that #${number} wrote: ${bytes} bytes, SHA-256 ${sha256}.`,
  );
}
