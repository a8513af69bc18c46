/** The launcher's commands as data: help and dispatch come from this table. */
import { backup } from './backup/backup.ts';
import { restore } from './backup/restore.ts';
import { doctor } from './care/doctor.ts';
import { doctorPhone } from './care/doctor-phone.ts';
import { logs } from './care/logs.ts';
import { status } from './care/status.ts';
import { uninstall } from './care/uninstall.ts';
import { upgrade } from './care/upgrade.ts';
import { workspace, workspaceWords } from './code/workspace.ts';
import { Fault } from './fault.ts';
import { findInstance, type Instance } from './instance/instance.ts';
import { alone } from './instance/lock.ts';
import { device, freeze, thaw } from './instance/operator.ts';
import { stateHome } from './instance/state.ts';
import { pair } from './people/pair.ts';
import type { Report } from './report.ts';
import { stayInForeground } from './start/foreground.ts';
import { runScript } from './start/script.ts';
import { bringUp } from './start/start.ts';
import { stop } from './start/stop.ts';
import { printUnit } from './start/systemd.ts';
import { runTests } from './tests.ts';

export type Options = {
  detach: boolean;
  json: boolean;
  yes: boolean;
  to: string | undefined;
  follow: boolean;
  since: string | undefined;
};
export type Command = {
  name: string;
  /** Words after the name, for the help. */
  takes: string;
  summary: string;
  options: readonly { flag: string; what: string }[];
  run(report: Report, options: Options, words: readonly string[]): Promise<void>;
};

function started(): Instance {
  const instance = findInstance();
  if (!instance)
    throw new Fault('unavailable', 'Nothing was ever started here. Start with ./pocketcoder start.');
  return instance;
}

const toRecipient = {
  flag: '--to RECIPIENT',
  what: 'for this age recipient (age1…), in place of a passphrase from standard input',
};

function oneFile(command: string, [file, ...more]: readonly string[]): string {
  if (file !== undefined && more.length === 0) return file;
  throw new Fault('usage', `${command} takes the name of one file.`);
}

function verify(report: Report, [user, role]: readonly string[]): Promise<void> {
  const roles = ['reads', 'asks', 'approves', 'owner'];
  if (user !== undefined && (!/^@.+:.+$/.test(user) || !roles.includes(role ?? '')))
    throw new Fault(
      'usage',
      'pair takes nothing, or a whole Matrix id and a role: reads, asks, approves or owner.',
    );
  return pair(started(), report, user, role);
}

export const commands: readonly Command[] = [
  {
    name: 'start',
    takes: '',
    summary: 'sets up what is missing, starts everything and stays until Ctrl-C, which stops it',
    options: [{ flag: '-d', what: 'come back as soon as all is up, and leave it running' }],
    async run(report, options) {
      const interactive = process.stdin.isTTY === true && !options.json;
      const running = await alone(stateHome(), () => bringUp(report, interactive));
      if (!options.detach) await stayInForeground(running, report);
    },
  },
  {
    name: 'stop',
    takes: '',
    summary: 'stops everything; data and accounts are kept',
    options: [],
    run: (report) => stop(started(), report),
  },
  {
    name: 'status',
    takes: '',
    summary: 'says what runs',
    options: [],
    run: (report) => status(started(), report),
  },
  {
    name: 'doctor',
    takes: '[phone]',
    summary:
      'looks at every part, permission, port, clock, disk and key, or at what a phone reaches; says what to do',
    options: [],
    run(report, _options, words) {
      if (words.length > 0 && words.join(' ') !== 'phone')
        throw new Fault('usage', 'doctor takes nothing, or the word phone.');
      return words.length > 0 ? doctorPhone(started(), report) : doctor(report);
    },
  },
  {
    name: 'logs',
    takes: '[PART]',
    summary: 'shows what the parts logged last, or one part',
    options: [
      { flag: '-f', what: 'stay, and show what comes' },
      { flag: '--since TIME', what: 'all since then: 10m, 2h, 1d, or a date' },
    ],
    run: (report, options, [part]) => logs(started(), report, part, options),
  },
  {
    name: 'systemd',
    takes: '[user]',
    summary: 'prints a unit for systemd that starts and stops all this, or one for your own user',
    options: [],
    async run(report, _options, [scope]) {
      if (scope !== undefined && scope !== 'user')
        throw new Fault('usage', 'systemd takes nothing, or the word user.');
      printUnit(report, scope ?? 'system');
    },
  },
  {
    name: 'pair',
    takes: '[@USER:SERVER ROLE]',
    summary:
      'verifies a device, by emoji or a code it scans, and enrols it: the owner’s, or that of another person (reads, asks, approves, owner)',
    options: [],
    run: (report, _options, words) => verify(report, words),
  },
  {
    name: 'freeze',
    takes: '',
    summary: 'from now on nothing is approved and nothing starts; what runs already runs on',
    options: [],
    run: (report) => freeze(started(), report),
  },
  {
    name: 'thaw',
    takes: '',
    summary: 'takes a freeze back',
    options: [],
    run: (report) => thaw(started(), report),
  },
  {
    name: 'device',
    takes: 'list | enrol | revoke …',
    summary: 'lists the enrolled devices, enrols one (as pair does), or takes that back: revoke DEVICE',
    options: [],
    run(report, _options, words) {
      if (words[0] === 'enrol') return verify(report, words.slice(1));
      const right = words[0] === 'list' ? words.length === 1 : words[0] === 'revoke' && words.length === 2;
      if (!right) throw new Fault('usage', 'device takes list, enrol, or revoke and the id of a device.');
      return device(started(), report, words);
    },
  },
  {
    name: 'backup',
    takes: 'FILE',
    summary: 'writes all of this instance into one file, encrypted with age (docs/backup.md)',
    options: [toRecipient],
    run(report, options, words) {
      return backup(started(), report, oneFile('backup', words), options.to);
    },
  },
  {
    name: 'restore',
    takes: 'FILE',
    summary: 'brings a backup back, into a state directory that is empty',
    options: [],
    run: (report, _options, words) => restore(report, oneFile('restore', words)),
  },
  {
    name: 'upgrade',
    takes: 'FILE',
    summary: 'after the checkout was updated: backs up into FILE, starts what is new, and audits',
    options: [toRecipient],
    run: (report, options, words) => upgrade(started(), report, oneFile('upgrade', words), options.to),
  },
  {
    name: 'uninstall',
    takes: '',
    summary: 'removes this instance with all its data, once its name was typed',
    options: [{ flag: '--yes', what: 'without asking' }],
    run: (report, options) => uninstall(started(), report, options.yes),
  },
  {
    name: 'workspace',
    takes: 'list | add | export …',
    summary: `a room each, with a copy of what is named; what it holds now is written out: ${workspaceWords}`,
    options: [],
    run: (report, _options, words) => workspace(started(), report, words),
  },
  {
    name: 'demo',
    takes: '',
    summary: 'plays the whole story in this terminal, with a test phone and a scripted model',
    options: [],
    run: (_report, options) => runScript('test/demo/demo.ts', options.json ? ['--json'] : []),
  },
  {
    name: 'forge',
    takes: '',
    summary: 'forges approvals in every way that a server, a token or a second login can, and says what ran',
    options: [],
    run: (_report, options) => runScript('test/forge/forge.ts', options.json ? ['--json'] : []),
  },
  {
    name: 'audit',
    takes: '',
    summary: "verifies the ledger's chain and every action's story",
    options: [],
    async run(report) {
      const { audit } = await import('./care/audit.ts');
      await audit(started(), report);
    },
  },
  {
    name: 'bench',
    takes: 'NAME',
    summary:
      "measures; NAME is tap (from the tap to the output), pair, decide (the gatekeeper's own work), cards (how many a task costs) or growth (what a long ledger costs)",
    options: [],
    run(_report, options, words) {
      const [name = ''] = words;
      if (!['tap', 'pair', 'decide', 'cards', 'growth'].includes(name))
        throw new Fault(
          'usage',
          'bench takes the name of a measurement: tap, pair, decide, cards or growth.',
        );
      return runScript(`test/bench/${name}.ts`, options.json ? ['--json'] : []);
    },
  },
  {
    name: 'mutants',
    takes: '[NN…]',
    summary: 'takes one defence after the other out of a copy: its attack test has to fail',
    options: [],
    run: (_report, _options, words) => runScript('test/mutants/run.ts', words),
  },
  {
    name: 'test',
    takes: '[FILE…]',
    summary: 'runs all tests, or the named ones',
    options: [],
    run: (_report, _options, words) => runTests(words),
  },
];

/** The help of one command, or of all. */
export function help(command?: Command): string {
  const common = [
    { flag: '--json', what: 'one JSON object a line' },
    { flag: '--help', what: 'this text' },
  ];
  const table = (rows: readonly (readonly [string, string])[]) =>
    rows.map(([left, right]) => `  ${left.padEnd(36)}${right}`).join('\n');
  if (command) {
    const usage = ['Usage: ./pocketcoder', command.name, '[OPTION…]', command.takes]
      .filter(Boolean)
      .join(' ');
    const options = table([...command.options, ...common].map(({ flag, what }) => [flag, what] as const));
    return `${usage}\n\n${command.summary}\n\n${options}`;
  }
  const rows = commands.map(({ name, takes, summary }) => [`${name} ${takes}`.trim(), summary] as const);
  return `Usage: ./pocketcoder COMMAND [OPTION…]\n\n${table(rows)}\n\n./pocketcoder COMMAND --help says more. The state is in ~/.pocketcoder, or where POCKETCODER_HOME says.\nExit codes: docs/exit-codes.md`;
}
