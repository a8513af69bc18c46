/** Audits a ledger through its own API: the chain, every action's story, every result's output, every checkpoint. */
import { createHash } from 'node:crypto';
import { createChain } from './chain.ts';
import type { Entry, Ledger } from './client.ts';

export type Report = {
  ok: boolean;
  entries: number;
  head: string;
  actions: number;
  results: number;
  transcripts: number;
  checkpoints: number;
  /** The numbers of the actions whose card was taken out of its room. */
  removed: number[];
  /** The first entry that is off, and why. */
  off?: { seq: number; id: string; kind: string; why: string };
};

const results = ['succeeded', 'failed', 'killed'];

/** Why a result's output is not what its chained body says, or ''. */
async function outputMisfit(ledger: Ledger, entry: Entry): Promise<string> {
  const body = JSON.parse(entry.body) as { bytes?: unknown; sha256?: unknown; output?: unknown };
  if ((typeof body.output === 'string') === (entry.transcript !== ''))
    return 'its output is neither in the entry nor in a transcript, or in both';
  const hash = createHash('sha256');
  let size = 0;
  const pieces = typeof body.output === 'string' ? [Buffer.from(body.output)] : ledger.transcript(entry);
  for await (const piece of pieces) {
    hash.update(piece);
    size += piece.length;
  }
  if (size !== body.bytes) return `its output has ${size} bytes, the entry says ${body.bytes}`;
  return hash.digest('hex') === body.sha256
    ? ''
    : 'its output does not have the SHA-256 that the entry states';
}

function checkpointMisfit(entry: Entry, hashes: readonly string[]): string {
  const body = JSON.parse(entry.body) as { seq?: unknown; hash?: unknown };
  const stated = typeof body.seq === 'number' ? hashes[body.seq - 1] : undefined;
  return stated !== undefined && stated === body.hash
    ? ''
    : 'the checkpoint names a hash that is not in the chain';
}

/**
 * Reads everything and judges it again. A ledger that is off gives `ok: false` and the first entry that is; one that
 * can't be read throws LedgerError.
 */
export async function auditLedger(ledger: Ledger): Promise<Report> {
  const chain = createChain();
  const report: Report = {
    ok: true,
    entries: 0,
    head: '',
    actions: 0,
    results: 0,
    transcripts: 0,
    checkpoints: 0,
    removed: [],
  };
  const numbers = new Map<string, number>();
  const hashes: string[] = [];

  const judge = async (entry: Entry): Promise<string> => {
    const why = chain.take(entry);
    if (why) return why;
    hashes.push(entry.hash);
    if (entry.kind === 'requested') numbers.set(entry.action, ++report.actions);
    if (entry.kind === 'alarm') {
      const body = JSON.parse(entry.body) as { reason?: unknown; action?: unknown };
      const number = body.reason === 'card removed' ? numbers.get(String(body.action)) : undefined;
      if (number) report.removed.push(number);
    }
    if (entry.kind === 'checkpoint') {
      report.checkpoints++;
      return checkpointMisfit(entry, hashes);
    }
    if (!results.includes(entry.kind))
      return entry.transcript ? 'it has a file, which only a result may have' : '';
    report.results++;
    if (entry.transcript) report.transcripts++;
    return outputMisfit(ledger, entry);
  };

  for (const entry of await ledger.since(0)) {
    const why = await judge(entry);
    if (why) {
      report.ok = false;
      report.off = { seq: entry.seq, id: entry.id, kind: entry.kind, why };
      break;
    }
    report.entries = chain.head().seq;
    report.head = chain.head().hash;
  }
  return report;
}
