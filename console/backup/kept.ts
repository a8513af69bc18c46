/** Backups as the settings have them: each a new file in one folder, of which the newest are kept. */
import { createHash } from 'node:crypto';
import { existsSync, globSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import type { Report } from '../report.ts';
import { backup } from './save.ts';

/**
 * Writes one, then removes the oldest of this instance's that are too many. Throws a Fault (`usage`) without such settings.
 * @param make what writes one
 */
export async function backupKept(
  instance: Instance,
  report: Report,
  to?: string,
  make = backup,
): Promise<void> {
  const { settings, state } = instance;
  if (!settings.backup)
    throw fault.usage(
      'backup takes FILE, or backup: { folder: …, to: age1… } in pocketcoder.yaml (docs/backup.md). Nothing was done.',
    );
  const { folder, keep = 7, to: usual } = settings.backup;
  // A project is named after a path, which an instance of another machine may have as well.
  const secret = createHash('sha256').update(state.homeserver.macaroon).digest('hex').slice(0, 8);
  const own = `${state.project}-${secret}-`;
  const made = `${own}${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.age`;
  const setting = to === undefined ? 'backup.to in pocketcoder.yaml' : '--to';
  try {
    await make(instance, report, join(folder, made), to ?? usual, setting);
  } finally {
    // It may be there although that failed: a service did not come up again, say.
    if (existsSync(join(folder, made))) {
      const its = (end: string) => globSync(`${own}????-??-??T??-??-??${end}`, { cwd: folder }).toSorted();
      const others = its('.age').filter((name) => name !== made);
      const left = its('.age.part').filter((name) => name < made); // by one that was killed; a later one is being written
      const gone = [...others.toReversed().slice(keep - 1), ...left];
      for (const name of gone) rmSync(join(folder, name));
      if (gone.length > 0)
        report.event({ event: 'kept', gone }, `Older ones were removed: ${gone.join(', ')}.`);
    }
  }
}
