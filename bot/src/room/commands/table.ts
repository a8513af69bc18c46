/** All `!` commands. The help is rendered from the same table that runs them. */
import { atLeast } from '@pocketcoder/ledger/rules/identities.cjs';
import { unended } from '../../approval/said.ts';
import { oneLine } from '../../show/visible.ts';
import { auditing } from './auditing.ts';
import {
  type Command,
  type CommandContext,
  type Commands,
  optional,
  usageOf,
  valuesIn,
  way,
  word,
} from './command.ts';
import { everyday } from './everyday.ts';
import { files } from './files.ts';
import { leasing } from './leasing.ts';
import { rights } from './rights.ts';
import { scheduling } from './scheduling.ts';
import { serving } from './serving.ts';
import { tasking } from './tasking.ts';

const help: Command = {
  summary: 'this list, or more about one of them',
  everyday: true,
  ways: [way([optional(word('COMMAND'))], (_, name = '') => helpText(name.replace(/^!/, '').toLowerCase()))],
};
const ofTasks: Commands = { ...everyday, ...tasking, ...scheduling, ...auditing };
const ofRights: Commands = { ...leasing, ...rights, ...serving };
export const commands: Commands = { help, ...ofTasks, ...files, ...ofRights };
/** What is told by name alone. */
const groups = { Files: files, 'Who may do what': ofRights, Also: ofTasks };

const told = (name: string, command: Command): string => `${usageOf(name, command)}: ${command.summary}`;
const commandOf = (name: string): Command | undefined =>
  Object.hasOwn(commands, name) ? commands[name] : undefined;

/** Few lines on a phone: what is used every day in full, the rest by name. */
function helpText(name: string): string {
  const one = commandOf(name);
  if (one) return told(name, one);
  const namesIn = (of: Commands) => Object.keys(of).filter((each) => !of[each]?.everyday);
  return [
    'Say to the agent what should be done, or send:',
    ...Object.entries(commands).flatMap(([each, c]) => (c.everyday ? [told(each, c)] : [])),
    ...Object.entries(groups).map(([title, of]) => `${title}: !${namesIn(of).join(' !')}`),
    '!help COMMAND says more about it.',
  ].join('\n');
}

function parsed(line: string) {
  const [, typed = '', text = ''] = /^!(\S*)\s*([\s\S]*)$/.exec(line.trim()) ?? [];
  const name = typed.toLowerCase();
  return { typed, name, text, command: commandOf(name) };
}

/** Whether a message is a command that has to be done before it counts as taken. */
export const isControl = (line: string): boolean => parsed(line).command?.control === true;

/** How many letters have to be put in, taken out or changed to make the one from the other (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const [changed = 0, without = 0] = row.slice(j, j + 2);
      next.push(Math.min(without + 1, (next[j] ?? 0) + 1, changed + Number(letter !== other)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** The command that somebody may have meant: one that differs in a letter or two, or begins what they wrote. */
function nearest(name: string): string | undefined {
  const most = name.length < 3 ? 1 : 2;
  const near = Object.keys(commands)
    .map((each) => ({ name: each, far: name.startsWith(each) ? 1 : distance(name, each) }))
    .filter(({ far }) => far <= most)
    .sort((a, b) => a.far - b.far || b.name.length - a.name.length);
  return near[0]?.name;
}

/** Runs a line that starts with `!`. Returns what to say. */
export async function runCommand(line: string, c: CommandContext): Promise<string> {
  const { typed, name, text, command } = parsed(line);
  if (!command) {
    const meant = nearest(name.slice(0, 20));
    const hint = meant ? `Did you mean !${meant}? ` : '';
    return `There is no !${oneLine(typed, 40)}, and nothing was done. ${hint}!help lists what there is.`;
  }
  if (!atLeast(c.role, command.least ?? 'asks'))
    return `!${name} is for who ${command.least}; your role here is ${c.role}. Nothing was done.`;
  const plain = unended(text, /[.,;:!?…。]/);
  for (const { takes, run } of command.ways) {
    const values = valuesIn(takes, text, plain);
    if (values) return run(c, values);
  }
  return `Not understood, and nothing was done. It is written ${usageOf(name, command)}.`;
}
