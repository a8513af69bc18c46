/** Writes a ledger out as lines of JSON, for who has no account there: docs/audit.md says what they are, ledger/verify reads them. */
import { createHash } from 'node:crypto';
import { hashed } from '../rules/judge.cjs';
import type { Entry, Ledger } from '../src/client.ts';
import type { Head } from '../src/entry.ts';
import { createTree } from './checkpoint.ts';

/** Actions that were asked for in this workspace alone, or of which anything was written since that moment (ISO 8601). */
export type Part = { since?: string; workspace?: string };
export type Exported = { entries: number; omitted: number; files: number; checkpoint: string };

type Said = { workspace?: unknown; lease?: unknown; action?: unknown };

/** Who may approve what, and whether anything runs: no part goes without it. Nor without what its workspace is and has. */
const foundation = /^(identity\..*|policy\.set|frozen|thawed)$/;
const owned = ['policy', 'role', 'device', 'thaw'];
const settled = /^(workspace\..*|server\.removed)$/;

/** Bytes in a line: of three, so that lines need no padding but the last. */
const piece = 3 << 14;

/**
 * Which entries a part has, up to the last that there is now: an action's story is in it whole, with that of the lease that it goes
 * by and of whatever else went by that one, for its uses are counted; or it is not.
 */
async function held(ledger: Ledger, { since, workspace }: Part) {
  const [actions, there] = [new Set<string>(), new Set<string>()];
  const leases = new Map<string, string>();
  let last = 0;
  for await (const { seq, kind, action, at, body } of ledger.each(0)) {
    last = seq;
    if (!action) continue;
    if (kind === 'requested') {
      const asked = JSON.parse(body) as { kind: string; workspace: string };
      const isHere = workspace === undefined || asked.workspace === workspace;
      if (owned.includes(asked.kind) || (asked.kind === 'server_pin' && isHere)) actions.add(action);
      if (isHere) there.add(action);
    }
    if (kind === 'leased') leases.set(action, (JSON.parse(body) as { lease: string }).lease);
    if (there.has(action) && (since === undefined || at >= since)) actions.add(action);
  }
  const used = new Set([...leases].flatMap(([action, lease]) => (actions.has(action) ? [lease] : [])));
  for (const [action, lease] of leases) if (used.has(lease)) actions.add(action).add(lease);
  const has = ({ kind, action, at, body }: Entry): boolean => {
    if (action) return actions.has(action);
    if (foundation.test(kind)) return true;
    const said = JSON.parse(body) as Said;
    if (said.lease ?? said.action) return actions.has(String(said.lease ?? said.action));
    const isNow = since === undefined || at >= since || settled.test(kind);
    return isNow && (workspace === undefined || said.workspace === workspace);
  };
  return { has, last };
}

/** The bytes that stand beside an entry, in pieces of one size; one at least, which tells an empty file from none. */
async function* pieces(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const some of bytes) {
    rest = Buffer.concat([rest, some]);
    for (; rest.length > piece; rest = rest.subarray(piece)) yield rest.subarray(0, piece);
  }
  yield rest;
}

/**
 * The lines of an export, each with its end. What is left out of a part stands as its hash. It is written as the ledger has it and not
 * judged: what is off in there is off in the file, where it is found.
 * @param pins what bot and executor saw last, read before this @param at now, ISO 8601
 * @throws LedgerError where something cannot be read
 */
export async function* exportLines(
  ledger: Ledger,
  { pins, at, part }: { pins: Readonly<Record<string, Head>>; at: string; part?: Part | undefined },
): AsyncGenerator<string, Exported> {
  const seal = createHash('sha256');
  const tree = createTree();
  const counts = { entries: 0, omitted: 0, files: 0 };
  const line = (value: object): string => sealed(JSON.stringify(value));
  const sealed = (text: string): string => {
    seal.update(`${text}\n`);
    return `${text}\n`;
  };
  const { has, last } = part ? await held(ledger, part) : { has: () => true, last: Number.POSITIVE_INFINITY };
  yield line({ export: 'pocketcoder-ledger', version: 1, at, ...(part && { part }), pins });
  for await (const entry of ledger.each(0)) {
    const { hash, seq: omitted } = entry;
    if (omitted > last) break;
    tree.add(hash);
    counts.entries++;
    if (has(entry)) {
      yield sealed(`{"hash":${JSON.stringify(hash)},"entry":${hashed(entry)}}`);
      const bytes = entry.transcript ? pieces(ledger.transcript(entry)) : [];
      for await (const some of bytes) yield line({ file: some.toString('base64') });
      counts.files += Number(entry.transcript !== '');
    } else {
      counts.omitted++;
      yield line({ hash, omitted });
    }
  }
  const checkpoint = tree.checkpoint();
  yield line({ checkpoint });
  yield `${JSON.stringify({ sha256: seal.digest('hex') })}\n`;
  return { ...counts, checkpoint };
}
