/** `pocketcoder systemd`: a unit for this checkout and state directory, to be put where systemd looks for units. */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { checkout } from '../instance/paths.ts';
import { stateHome } from '../instance/state.ts';
import type { Report } from '../report.ts';

/** A word of a unit file: quoted, and without what systemd would fill in. systemd.syntax(7), systemd.unit(5) */
const word = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
/** The same in a command line, where a dollar sign names a variable. */
const argument = (text: string): string => word(text).replaceAll('$', '$$$$');

/** What `start` goes by, and a service would not have. */
const taken = ['DOCKER_HOST', 'POCKETCODER_BASE', 'NODE_EXTRA_CA_CERTS'];

/**
 * The containers outlive the command that starts them and are restarted by Docker, so the unit is a oneshot: it brings up
 * what is missing once Docker is there, and its stop is an orderly one.
 * @param scope a user's own units cannot name the system's: there Docker is waited for by trying again
 */
export function unitFor(scope: 'system' | 'user', env: NodeJS.ProcessEnv = process.env): string {
  const program = argument(join(checkout, 'pocketcoder'));
  const variables = [
    ['POCKETCODER_HOME', stateHome(env)] as const,
    ...taken.flatMap((name) => (env[name] ? [[name, env[name]] as const] : [])),
  ];
  const system = scope === 'system';
  return [
    '[Unit]',
    'Description=PocketCoder',
    ...(system ? ['Requires=docker.service', 'After=docker.service network-online.target'] : []),
    ...(system ? ['Wants=network-online.target'] : []),
    '',
    '[Service]',
    'Type=oneshot',
    'RemainAfterExit=yes',
    ...(system ? [`User=${userInfo().username}`] : []),
    ...variables.map(([name, value]) => `Environment=${word(`${name}=${value}`)}`),
    `ExecStart=${program} start -d`,
    `ExecStop=${program} stop`,
    '# What passes by itself is tried again; settings, rights and usage a person has to correct (docs/exit-codes.md).',
    'Restart=on-failure',
    'RestartSec=15',
    'RestartPreventExitStatus=1 64 73 77 78',
    '# The first start builds all images.',
    'TimeoutStartSec=1h',
    'TimeoutStopSec=2min',
    '',
    '[Install]',
    `WantedBy=${system ? 'multi-user.target' : 'default.target'}`,
    '',
  ].join('\n');
}

/** Prints the unit. */
export function printUnit(report: Report, scope: 'system' | 'user'): void {
  const unit = unitFor(scope);
  report.event({ event: 'unit', unit }, unit.trimEnd());
}
