/** `pocketcoder output`: all that an action wrote, to the byte, from the ledger into a file. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { isOver } from '../../ledger/rules/lifecycle.cjs';
import { messageOf } from '../../ledger/src/retry.ts';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import { ledgerAs } from '../instance/ledger.ts';
import type { Report } from '../report.ts';

/** @param number the action's, as its card has it @param file must not be there @throws Fault */
export async function output(
  instance: Instance,
  report: Report,
  number: string,
  file: string,
): Promise<void> {
  const ledger = await ledgerAs(instance, 'auditor');
  const entries = await ledger.since(0);
  const action = entries.filter(({ kind }) => kind === 'requested')[Number(number) - 1]?.action;
  const end = entries.find((entry) => entry.action === action && isOver(entry.kind));
  const { sha256, output: text } = JSON.parse(end?.body ?? '{}') as { sha256?: string; output?: string };
  if (!end || !sha256)
    throw fault.failed(
      `#${number} has no output in the ledger: it is not over, or did not run. Nothing was written.`,
    );
  const hash = createHash('sha256');
  let bytes = 0;
  async function* counted() {
    for await (const piece of text === undefined
      ? ledger.transcript(end as (typeof entries)[0])
      : [Buffer.from(text)]) {
      hash.update(piece);
      bytes += piece.length;
      yield piece;
    }
  }
  await pipeline(counted, createWriteStream(file, { flags: 'wx', mode: 0o600 })).catch((error: unknown) => {
    throw fault.cannotCreate(`${file} was not written whole: ${messageOf(error)}`);
  });
  if (hash.digest('hex') !== sha256)
    throw fault.failed(
      `${file} does not have the SHA-256 that entry ${end.seq} names: ./pocketcoder audit says more.`,
    );
  report.event(
    { event: 'output', file, bytes, sha256 },
    `${file} has all that #${number} wrote: ${bytes} bytes, SHA-256 ${sha256}.`,
  );
}
