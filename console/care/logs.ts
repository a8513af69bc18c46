/** `pocketcoder logs`: what the services' containers wrote, readable at a terminal. Docker rotates it (docker-compose.yml). */
import { setTimeout as pause } from 'node:timers/promises';
import { named, unseen } from '../../bot/src/show/visible.ts';
import { attempt } from '../../ledger/src/retry.ts';
import { type Compose, findCompose } from '../engine/compose.ts';
import { serviceStates } from '../engine/containers.ts';
import { findEngine, requireEngine } from '../engine/engine.ts';
import { servicesOf } from '../engine/services.ts';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import type { Report } from '../report.ts';
import { momentOf } from './since.ts';

/** One line of a service: `at` is when the engine took it, `pino` what it says where the line is one of pino's. */
export type Line = { part: string; at: string; text: string; pino?: Record<string, unknown> };

const levels: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
};
/** What pino says of each line, and who would read it anyway. */
const known = ['level', 'time', 'pid', 'hostname', 'name', 'msg'];
/** A log quotes what others wrote: nothing of it may move a terminal's cursor, or look like something else. */
const hidden = new RegExp(`(?! )[${unseen}]`, 'gu');
/** A text on one line of a terminal, all of it seen. */
export const seen = (text: string): string => text.replace(hidden, named);

const short = (value: unknown): string => {
  const { message } = (value ?? {}) as { message?: unknown };
  return typeof value === 'string' ? value : typeof message === 'string' ? message : JSON.stringify(value);
};

/** A line for a person: time, part, level where it matters, message, and the rest as `key=value`. */
export function readable({ part, at, text, pino }: Line): string {
  const rest = Object.entries(pino ?? {}).filter(([key]) => !known.includes(key));
  const words = pino
    ? [levels[Number(pino['level'])], pino['msg'], ...rest.map(([key, value]) => `${key}=${short(value)}`)]
    : [text];
  return seen(`${at.slice(0, 19)}Z ${part.padEnd(10)} ${words.filter(Boolean).join(' ')}`);
}

/** A line as compose gives it: its container's name, the engine's time, and what the part wrote. Compose's own words are none. */
export function lineOf(raw: string): Line | undefined {
  const [, part, at = '', text = ''] = /^(\S+)-\d+ +\| (\S+) ?(.*)$/s.exec(raw) ?? [];
  if (part === undefined) return undefined;
  const pino = text.startsWith('{') && attempt(() => JSON.parse(text) as Record<string, unknown>);
  return { part, at, text, ...(pino && { pino }) };
}

/** Has compose tell what the parts logged; `args` are those of `docker compose logs`. */
export async function logged(
  compose: Compose,
  args: readonly string[],
  show: (line: Line) => void,
): Promise<void> {
  const progress = (raw: string) => {
    const line = lineOf(raw);
    if (line) show(line);
  };
  await compose(['logs', '--no-color', '--timestamps', ...args], { progress });
}

/** Shows what one part logs, over its restarts: compose follows a container to its end alone. */
async function follow(
  compose: Compose,
  part: string,
  from: readonly string[],
  show: (line: Line) => void,
): Promise<never> {
  for (let last = ''; ; await pause(500))
    await logged(compose, ['--follow', ...(last ? ['--since', last] : from), part], (line) => {
      if (line.at <= last) return;
      last = line.at;
      show(line);
    });
}

/** Those about the action with this number, its id in each: not every line says the number. All of them without one. */
export function linesAbout(lines: readonly Line[], number?: string): readonly Line[] {
  const ids = lines.flatMap(({ pino: { number: its, action } = {} }): unknown[] =>
    String(its) === number && action ? [action] : [],
  );
  return number === undefined ? lines : lines.filter(({ pino }) => ids.includes(pino?.['action']));
}

/** Shows the logs of one part, or of all in the order of time. Throws a Fault for a part that there is not. */
export async function logs(
  instance: Instance,
  report: Report,
  part: string | undefined,
  options: { follow?: boolean | undefined; since?: string | undefined; action?: string | undefined },
): Promise<void> {
  const all = servicesOf(instance);
  if (part !== undefined && !all.includes(part))
    throw fault.usage(`There is no part "${part}". The parts are: ${all.join(', ')}.`);
  const number = options.action?.replace('#', '');
  if (number && options.follow)
    throw fault.usage('What comes can be followed of a part, not of an action: leave -f or --action out.');
  const tail = ['--tail', number ? 'all' : '100'];
  const args = options.since === undefined ? tail : ['--since', momentOf(options.since)];
  const engine = await requireEngine(findEngine());
  if ((await serviceStates(engine.docker, instance.state.project)).size === 0)
    throw fault.unavailable('There is no container to read of. Start with ./pocketcoder start -d.');
  const show = (line: Line) => {
    const { at, text, pino } = line;
    report.event({ event: 'log', part: line.part, at, line: pino ?? text }, readable(line));
  };
  const parts = part ? [part] : all;
  const compose = await findCompose(engine, instance.home);
  if (options.follow) {
    // What is ended by a signal tells nobody, and compose would go on.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit());
    return void (await Promise.all(parts.map((one) => follow(compose, one, args, show))));
  }
  const lines: Line[] = [];
  await logged(compose, [...args, ...parts], (line) => lines.push(line));
  for (const line of linesAbout(lines, number).toSorted((a, b) => (a.at < b.at ? -1 : 1))) show(line);
}
