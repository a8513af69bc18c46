/** A ledger written out and read by the verifier, from entries in memory. */
import { Readable } from 'node:stream';
import { exportLines, type Part } from '../../ledger/audit/export.ts';
import { hashed } from '../../ledger/rules/judge.cjs';
import { sha256 } from '../../ledger/src/action.ts';
import type { Entry, Ledger } from '../../ledger/src/client.ts';
import type { Head } from '../../ledger/src/entry.ts';
import { verify } from '../../ledger/verify/verify.mjs';

/** What reading alone takes. @param files the bytes that stand beside entries, by the name that those give */
export const readable = (entries: readonly Entry[], files: Readonly<Record<string, Buffer>> = {}): Ledger =>
  ({
    each: () => Readable.from(entries),
    transcript: ({ transcript }: Entry) => Readable.from([files[transcript] ?? Buffer.alloc(0)]),
  }) as unknown as Ledger;

export const headOf = (entries: readonly Entry[]): Head => {
  const { seq = 0, hash = '' } = entries.at(-1) ?? {};
  return { seq, hash };
};

/** The whole file. Bot and executor saw all of it, where nothing else is said. */
export async function exported(
  ledger: Ledger,
  pins: Readonly<Record<string, Head>>,
  part?: Part,
): Promise<Buffer> {
  const lines = await Array.fromAsync(exportLines(ledger, { pins, at: '2026-11-02T00:00:00.000Z', part }));
  return Buffer.from(lines.join(''));
}

/** As somebody closes it who knows how: its last line fits again. */
export function resealed(file: Buffer): Buffer {
  const end = file.lastIndexOf(10, file.length - 2) + 1;
  const own = file.subarray(0, end);
  return Buffer.concat([own, Buffer.from(`${JSON.stringify({ sha256: sha256(own) })}\n`)]);
}

/** The same entries, each linked to the one before, as somebody would who has the file and forges. */
export function relinked(entries: readonly Omit<Entry, 'hash'>[]): Entry[] {
  let prev = '';
  return entries.map((entry, i) => {
    const next = { ...entry, seq: i + 1, prev };
    prev = sha256(hashed(next));
    return { ...next, hash: prev };
  });
}

/** A checkpoint as somebody kept it, the way the verifier's command line reads it. */
export function keptOf(checkpoint: string, who = 'the auditor') {
  const [origin = '', size, root = '', head = ''] = checkpoint.split('\n');
  return { who, seq: Number(size), hash: head.replace('head ', ''), root, origin };
}

/** What the verifier finds. @param kept what somebody has of the ledger */
export const verified = (file: Uint8Array, kept?: Parameters<typeof verify>[1]) => verify([file], kept);
