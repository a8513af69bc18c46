/** The executor's configuration file. */
import { readFileSync } from 'node:fs';
import { messageOf } from '../../ledger/src/retry.ts';
import type { Egress, GitIdentity, Limits } from './container.ts';

export type Settings = {
  project: string;
  ledger: { url: string; password: string };
  /** Of workspaces with an image of their own, and of all others under ''. */
  task_images: Readonly<Record<string, string>>;
  limits: Limits;
  git: GitIdentity;
  /** Absent in what an older set-up wrote: no network lease can be opened then. */
  egress?: Egress;
};

/** The service cannot start. `message` says what is wrong and what to do. */
export class SettingsError extends Error {}

/** Reads and checks the file. @throws SettingsError that names the first thing that is off */
export function readSettings(path: string): Settings {
  let value: Settings;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const why = messageOf(error);
    throw new SettingsError(`cannot read ${path}: ${why}; run the set-up again`);
  }
  const { project, ledger, task_images, limits, git, egress } = value;
  const wrong = (what: string) => new SettingsError(`${path}: ${what}; run the set-up again`);
  const isText = (v: unknown) => typeof v === 'string' && v !== '';
  if (!isText(project)) throw wrong('"project" must be a name');
  if (!isText(ledger?.url) || !isText(ledger?.password))
    throw wrong('"ledger" must have "url" and "password"');
  if (!isText(task_images?.[''])) throw wrong('"task_images" must name an image');
  if (!(limits?.memory_mb >= 64)) throw wrong('"limits.memory_mb" must be at least 64');
  if (!(limits.pids >= 32)) throw wrong('"limits.pids" must be at least 32');
  if (!(limits.cpus > 0)) throw wrong('"limits.cpus" must be more than 0');
  if (!isText(git?.name) || !isText(git?.email)) throw wrong('"git" must have "name" and "email"');
  if (egress && !isText(egress.image)) throw wrong('"egress.image" must name an image');
  return { project, ledger, task_images, limits, git, ...(egress && { egress }) };
}
