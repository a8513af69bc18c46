/** One instance: its state directory, settings and state, made at the first start and found again after. */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isTimezone } from '../../bot/src/settings.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { fault } from '../fault.ts';
import { question } from '../question.ts';
import { checkHomeserver } from './homeserver.ts';
import { choosePort } from './ports.ts';
import { holdsSecret, readSettings, type Settings } from './settings-file.ts';
import { newState, readState, type State, stateHome, writeState } from './state.ts';

export type Instance = { home: string; settings: Settings; state: State };

const usual = { server_name: 'pocketcoder.local', owner: 'owner', homeserver: 8008, ledger: 8090 };

function machineZone(): string {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return isTimezone(zone) ? zone : 'UTC';
}

async function askServerName(interactive: boolean): Promise<string> {
  if (!interactive) return usual.server_name;
  for (;;) {
    const answer = await question(
      `The homeserver's name, the part after the colon in @you:name. It can never be changed [${usual.server_name}]: `,
    );
    const name = answer || usual.server_name;
    if (/^[a-z0-9.-]+(:[0-9]+)?$/.test(name)) return name;
    console.log('Small letters, digits, dots and dashes only.');
  }
}

/** Settings may not change what accounts and data already hang on. */
function checkFixed(settings: Settings, state: State, home: string): void {
  for (const key of ['server_name', 'owner'] as const)
    if (settings[key] !== undefined && settings[key] !== state[key])
      throw fault.config(
        `${home}/pocketcoder.yaml: ${key} is "${settings[key]}", but this instance was made with "${state[key]}", which ` +
          'can never be changed. Nothing was started: put it back, or use another POCKETCODER_HOME.',
      );
  if (settings.homeserver?.bot !== state.bot)
    throw fault.config(
      `${home}/pocketcoder.yaml: homeserver.bot is "${settings.homeserver?.bot ?? 'not set'}", but this instance was made with ` +
        `${state.bot ? `"${state.bot}"` : 'a homeserver of its own'}, and its keys and rooms hang on that. Nothing was ` +
        'started: put it back, or use another POCKETCODER_HOME.',
    );
}

/** The instance of this environment as it is, without making one; null before the first start. */
export function findInstance(): Instance | null {
  const home = stateHome();
  const settings = readSettings(home);
  const state = readState(home);
  if (!state) return null;
  checkFixed(settings, state, home);
  return { home, settings, state };
}

/**
 * The instance of this environment, made when it isn't there. Ports are chosen free, then kept. A homeserver that was there
 * already is asked before anything is written.
 */
export async function openInstance(interactive: boolean): Promise<Instance> {
  const there = findInstance();
  const home = stateHome();
  const settings = there?.settings ?? readSettings(home);
  const { homeserver } = settings;
  if (homeserver) await checkHomeserver(homeserver, there?.state.passwords.bot);
  if (holdsSecret(settings)) chmodSync(join(home, 'pocketcoder.yaml'), 0o600);
  const before = there?.state ?? (await firstState(home, settings, interactive));
  const { homeserver: own, ledger } = { ...before.ports, ...settings.ports };
  const bot = homeserver?.password ?? before.passwords.bot;
  const state = { ...before, ports: { homeserver: own, ledger }, passwords: { ...before.passwords, bot } };
  return withState({ home, settings, state: before }, state);
}

/** A state with fresh secrets, written, in a directory that is made. */
async function firstState(home: string, settings: Settings, interactive: boolean): Promise<State> {
  const server_name = settings.server_name ?? (await askServerName(interactive));
  const ports = {
    homeserver: settings.ports?.homeserver ?? (await choosePort([usual.homeserver])),
    ledger: settings.ports?.ledger ?? (await choosePort([usual.ledger])),
  };
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fault.cannotCreate(`${home}: ${messageOf(error)}. Nothing was started: set POCKETCODER_HOME.`);
  }
  const bot = settings.homeserver && { bot: settings.homeserver.bot };
  const { owner = usual.owner } = settings;
  const state = newState(home, { server_name, owner, ...bot, ports, timezone: machineZone() });
  writeState(home, state);
  return state;
}

/** The instance with this state, which is written where it is another one. */
export function withState(instance: Instance, state: State): Instance {
  if (JSON.stringify(state) !== JSON.stringify(instance.state)) writeState(instance.home, state);
  return { ...instance, state };
}
