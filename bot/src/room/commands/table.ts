/** All `!` commands. The help is rendered from the same table that runs them. */
import { atLeast } from '@pocketcoder/ledger/rules/identities.cjs';
import { unended } from '../../approval/said.ts';
import { oneLine } from '../../show/visible.ts';
import { auditing } from './auditing.ts';
import { type Command, type CommandContext, optional, usageOf, valuesIn, way, word } from './command.ts';
import { everyday } from './everyday.ts';
import { files } from './files.ts';
import { leasing } from './leasing.ts';
import { rights } from './rights.ts';
import { scheduling } from './scheduling.ts';
import { serving } from './serving.ts';
import { tasking } from './tasking.ts';

const help: Command = {
  name: 'help',
  summary: 'this list, or more about one of them',
  everyday: true,
  ways: [way([optional(word('COMMAND'))], (_, name = '') => helpText(name.replace(/^!/, '').toLowerCase()))],
};
const ofTasks = [...everyday, ...tasking, ...scheduling, ...auditing];
const ofRights = [...leasing, ...rights, ...serving];
const groups: readonly [title: string, of: readonly Command[]][] = [
  ['Files', files],
  ['Who may do what', ofRights],
  ['Also', ofTasks.filter((c) => !c.everyday)],
];
export const commands: readonly Command[] = [help, ...ofTasks, ...files, ...ofRights];

const told = (command: Command): string => `${usageOf(command)}: ${command.summary}`;

/** Few lines on a phone: what is used every day in full, the rest by name. */
function helpText(name: string): string {
  const one = commands.find((c) => c.name === name);
  if (one) return told(one);
  return [
    'Say to the agent what should be done, or send:',
    ...commands.filter((c) => c.everyday).map(told),
    ...groups.map(([title, of]) => `${title}: ${of.map((c) => `!${c.name}`).join(' ')}`),
    '!help COMMAND says more about it.',
  ].join('\n');
}

function parsed(line: string): { name: string; text: string; command: Command | undefined } {
  const [, name = '', text = ''] = /^!(\S*)\s*([\s\S]*)$/.exec(line.trim()) ?? [];
  return { name, text, command: commands.find((c) => c.name === name.toLowerCase()) };
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
  const near = commands
    .map((c) => ({ name: c.name, far: name.startsWith(c.name) ? 1 : distance(name, c.name) }))
    .filter(({ far }) => far <= most)
    .sort((a, b) => a.far - b.far || b.name.length - a.name.length);
  return near[0]?.name;
}

/** Runs a line that starts with `!`. Returns what to say. */
export async function runCommand(line: string, c: CommandContext): Promise<string> {
  const { name, text, command } = parsed(line);
  if (!command) {
    const meant = nearest(name.toLowerCase().slice(0, 20));
    const hint = meant ? `Did you mean !${meant}? ` : '';
    return `There is no !${oneLine(name, 40)}, and nothing was done. ${hint}!help lists what there is.`;
  }
  if (!atLeast(c.role, command.least ?? 'asks'))
    return `!${command.name} is for who ${command.least}; your role here is ${c.role}. Nothing was done.`;
  const plain = unended(text, /[.,;:!?…。]/);
  for (const { takes, run } of command.ways) {
    const values = valuesIn(takes, text, plain);
    if (values) return run(c, values);
  }
  return `Not understood, and nothing was done. It is written ${usageOf(command)}.`;
}
