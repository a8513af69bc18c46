/** The `!` commands, as data: the help is rendered from the same table that runs them. */

import { atLeast } from '@pocketcoder/ledger/rules/identities.cjs';
import type { Asked, Requester, Role } from '@pocketcoder/ledger/src/action.ts';
import type { NarrowLedger } from '../approval/narrow.ts';
import { unended } from '../approval/said.ts';
import type { CardStore } from '../approval/store.ts';
import type { Book } from '../approval/view.ts';
import type { Attention } from '../desk/attention.ts';
import type { Desk } from '../desk/desk.ts';
import { clock, wishes } from '../show/action.ts';
import { oneLine } from '../show/visible.ts';
import type { Conversation } from '../tasks/conversation.ts';
import type { DeviceNow } from '../types.ts';
import { controlCommands } from './control-commands.ts';
import { fileCommands } from './files.ts';
import { standsText } from './progress.ts';
import type { Tour } from './tour.ts';

export type CommandContext = {
  desk: Desk;
  book: Book;
  cards: CardStore;
  conversation: Conversation;
  /** One line each on the parts this bot talks to. */
  health(): string[];
  ledger: NarrowLedger;
  attention: Attention;
  tour: Tour;
  /** The devices that the homeserver lists for a user, as the crypto library judges them. */
  devices(user: string): Promise<readonly DeviceNow[]>;
  /** Looks at a troubled room again. Returns what to say. */
  recheck(): Promise<string>;
  workspace: string;
  /** Who says it, and what they may do. */
  user: `@${string}`;
  role: Role;
};
export type Command = {
  name: string;
  usage: string;
  summary: string;
  /** Told whole by `!help`, which names the others. */
  everyday?: true;
  /** The role it takes; any that may ask where there is none. */
  least?: Role;
  /** Done before its message counts as taken: no crash may lose it. It is repeated after one. */
  control?: true;
  /** Its arguments are somebody's text or a path, of which a full stop at the end may be part. */
  verbatim?: true;
  /** Returns what to say, or '' when the room shows it already. */
  run(args: string, c: CommandContext): Promise<string> | string;
};

const longestRun = 600;

/** What `!run` asks for: the text as it was written, in the workspace's root. */
export const runAsked = (script: string, workspace: string, task: string, requester: Requester): Asked => ({
  kind: 'bash',
  args: { script, cwd: '.', env: {}, timeout: longestRun },
  workspace,
  task,
  requester,
});

function numbered(
  args: string,
  usage: string,
  then: (n: number) => Promise<string>,
): Promise<string> | string {
  const number = /^#?(\d{1,9})$/.exec(args)?.[1];
  return number === undefined ? `Which one? ${usage}` : then(Number(number));
}

/** All workspaces, each with what waits in it. */
function workspaces({ book, workspace }: CommandContext): string {
  const lines = [...book.rooms().keys()].map((name) => {
    const count = book.unfinished().filter((p) => p.action.workspace === name).length;
    const waits = count === 0 ? 'nothing waits' : `${count} waiting or under way`;
    return `${name}${name === workspace ? ', this room' : ''}: ${waits}`;
  });
  return [
    ...lines,
    'Each is a room of its own. ./pocketcoder workspace add at the console makes another.',
  ].join('\n');
}

function pending({ book, workspace }: CommandContext): string {
  const lines = book
    .unfinished()
    .filter((p) => p.action.workspace === workspace)
    .map((p) => {
      const until = clock(new Date(p.requestedAt + p.action.decide_within * 1000), new Date());
      const stands = standsText(p, book) || `waits for you until ${until}`;
      return `#${p.number} ${wishes[p.action.kind]} · ${stands}`;
    });
  return lines.length > 0 ? lines.join('\n') : 'Nothing waits.';
}

/** Few lines on a phone: what is used every day in full, the rest by name. */
function help(args: string): string {
  const one = commands.find((c) => c.name === args.replace(/^!/, '').toLowerCase());
  if (one) return `${one.usage}: ${one.summary}`;
  const names = (some: readonly Command[]) => some.map((c) => `!${c.name}`).join(' ');
  const grouped = [...fileCommands, ...controlCommands];
  return [
    'Say to the agent what should be done, or send:',
    ...commands.filter((c) => c.everyday).map((c) => `${c.usage}: ${c.summary}`),
    `Files: ${names(fileCommands)}`,
    `Who may do what: ${names(controlCommands)}`,
    `Also: ${names(commands.filter((c) => !c.everyday && !grouped.includes(c)))}`,
    '!help COMMAND says more, such as !help lease.',
  ].join('\n');
}

export const commands: readonly Command[] = [
  {
    name: 'help',
    usage: '!help [COMMAND]',
    summary: 'this list, or more about one of them',
    everyday: true,
    run: help,
  },
  {
    name: 'run',
    usage: '!run COMMAND',
    summary: 'run a command in the sandbox, after your approval',
    everyday: true,
    verbatim: true,
    async run(args, c) {
      if (!args) return 'What should run? !run COMMAND';
      const task = c.conversation.currentTask(c.workspace);
      await c.desk.ask(runAsked(args, c.workspace, task.id, c.user));
      return '';
    },
  },
  {
    name: 'status',
    usage: '!status',
    summary: 'how every part is, and what waits',
    everyday: true,
    run: (_, c) => [...c.health(), ...c.conversation.describe(c.workspace), pending(c)].join('\n'),
  },
  {
    name: 'pending',
    usage: '!pending',
    summary: 'what waits for your answer',
    everyday: true,
    run: (_, c) => pending(c),
  },
  {
    name: 'workspaces',
    usage: '!workspaces',
    summary: 'all workspaces, and what waits in each',
    run: (_, c) => workspaces(c),
  },
  {
    name: 'poll',
    usage: '!poll N',
    summary: 'answer card N by a poll',
    run: (args, c) => numbered(args, '!poll N', (n) => c.desk.addPoll(n)),
  },
  {
    name: 'stop',
    usage: '!stop',
    summary: 'end what runs, deny what waits, interrupt the agent',
    everyday: true,
    control: true,
    async run(_, c) {
      void c.conversation.interrupt(c.workspace);
      const count = await c.desk.stop(c.workspace, c.user);
      c.tour.did(c.workspace, 'stopped');
      return count === 0 ? 'Nothing was running or waiting.' : `Stopped: ${count}.`;
    },
  },
  {
    name: 'tour',
    least: 'approves',
    usage: '!tour [off]',
    summary: 'how cards work, step by step, from the beginning',
    run(args, c) {
      if (args !== 'off') c.tour.again(c.workspace);
      else c.tour.off(c.workspace);
      return args === 'off' ? 'The tour is over; !tour begins it anew.' : '';
    },
  },
  {
    name: 'resume',
    least: 'approves',
    usage: '!resume',
    summary: 'after an alarm about this room: look again, and go on if it is as it was made',
    control: true,
    run: (_, c) => c.recheck(),
  },
  {
    name: 'new',
    usage: '!new [TITLE]',
    summary: 'start a new task: a fresh conversation and a fresh container',
    everyday: true,
    verbatim: true,
    async run(args, c) {
      await c.desk.endTask(c.workspace);
      c.conversation.newTask(c.workspace, args);
      return 'New task. What should it do?';
    },
  },
  {
    name: 'model',
    usage: '!model',
    summary: 'which model thinks',
    run: (_, c) => c.conversation.modelName(),
  },
  ...fileCommands,
  ...controlCommands,
];

function parsed(line: string): { name: string; args: string; command: Command | undefined } {
  const [, name = '', args = ''] = /^!(\S*)\s*([\s\S]*)$/.exec(line.trim()) ?? [];
  const command = commands.find((x) => x.name === name.toLowerCase());
  return { name, args: command?.verbatim ? args : unended(args, /[.,;:!?…。]/), command };
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
  const { name, args, command } = parsed(line);
  if (!command) {
    const meant = nearest(name.toLowerCase().slice(0, 20));
    const hint = meant ? `Did you mean !${meant}? ` : '';
    return `There is no !${oneLine(name, 40)}, and nothing was done. ${hint}!help lists what there is.`;
  }
  if (!atLeast(c.role, command.least ?? 'asks'))
    return `!${command.name} is for who ${command.least}; your role here is ${c.role}. Nothing was done.`;
  return command.run(args.trim(), c);
}
