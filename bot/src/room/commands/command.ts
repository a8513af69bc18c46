/** What a `!` command is: what it takes, as data. Its function gets that ready, and its usage is rendered from the same. */
import type { Asked, Repository, Role } from '@pocketcoder/ledger/src/action.ts';
import { LedgerError } from '@pocketcoder/ledger/src/errors.ts';
import type { Agent } from '../../agents.ts';
import type { NarrowLedger } from '../../approval/narrow.ts';
import type { Book } from '../../approval/view.ts';
import type { Costs } from '../../brain/costs.ts';
import type { Models } from '../../brain/models.ts';
import type { Attention } from '../../desk/attention.ts';
import type { Desk } from '../../desk/desk.ts';
import { refused } from '../../desk/refusals.ts';
import type { Conversation } from '../../tasks/conversation.ts';
import type { Schedules } from '../../tasks/schedules.ts';
import type { Task } from '../../tasks/tasks.ts';
import type { DeviceNow } from '../../types.ts';
import type { Tour } from '../tour.ts';

/** The parts that commands are handed, whoever says them. */
export type CommandParts = {
  desk: Desk;
  book: Book;
  conversation: Conversation;
  models: Models;
  costs: Costs;
  /** Whom the agent may hand work to. */
  agents: readonly Agent[];
  schedules: Pick<Schedules, 'add' | 'list' | 'end' | 'now'>;
  /** One line each on the parts this bot talks to. */
  health(workspace: string): string[];
  ledger: NarrowLedger;
  attention: Attention;
  tour: Tour;
  /** Shows in that workspace's room what an action wrote. Returns what to say, or ''. */
  show(workspace: string, number: number): Promise<string>;
  /** Where a workspace came from, by https, and the secret for it. @throws Error that says why it is not reached */
  repository(workspace: string): Repository;
};
/** Those, and who says a command, and where. */
export type CommandContext = CommandParts & {
  /** The devices that the homeserver lists for a user, as the crypto library judges them. */
  devices(user: string): Promise<readonly DeviceNow[]>;
  /** Looks at a troubled room again. Returns what to say. */
  recheck(): Promise<string>;
  workspace: string;
  /** The task that it is for: that of what it replies to, else the current one. */
  task(): Task;
  /** The event that it stands in. */
  event: string;
  /** Who says it, and what they may do. */
  user: `@${string}`;
  role: Role;
};
/** What to say, or '' when the room shows it already. */
type Answer = string | Promise<string>;

export type Parameter<T> = {
  /** As usage shows it. */
  name: string;
  /** What a word stands for; undefined where it is no such thing. */
  read(word: string): T | undefined;
  optional?: true;
  /** It is all that follows, to the letter: somebody's text or a path, of which a full stop at the end may be part. */
  rest?: true;
};
type Values<P> = { [K in keyof P]: P[K] extends Parameter<infer T> ? T : never };

/** A way to say a command. */
export type Way = {
  takes: readonly Parameter<unknown>[];
  run(c: CommandContext, values: readonly unknown[]): Answer;
};
export const way = <const P extends readonly Parameter<unknown>[]>(
  takes: P,
  run: (c: CommandContext, ...values: Values<P>) => Answer,
): Way => ({ takes, run: (c, values) => run(c, ...(values as Values<P>)) });

export type Command = {
  summary: string;
  /** The first whose parameters fit is taken. */
  ways: readonly Way[];
  /** Told whole by `!help`, which names the others. */
  everyday?: true;
  /** The role it takes; any that may ask where there is none. */
  least?: Role;
  /** Done before its message counts as taken: no crash may lose it. It is repeated after one. */
  control?: true;
};

/** By their names. */
export type Commands = Readonly<Record<string, Command>>;

export const optional = <T>(of: Parameter<T>): Parameter<T | undefined> => ({ ...of, optional: true });
export const word = (name: string): Parameter<string> => ({ name, read: (text) => text });
export const rest = (name: string): Parameter<string> => ({ ...word(name), rest: true });
export const oneOf = <const T extends string>(...names: readonly T[]): Parameter<T> => ({
  name: names.join('|'),
  read: (text) => names.find((name) => name === text.toLowerCase()),
});
/** An action by its number. */
export const number: Parameter<number> = {
  name: 'N',
  read: (text) => (/^#?\d{1,9}$/.test(text) ? Number(text.replace('#', '')) : undefined),
};
/** A task by its number: without the mark of actions, so that `!stop #7` is no task's. */
export const taskNumber: Parameter<number> = {
  name: 'N',
  read: (text) => (/^\d{1,4}$/.test(text) ? Number(text) : undefined),
};
export const times: Parameter<number> = { ...taskNumber, name: 'TIMES' };
const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86400 };
/** Seconds, written as `90m`. */
export const duration: Parameter<number> = {
  name: 'TIME',
  read: (text) =>
    /^\d{1,4}[smhd]$/.test(text) ? Number.parseInt(text, 10) * (units[text.slice(-1)] ?? 0) : undefined,
};
export const person: Parameter<string> = {
  name: '@USER:SERVER',
  read: (text) => (text.startsWith('@') ? text : undefined),
};

/** How a command is written, in each of its ways. */
export const usageOf = (name: string, { ways }: Command): string =>
  ways
    .map(({ takes }) => [`!${name}`, ...takes.map((p) => (p.optional ? `[${p.name}]` : p.name))].join(' '))
    .join(', or ');

/** The values of these parameters in their order, or undefined where the text is not that. One that takes nothing takes any text. */
export function valuesIn(takes: Way['takes'], text: string, plain: string): unknown[] | undefined {
  const [first] = takes;
  if (!first) return [];
  if (first.rest) return text || first.optional ? [text || undefined] : undefined;
  const words = plain.split(/\s+/).filter(Boolean);
  const values: unknown[] = [];
  for (const { read, optional: may } of takes) {
    // What may be left out stands anywhere among the words that are left.
    const at = may ? words.findIndex((one) => read(one) !== undefined) : 0;
    const value = at < 0 ? undefined : words.splice(at, 1).map(read)[0];
    if (value === undefined && !may) return undefined;
    values.push(value);
  }
  return words.length > 0 ? undefined : values;
}

/** Asks for it by a card, in the task that it is for. The room shows the rest. */
export async function ask(c: CommandContext, what: Pick<Asked, 'kind' | 'args'>): Promise<string> {
  const { workspace, user } = c;
  const task = c.task().id;
  try {
    await c.desk.ask({ ...what, workspace, task, requester: user } as Asked);
    return '';
  } catch (error) {
    const why = error instanceof LedgerError ? refused[error.code] : undefined;
    if (!why) throw error;
    return `Not asked: ${why}.`;
  }
}
