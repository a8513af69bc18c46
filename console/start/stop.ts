/** `pocketcoder stop`: all services end; data, accounts and what was built stay. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findCompose } from '../engine/compose.ts';
import { findEngine, unless } from '../engine/engine.ts';
import type { Instance } from '../instance/instance.ts';
import { type Report, silent } from '../report.ts';
import { unserve } from './tailnet.ts';

/** Stops the instance's services, then what runs in its tasks' containers; nothing to stop is no error. */
export async function stop(instance: Instance, report: Report): Promise<void> {
  if (existsSync(join(instance.home, 'compose.env'))) {
    const engine = findEngine();
    const { docker } = engine;
    const compose = await findCompose(engine, instance.home);
    // Those of an earlier start as well.
    const all = ['homeserver', 'homeserver-proxy', 'entrance', 'brain', 'model', 'transcription'];
    await compose([...all.flatMap((profile) => ['--profile', profile]), 'stop'], silent);
    // The tasks' containers are the executor's, which leaves them running when it ends: compose knows nothing of them.
    const label = [`org.pocketcoder=${instance.state.project}`];
    const tasks = await docker.listContainers({ filters: { label } });
    // One that ended by itself meanwhile is no failure.
    await Promise.all(tasks.map(({ Id }) => docker.getContainer(Id).stop().catch(unless(304, 404))));
    if (instance.state.reach?.way === 'tailnet') await unserve();
  }
  report.event(
    { event: 'stopped' },
    'Stopped. Data and accounts are kept; ./pocketcoder start brings it back.',
  );
}
