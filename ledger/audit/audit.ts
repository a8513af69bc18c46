/** Audits a ledger through its own API: the chain, every action's story, every result's output, every file that was sent, and whether it is what others saw of it. */

import { createHash } from 'node:crypto';
import { reasons } from '../rules/codes.cjs';
import { createChain } from '../src/chain.ts';
import type { Entry, Ledger } from '../src/client.ts';
import type { Head } from '../src/entry.ts';
import { createTree } from './checkpoint.ts';

type Read = Pick<Ledger, 'each' | 'transcript'>;
/** An entry that is off, and why. */
type Off = { seq: number; id: string; kind: string; why: string };

const results = ['succeeded', 'failed', 'killed'];

/** What an entry's chained body says of bytes that stand in it or beside it. */
type Stated = { size: unknown; sha256: unknown; output?: unknown };

/** The bytes that an entry has to have, or undefined: a result its output, a request to add a file that file. */
function statedIn(entry: Entry): Stated | undefined {
  const { bytes, sha256, output, kind, args } = JSON.parse(entry.body) as Record<string, unknown>;
  if (results.includes(entry.kind)) return { size: bytes, sha256, output };
  return entry.kind === 'requested' && kind === 'put_file' ? (args as Stated) : undefined;
}

/** Why its bytes are not what an entry's chained body says, or ''. */
async function bytesMisfit(ledger: Read, entry: Entry, body: Stated): Promise<string> {
  if ((typeof body.output === 'string') === (entry.transcript !== ''))
    return 'its bytes are neither in the entry nor in a transcript, or in both';
  const hash = createHash('sha256');
  let size = 0;
  const pieces = typeof body.output === 'string' ? [Buffer.from(body.output)] : ledger.transcript(entry);
  for await (const piece of pieces) {
    hash.update(piece);
    size += piece.length;
  }
  const what = entry.kind === 'requested' ? 'file' : 'output';
  if (size !== body.size) return `its ${what} has ${size} bytes, the entry says ${body.size}`;
  return hash.digest('hex') === body.sha256
    ? ''
    : `its ${what} does not have the SHA-256 that the entry states`;
}

/** Why this is not the chain of which somebody saw an entry, or ''. @param there the hash of its entry of that number, if it has one @param end its last number */
function pinMisfit(who: string, { seq, hash }: Head, there: string | undefined, end: number): string {
  if (seq === 0 || there === hash) return '';
  if (there !== undefined)
    return `it is another one than the ${who} saw there, so the chain was written anew`;
  return `the ${who} saw it, but the chain ends at ${end}: the last ${seq - end} are missing`;
}

/**
 * Reads everything and judges it again. A ledger that is off gives `ok: false` and the first entry that is; one that
 * can't be read throws LedgerError.
 * @param pins the last entry that each of these saw; number 0 for none
 * @returns also the numbers of the actions whose card was taken out of its room, and all of it in a few lines, as others may
 * keep it: C2SP's tlog-checkpoint
 */
export async function auditLedger(ledger: Read, pins: Readonly<Record<string, Head>> = {}) {
  const chain = createChain();
  const counts = { entries: 0, head: '', actions: 0, results: 0, transcripts: 0 };
  const removed: number[] = [];
  let off: Off | undefined;
  const numbers = new Map<string, number>();
  const tree = createTree();
  const pinned = new Map(Object.values(pins).map(({ seq }) => [seq, undefined as string | undefined]));

  const judge = async (entry: Entry): Promise<string> => {
    const why = chain.take(entry);
    if (why) return why;
    tree.add(entry.hash);
    if (pinned.has(entry.seq)) pinned.set(entry.seq, entry.hash);
    if (entry.kind === 'requested') numbers.set(entry.action, ++counts.actions);
    if (entry.kind === 'alarm') {
      const body = JSON.parse(entry.body) as { reason?: unknown; action?: unknown };
      const number = body.reason === reasons.cardRemoved ? numbers.get(String(body.action)) : undefined;
      if (number) removed.push(number);
    }
    const stated = statedIn(entry);
    if (!stated) return entry.transcript ? 'it has a file, which such an entry may not have' : '';
    if (results.includes(entry.kind)) counts.results++;
    if (entry.transcript) counts.transcripts++;
    return bytesMisfit(ledger, entry, stated);
  };

  for await (const entry of ledger.each(0)) {
    const why = await judge(entry);
    if (why) {
      off = { seq: entry.seq, id: entry.id, kind: entry.kind, why };
      break;
    }
    Object.assign(counts, { entries: entry.seq, head: entry.hash });
  }
  for (const [who, pin] of Object.entries(pins)) {
    const why = pinMisfit(who, pin, pinned.get(pin.seq), counts.entries);
    if (why) off ??= { seq: pin.seq, id: '', kind: '', why };
  }
  return { ok: !off, ...counts, checkpoint: tree.checkpoint(), removed, ...(off && { off }) };
}
