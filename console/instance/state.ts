/** The state directory: secrets and what must stay as it was at the first start. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { writeWhole } from '../../bot/src/database.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import type { Secrets } from '../../sandbox/src/secrets.ts';
import { fault } from '../fault.ts';

/** Raised when an earlier release must not open what this one writes. 2: what was restored has to be closed first. */
export const version = 2;

/** A way in: the host that a phone asks for and, where it is an entrance of ours, what that listens on. */
export type Reached = {
  way: 'tailnet' | 'domain' | 'lan';
  host: string;
  listen?: { address: string; https: number; http: number };
};

export type State = {
  version: number;
  /** Of the compose project: from the directory's path, so that instances run side by side. */
  project: string;
  server_name: string;
  /** The owner's name, without @ and server. */
  owner: string;
  /** The bot's whole id on a homeserver that was there already; absent where the homeserver is ours. */
  bot?: string;
  ports: { homeserver: number; ledger: number };
  /** This machine's at the first start, by its IANA name: the owner's, where the settings say none. */
  timezone: string;
  /** How a phone gets here since the last start; absent where only programs of this machine do. */
  reach?: Reached;
  /** The first three numbers of the containers' addresses; chosen at the first start. */
  subnet?: string;
  passwords: {
    owner: string;
    bot: string;
    ledger: { bot: string; executor: string; operator: string; auditor: string };
    brain: string;
  };
  homeserver: { registration: string; macaroon: string; form: string };
  /** What leases of the network show to hosts, by the name that actions have for it; absent where there is none. */
  hosts?: Secrets;
  /** When the backup was made that this came from, or another ledger was taken as it is; until its first start. */
  restored?: string;
  /** True once the owner's generated password was shown. */
  shown: boolean;
};

/** Where the state is: POCKETCODER_HOME, else ~/.pocketcoder. */
export const stateHome = (env: NodeJS.ProcessEnv = process.env): string =>
  resolve(env['POCKETCODER_HOME'] || join(homedir(), '.pocketcoder'));

/** The name of the compose project of the instance in this directory, which must be there. */
export const projectOf = (home: string): string =>
  `pocketcoder-${createHash('sha256').update(realpathSync(home)).digest('hex').slice(0, 8)}`;

/** The project in which a drill of this one's puts what it restores. */
export const drillOf = (project: string): string => project.replace(/^pocketcoder-/, 'pocketcoder-drill-');

const secret = (): string => randomBytes(24).toString('base64url');
/** So many letters and digits that can't be mistaken, 5 bits each, in groups: for people to type. */
export const legible = (length: number, group: number): string =>
  Array.from(randomBytes(length), (b) => 'abcdefghjkmnpqrstuvwxyz123456789'[b & 31])
    .join('')
    .replace(new RegExp(`(.{${group}})(?=.)`, 'g'), '$1-');

/** The state that is there, or null. Throws a Fault (`config`) for one of a later release or one that can't be read. */
export function readState(home: string): State | null {
  const path = join(home, 'secrets.json');
  if (!existsSync(path)) return null;
  let state: State;
  try {
    state = JSON.parse(readFileSync(path, 'utf8')) as State;
  } catch (error) {
    throw fault.config(`${path}: ${messageOf(error)}. Nothing was started or changed.`);
  }
  if (!(state.version <= version))
    throw fault.config(
      `${path} is of version ${state.version}; this release knows versions up to ${version}. Nothing was started or ` +
        'changed: use the newer release that wrote it, or another POCKETCODER_HOME.',
    );
  return state;
}

/** Writes the state whole or not at all, readable by its owner alone. */
export function writeState(home: string, state: State): void {
  const path = join(home, 'secrets.json');
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    writeWhole(path, `${JSON.stringify(state, null, 2)}\n`);
  } catch (error) {
    throw fault.cannotCreate(
      `${path} could not be written: ${messageOf(error)}. Nothing was started: make room or set POCKETCODER_HOME.`,
    );
  }
}

/** A first state with fresh secrets; nothing is written yet. The directory must be there. */
export function newState(
  home: string,
  fixed: Pick<State, 'server_name' | 'owner' | 'bot' | 'ports' | 'timezone'>,
): State {
  return {
    version,
    project: projectOf(home),
    ...fixed,
    passwords: {
      owner: legible(12, 4),
      bot: secret(),
      ledger: { bot: secret(), executor: secret(), operator: secret(), auditor: secret() },
      brain: secret(),
    },
    homeserver: { registration: secret(), macaroon: secret(), form: secret() },
    shown: false,
  };
}
