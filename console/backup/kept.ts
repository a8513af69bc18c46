/** Backups as the settings have them: each a new file in one folder, of which the newest are kept. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import type { Report } from '../report.ts';
import { backup } from './save.ts';

/** Writes one, then removes the oldest of this instance's that are too many. Throws a Fault (`usage`) without such settings. */
export async function backupKept(instance: Instance, report: Report, to?: string): Promise<void> {
  const { settings, state } = instance;
  if (!settings.backup)
    throw fault.usage(
      'backup takes FILE, or backup: { folder: …, to: age1… } in pocketcoder.yaml (docs/backup.md). Nothing was done.',
    );
  const { folder, keep = 7, to: usual } = settings.backup;
  const at = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  await backup(instance, report, join(folder, `${state.project}-${at}.age`), to ?? usual);
  const its = new RegExp(`^${state.project}-\\d{4}-\\d\\d-\\d\\dT\\d\\d-\\d\\d-\\d\\d\\.age$`);
  const gone = readdirSync(folder)
    .filter((name) => its.test(name))
    .toSorted()
    .slice(0, -keep);
  for (const name of gone) rmSync(join(folder, name));
  if (gone.length > 0) report.event({ event: 'kept', gone }, `Older ones were removed: ${gone.join(', ')}.`);
}
