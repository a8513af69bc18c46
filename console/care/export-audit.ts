/** `pocketcoder audit export`: the ledger in one file, for who has no account here. */
import { Readable } from 'node:stream';
import { type Exported, exportLines } from '../../ledger/audit/export.ts';
import { findEngine } from '../engine/engine.ts';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import { ledgerAs } from '../instance/ledger.ts';
import { interruptible, newFile, writeNew } from '../instance/new-file.ts';
import { pinsOf } from '../instance/pins.ts';
import type { Report } from '../report.ts';
import { toKeep } from './verify.ts';

const seconds = { s: 1, m: 60, h: 3600, d: 86_400 };

/** The moment that `10m`, `2h`, `1d` or a date means, ISO 8601. Throws a Fault (`usage`) where it means none. */
export function momentOf(since: string, now = Date.now()): string {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(since) ?? [];
  const ago = unit ? now - Number(count) * seconds[unit as keyof typeof seconds] * 1000 : Date.parse(since);
  if (!Number.isNaN(ago) && (unit || /^\d{4}-\d\d-\d\d/.test(since))) return new Date(ago).toISOString();
  throw fault.usage(
    `--since takes a time such as 10m, 2h or 2026-01-31T12:00, not ${since}. Nothing was written.`,
  );
}

/** Throws a Fault: `usage`, `cannotCreate`, or `unavailable` where the ledger does not answer. */
export async function exportAudit(
  instance: Instance,
  report: Report,
  name: string,
  { since, workspace }: { since?: string | undefined; workspace?: string | undefined },
): Promise<void> {
  const of = { ...(since && { since: momentOf(since) }), ...(workspace && { workspace }) };
  const part = since || workspace ? of : undefined;
  const file = newFile(name);
  const ledger = await ledgerAs(instance, 'auditor');
  // Before the chain is read, which goes on.
  const pins = await pinsOf(findEngine().docker, instance.state.project);
  let exported: Exported | undefined;
  async function* lines(): AsyncGenerator<string> {
    exported = yield* exportLines(ledger, { pins, at: new Date().toISOString(), part });
  }
  await interruptible((signal) => writeNew(file, Readable.from(lines()), 'There is no export', signal));
  const { entries, omitted, checkpoint } = exported ?? { entries: 0, omitted: 0, checkpoint: '' };
  report.event(
    { event: 'exported', file, ...exported },
    `${file} holds ${entries} entries${omitted ? `, ${omitted} of them by their hashes alone` : ''}. It is for whom you mean it: people’s words, code and ` +
      `output stand in it. It is verified anywhere, by ledger/verify/verify.mjs and Node:\n  node verify.mjs ${name}\n` +
      toKeep(checkpoint),
  );
}
