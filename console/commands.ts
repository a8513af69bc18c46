/** The launcher's commands as data: help and dispatch come from this table. */

import { isDeepStrictEqual } from 'node:util';
import { drill } from './backup/drill.ts';
import { backupKept } from './backup/kept.ts';
import { repin } from './backup/repin.ts';
import { restore } from './backup/restore.ts';
import { backup } from './backup/save.ts';
import { doctor } from './care/doctor.ts';
import { askModels } from './care/doctor-model.ts';
import { askAsPhone } from './care/doctor-phone.ts';
import { exportAudit } from './care/export-audit.ts';
import { logs } from './care/logs.ts';
import { status } from './care/running.ts';
import { timeline } from './care/timeline.ts';
import { uninstall } from './care/uninstall.ts';
import { upgrade } from './care/upgrade.ts';
import { audit } from './care/verify.ts';
import { attach } from './code/attach.ts';
import { output } from './code/whole-output.ts';
import { workspace, workspaceWords } from './code/workspace.ts';
import { fault } from './fault.ts';
import { alone } from './instance/alone.ts';
import { findInstance, type Instance } from './instance/instance.ts';
import { device, freeze } from './instance/operator.ts';
import { stateHome } from './instance/state.ts';
import { pair } from './people/pair.ts';
import { fitsSecret, secret, secretWords } from './people/secret.ts';
import type { Report } from './report.ts';
import { stayInForeground } from './start/foreground.ts';
import { bringUp } from './start/start.ts';
import { stop } from './start/stop.ts';
import { printUnit } from './start/systemd.ts';

/** Options by their long name, as `parseArgs` takes them; `shown` and `what` are for the help. */
export const flags = {
  detach: {
    type: 'boolean',
    short: 'd',
    shown: '-d',
    what: 'come back as soon as all is up, and leave it running',
  },
  follow: { type: 'boolean', short: 'f', shown: '-f', what: 'stay, and show what comes' },
  since: { type: 'string', shown: '--since TIME', what: 'all since then: 10m, 2h, 1d, or a date' },
  workspace: { type: 'string', shown: '--workspace NAME', what: 'of this workspace alone' },
  action: { type: 'string', shown: '--action N', what: 'about action N alone, from its tap to its result' },
  to: {
    type: 'string',
    shown: '--to RECIPIENT',
    what: 'for this age recipient (age1…), in place of a passphrase from standard input',
  },
  yes: { type: 'boolean', shown: '--yes', what: 'without asking' },
  json: { type: 'boolean', shown: '--json', what: 'one JSON object a line' },
  help: { type: 'boolean', short: 'h', shown: '--help', what: 'this text' },
} as const;
type Flag = keyof typeof flags;
export type Options = {
  [F in Flag]?: ((typeof flags)[F]['type'] extends 'boolean' ? boolean : string) | undefined;
};

export type Command = {
  /** Words after the name, for the help; none where it is absent. */
  takes?: string;
  /** Whether these are such words. */
  fits?(words: readonly string[]): boolean;
  summary: string;
  /** What it takes besides --json and --help. */
  options?: readonly Flag[];
  run(report: Report, words: readonly string[], options: Options): Promise<void> | void;
};

function started(): Instance {
  const instance = findInstance();
  if (!instance) throw fault.unavailable('Nothing was ever started here. Start with ./pocketcoder start.');
  return instance;
}

/** Takes the words of one of these lines, each a word of its own. */
const oneOf =
  (...lines: string[]) =>
  (words: readonly string[]): boolean =>
    lines.some((line) => isDeepStrictEqual(line.split(' ').filter(Boolean), words));
const oneWord = (words: readonly string[]): boolean => words.length === 1;
const aPerson = ([user, role = '', ...more]: readonly string[]): boolean =>
  user === undefined ||
  (/^@.+:.+$/.test(user) && ['reads', 'asks', 'approves', 'owner'].includes(role) && more.length === 0);

export const commands: Readonly<Record<string, Command>> = {
  start: {
    summary: 'sets up what is missing, starts everything and stays until Ctrl-C, which stops it',
    options: ['detach'],
    async run(report, _words, options) {
      const interactive = process.stdin.isTTY === true && !options.json;
      const running = await alone(stateHome(), () => bringUp(report, interactive));
      if (!options.detach) await stayInForeground(running, report);
    },
  },
  stop: {
    summary: 'stops everything; data and accounts are kept',
    run: (report) => stop(started(), report),
  },
  status: { summary: 'says what runs', run: (report) => status(started(), report) },
  doctor: {
    takes: '[phone | model]',
    fits: oneOf('', 'phone', 'model'),
    summary:
      'looks at every part, permission, port, clock, disk and key; or at what a phone reaches; or has each model call a tool, ' +
      'which costs some tokens; says what to do',
    run: (report, [what]) =>
      doctor(
        report,
        what === 'phone' ? askAsPhone(started()) : what === 'model' ? askModels(started()) : undefined,
      ),
  },
  logs: {
    takes: '[PART]',
    fits: (words) => words.length <= 1,
    summary: 'shows what the parts logged last, or one part',
    options: ['follow', 'since', 'action'],
    run: (report, [part], options) => logs(started(), report, part, options),
  },
  systemd: {
    takes: '[user] [backup | timer]',
    fits: oneOf('', 'user', 'backup', 'timer', 'user backup', 'user timer'),
    summary:
      'prints a unit for systemd that starts and stops all this, or one for your own user; or one that makes a backup, and its timer',
    run: (report, words) =>
      printUnit(
        report,
        words[0] === 'user' ? 'user' : 'system',
        words.find((word) => word !== 'user'),
      ),
  },
  pair: {
    takes: '[@USER:SERVER ROLE]',
    fits: aPerson,
    summary:
      'verifies a device and enrols it: the owner’s, or that of another person (reads, asks, approves, owner)',
    run: (report, [user, role]) => pair(started(), report, user, role),
  },
  freeze: {
    summary: 'from now on nothing is approved and nothing starts; what runs is ended',
    run: (report) => freeze(started(), report, 'frozen'),
  },
  thaw: { summary: 'takes a freeze back', run: (report) => freeze(started(), report, 'thawed') },
  device: {
    takes: 'list | enrol … | revoke …',
    fits: ([what, ...words]) =>
      (what === 'list' && words.length === 0) ||
      (what === 'revoke' && oneWord(words)) ||
      (what === 'enrol' && aPerson(words)),
    summary: 'lists the enrolled devices, enrols one (as pair does), or takes that back: revoke DEVICE',
    run: (report, [what, one, role]) =>
      what === 'enrol' ? pair(started(), report, one, role) : device(started(), report, one),
  },
  secret: {
    takes: 'list | add … | remove …',
    fits: fitsSecret,
    summary: `what hosts are shown, and tool servers have, in the agent's place; the value is asked for, or read from standard input: ${secretWords}`,
    run: (report, words) => alone(stateHome(), () => secret(started(), report, words)),
  },
  backup: {
    takes: '[FILE]',
    fits: (words) => words.length <= 1,
    summary:
      'writes all of this instance into one file, encrypted with age; without FILE as the settings have it (docs/backup.md)',
    options: ['to'],
    run: (report, [file], { to }) =>
      file === undefined ? backupKept(started(), report, to) : backup(started(), report, file, to),
  },
  restore: {
    takes: 'FILE',
    fits: oneWord,
    summary: 'brings a backup back, into a state directory that is empty',
    run: (report, [file = '']) => restore(report, file),
  },
  drill: {
    takes: '[FILE]',
    fits: (words) => words.length <= 1,
    summary:
      'tries whether a backup comes back, the newest or this one, beside what runs and without touching it',
    run: (report, [file]) => drill(started(), report, file),
  },
  repin: {
    summary: 'after the ledger alone was put back on purpose: bot and executor take it as it is, frozen',
    run: (report) => repin(started(), report),
  },
  upgrade: {
    takes: 'FILE',
    fits: oneWord,
    summary: 'after the checkout was updated: backs up into FILE, starts what is new, and audits',
    options: ['to'],
    run: (report, [file = ''], { to }) => upgrade(started(), report, file, to),
  },
  uninstall: {
    summary: 'removes this instance with all its data, once its name was typed',
    options: ['yes'],
    run: (report, _words, { yes }) => uninstall(started(), report, yes === true),
  },
  attach: {
    takes: '[WORKSPACE]',
    fits: (words) => words.length <= 1,
    summary: 'shows the terminal of what runs in a workspace, to look at',
    run: (_report, [workspace]) => attach(started(), workspace),
  },
  workspace: {
    takes: 'list | add … | export …',
    fits: () => true, // it says itself what a name may have
    summary: `a room each, with a copy of what is named; what it holds now is written out: ${workspaceWords}`,
    run: (report, words) => workspace(started(), report, words),
  },
  timeline: {
    summary:
      'prints the address of a page that shows what was asked, decided and came of it, for eight hours',
    run: (report) => timeline(started(), report),
  },
  output: {
    takes: 'NUMBER FILE',
    fits: ([number = '', ...file]) => /^#?[1-9]\d*$/.test(number) && oneWord(file),
    summary: 'writes all that an action wrote into a file, however large, and checks it',
    run: (report, [number = '', file = '']) => output(started(), report, number.replace('#', ''), file),
  },
  audit: {
    takes: '[export FILE]',
    fits: ([what, ...words]) => what === undefined || (what === 'export' && oneWord(words)),
    summary:
      "verifies the ledger's chain and every action's story; or writes it into FILE, for who has no account here (docs/audit.md)",
    options: ['since', 'workspace'],
    run(report, [, file], options) {
      if (file) return exportAudit(started(), report, file, options);
      if (options.since ?? options.workspace)
        throw fault.usage('An audit is of the whole chain: only its export takes --since or --workspace.');
      return audit(started(), report);
    },
  },
};

const commandOf = (name: string): Command | undefined =>
  Object.hasOwn(commands, name) ? commands[name] : undefined;

const table = (rows: readonly (readonly [string, string])[]): string =>
  rows.map(([left, right]) => `  ${left.padEnd(36)}${right}`).join('\n');

/** The help of one command, or of all. */
export function help(name = ''): string {
  const command = commandOf(name);
  if (!command) {
    const rows = Object.entries(commands).map(
      ([each, { takes = '', summary }]) => [`${each} ${takes}`, summary] as const,
    );
    return (
      `Usage: ./pocketcoder COMMAND [OPTION…]\n\n${table(rows)}\n\n` +
      './pocketcoder COMMAND --help says more. The state is in ~/.pocketcoder, or where POCKETCODER_HOME says.\n' +
      'Exit codes: docs/exit-codes.md'
    );
  }
  const options = [...(command.options ?? []), 'json', 'help'] as const;
  const usage = ['Usage: ./pocketcoder', name, '[OPTION…]', command.takes].filter(Boolean).join(' ');
  const rows = options.map((flag) => [flags[flag].shown, flags[flag].what] as const);
  return `${usage}\n\n${command.summary}\n\n${table(rows)}`;
}

/** Runs one command. Throws a Fault (`usage`) where there is no such one, or it takes no such words or options. */
export async function runCommand(
  report: Report,
  name: string,
  words: readonly string[],
  options: Options,
): Promise<void> {
  const command = commandOf(name);
  if (!command) throw fault.usage(`There is no command "${name}".\n\n${help()}`);
  const { takes = 'no words', fits = (all) => all.length === 0 } = command;
  if (!fits(words)) throw fault.usage(`${name} takes ${takes}. Nothing was done.\n\n${help(name)}`);
  const known: readonly string[] = ['json', ...(command.options ?? [])];
  for (const flag of Object.keys(options) as Flag[])
    if (!known.includes(flag)) throw fault.usage(`${name} takes no ${flags[flag].shown}.\n\n${help(name)}`);
  await command.run(report, words, options);
}
