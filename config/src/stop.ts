/** `pocketcoder stop`: all services end; data, accounts and what was built stay. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findCompose } from './compose.ts';
import { findEngine } from './engine.ts';
import type { Instance } from './instance.ts';
import { type Report, silent } from './report.ts';

/** Stops the instance's services; nothing to stop is no error. */
export async function stop(instance: Instance, report: Report): Promise<void> {
  if (existsSync(join(instance.home, 'compose.env'))) {
    const compose = await findCompose(findEngine(), instance.home);
    const all = ['brain', 'own', 'existing'].flatMap((profile) => ['--profile', profile]);
    await compose([...all, 'stop'], silent);
  }
  report.event(
    { event: 'stopped' },
    'Stopped. Data and accounts are kept; ./pocketcoder start brings it back.',
  );
}
