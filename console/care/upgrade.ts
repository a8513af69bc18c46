/** `pocketcoder upgrade`: for a checkout that was updated. A backup first, then a start with what is new, then an audit. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { messageOf } from '../../ledger/src/retry.ts';
import { backup } from '../backup/save.ts';
import { Fault } from '../fault.ts';
import { alone } from '../instance/alone.ts';
import type { Instance } from '../instance/instance.ts';
import type { Report } from '../report.ts';
import { bringUp } from '../start/start.ts';
import { audit } from './verify.ts';

const variable = 'POCKETCODER_IMAGE_';
/** The images of the last start, by their variables. */
function imagesIn(home: string): [name: string, image: string | undefined][] {
  const path = join(home, 'compose.env');
  const all = existsSync(path) ? Object.entries(parseEnv(readFileSync(path, 'utf8'))) : [];
  return all.filter(([name]) => name.startsWith(variable));
}

/**
 * Brings a running or stopped instance to what this checkout is; data is migrated by the parts as they start. Throws a Fault
 * that names the way back.
 */
export async function upgrade(instance: Instance, report: Report, file: string, to?: string): Promise<void> {
  const { home } = instance;
  const before = new Map(imagesIn(home));
  await backup(instance, report, file, to);
  try {
    const running = await alone(home, () => bringUp(report, false));
    await audit(running.instance, report);
  } catch (error) {
    throw new Fault(
      error instanceof Fault ? error.exit : 'failed',
      `${messageOf(error)}\n\nThe upgrade did not come to its end. The state of before is in ${file}. To go back, put the checkout back as ` +
        'it was and ./pocketcoder start; if that says that the data is newer, ./pocketcoder uninstall and ./pocketcoder ' +
        `restore ${file}.`,
    );
  }
  const other = imagesIn(home).filter(([name, image]) => before.get(name) !== image);
  const changed = other.map(([name]) => name.slice(variable.length).toLowerCase());
  report.event(
    { event: 'upgraded', file, changed },
    changed.length > 0 ? `New: ${changed.join(', ')}.` : 'No part is another than before.',
  );
}
