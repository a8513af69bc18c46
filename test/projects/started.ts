/** A composed instance of its own for the projects, and a phone that agrees with everything. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { approveAll } from '../harness/answers.ts';
import { ledgerOf, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import type { Project } from './list.ts';
import { type Bench, scriptsOf } from './work.ts';

/** @param projects what its agent knows how to look after @returns what `work` goes by, and `close`, which removes all of it */
export async function startBench(projects: readonly Project[]): Promise<Bench & { close(): Promise<void> }> {
  const instance = await startInstance({ model: 'scripted', scripts: scriptsOf(projects) });
  const folder = mkdtempSync(join(tmpdir(), 'projects-'));
  const remove = async () => {
    await instance.destroy();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
    const ledger = await ledgerOf(instance);
    const stop = approveAll(phone);
    const close = async () => {
      stop();
      await phone.close();
      await remove();
    };
    return { instance, phone, ledger, folder, close };
  } catch (error) {
    await remove();
    throw error;
  }
}
