/** The executor as a process of a test's own, on a ledger of its own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureImage } from '../../console/engine/images.ts';
import { checkout } from '../../console/instance/paths.ts';
import type { TestLedger } from './ledger.ts';
import { type Service, service } from './service.ts';

/** @param dir keeps its configuration and its state @param env added to this process's environment; not yet started */
export async function executorService(
  dir: string,
  project: string,
  { url, passwords }: TestLedger,
  env: NodeJS.ProcessEnv = {},
): Promise<Service> {
  const configuration = join(dir, 'executor.json');
  const settings = {
    project,
    ledger: { url, password: passwords.executor },
    task_images: { '': await ensureImage('task') },
    limits: { memory_mb: 512, pids: 256, cpus: 2 },
    git: { name: 'Test', email: 'test@localhost' },
  };
  writeFileSync(configuration, JSON.stringify(settings), { mode: 0o600 });
  const own = { EXECUTOR_STATE: join(dir, 'executor'), ...env };
  return service([join(checkout, 'sandbox/src/main.ts'), configuration], own, 'ready');
}
