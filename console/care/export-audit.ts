/** `pocketcoder audit export`: the ledger in one file, for who has no account here. */
import { Readable } from 'node:stream';
import { type Exported, exportLines, type Part } from '../../ledger/audit/export.ts';
import { stateAfter } from '../../ledger/rules/state.cjs';
import { findEngine } from '../engine/engine.ts';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import { ledgerAs } from '../instance/ledger.ts';
import { interruptible, newFile, writeNew } from '../instance/new-file.ts';
import { pinsOf } from '../instance/pins.ts';
import type { Report } from '../report.ts';
import { momentOf } from './since.ts';
import { toKeep } from './verify.ts';

type Options = { since?: string | undefined; workspace?: string | undefined };

/**
 * What of the ledger is to be exported, or undefined for all of it.
 * @param there the workspaces that it has. Throws a Fault (`usage`) for another one, or a time that is none.
 */
export function partOf({ since, workspace }: Options, there: readonly string[]): Part | undefined {
  if (since === undefined && workspace === undefined) return undefined;
  if (workspace !== undefined && !there.includes(workspace))
    throw fault.usage(
      `There is no workspace "${workspace}". ${there.length > 0 ? `There are: ${there.join(', ')}` : 'There is none yet'}. Nothing was written.`,
    );
  return { ...(since !== undefined && { since: momentOf(since) }), ...(workspace && { workspace }) };
}

/** Throws a Fault: `usage`, `cannotCreate`, or `unavailable` where the ledger does not answer. */
export async function exportAudit(
  instance: Instance,
  report: Report,
  name: string,
  options: Options,
): Promise<void> {
  const file = newFile(name);
  const ledger = await ledgerAs(instance, 'auditor');
  const { workspaces } = stateAfter(await ledger.control());
  const part = partOf(options, [...workspaces.keys()]);
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
      `output stand in it. It is verified anywhere, by the folder ledger/verify and Node:\n  node verify/verify.mjs ${name}${part ? ' CHECKPOINT, a file of it that was kept' : ''}\n` +
      toKeep(checkpoint),
  );
}
