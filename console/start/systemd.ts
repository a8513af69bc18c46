/** `pocketcoder systemd`: a unit for this checkout and state directory, to be put where systemd looks for units. */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fault } from '../fault.ts';
import { checkout, filled } from '../instance/paths.ts';
import { readSettings } from '../instance/settings-file.ts';
import { stateHome } from '../instance/state.ts';
import type { Report } from '../report.ts';
import { names as proxyNames } from './proxies.ts';

/** A word of a unit file: quoted, and without what systemd would fill in. systemd.syntax(7), systemd.unit(5) */
const word = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
/** The same in a command line, where a dollar sign names a variable. */
const argument = (text: string): string => word(text).replaceAll('$', '$$$$');

const dockerFirst = `Requires=docker.service
After=docker.service network-online.target
Wants=network-online.target
`;

/** What `start` goes by, and a service would not have. */
const taken = [
  ...['DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_CONFIG', 'POCKETCODER_BASE'],
  ...['POCKETCODER_EXTRA_CA', 'SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS', ...proxyNames],
];

/**
 * Throws a Fault (`config`) for a unit of backups where the settings have none.
 *
 * The containers outlive the command that starts them and are restarted by Docker, so the unit is a oneshot: it brings up
 * what is missing once Docker is there, and its stop is an orderly one.
 * @param scope a user's own units cannot name the system's: there Docker is waited for by trying again
 * @param what `service`; or `backup`, which makes one by the settings, and `timer`, which has that done as often as they say
 */
export function unitFor(
  scope: 'system' | 'user',
  env: NodeJS.ProcessEnv = process.env,
  what = 'service',
): string {
  const system = scope === 'system';
  const home = stateHome(env);
  const backup = what === 'service' ? undefined : readSettings(home).backup;
  if (what !== 'service' && !backup)
    throw fault.config(
      `No unit was printed: ${home}/pocketcoder.yaml does not say where backups go. Write backup: { folder: …, to: age1… } into it ` +
        '(docs/backup.md), then print it again.',
    );
  const variables: NodeJS.ProcessEnv = { POCKETCODER_HOME: home };
  // Everybody may read a unit: a proxy with a password in its address is left out, however that is written.
  const isSecret = (name: string) => proxyNames.includes(name) && env[name]?.includes('@');
  for (const name of taken) if (env[name] && !isSecret(name)) variables[name] = env[name];
  const environment = Object.entries(variables).map((pair) => `Environment=${word(pair.join('='))}`);
  return filled(`systemd.${what}`, {
    every: backup?.every === 'week' ? 'weekly' : 'daily',
    program: argument(join(checkout, 'pocketcoder')),
    docker: system ? dockerFirst : '',
    environment: [...(system ? [`User=${userInfo().username}`] : []), ...environment].join('\n'),
    target: system ? 'multi-user.target' : 'default.target',
  });
}

/** Prints the unit. */
export function printUnit(report: Report, scope: 'system' | 'user', what?: string): void {
  const unit = unitFor(scope, process.env, what);
  report.event({ event: 'unit', unit }, unit.trimEnd());
}
