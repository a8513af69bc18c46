/** `pocketcoder logs`: what the services' containers wrote, readable at a terminal. Docker rotates it (docker-compose.yml). */
import { PassThrough } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import { named, unseen } from '../../bot/src/show/visible.ts';
import { serviceStates } from '../engine/containers.ts';
import { findEngine, requireEngine } from '../engine/engine.ts';
import { servicesOf } from '../engine/services.ts';
import { Fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import type { Report } from '../report.ts';

/** One line of a service: `at` is when the engine took it, `pino` what it says where the line is one of pino's. */
export type Line = { part: string; at: string; text: string; pino?: Record<string, unknown> };

type Range = { tail: number } | { since: number };

const lastLines = 100;
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

/** A line as the engine gives it, its time first. */
export function lineOf(part: string, raw: string): Line {
  const [, at = '', text = ''] = /^(\S+) ?(.*)$/s.exec(raw) ?? [];
  if (!text.startsWith('{')) return { part, at, text };
  try {
    return { part, at, text, pino: JSON.parse(text) as Record<string, unknown> };
  } catch {
    return { part, at, text };
  }
}

/** Cuts a service's two streams into lines; the engine frames them unless the container has a terminal, and none has. */
async function* linesOf(docker: Docker, part: string, stream: NodeJS.ReadableStream): AsyncGenerator<Line> {
  const both = new PassThrough();
  docker.modem.demuxStream(stream, both, both);
  stream.on('end', () => both.end()).on('error', () => both.end());
  let rest = '';
  for await (const chunk of both.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield lineOf(part, line);
  }
}

/** What one container wrote last, oldest first: so many lines, or those since a moment (seconds since 1970). */
export async function lastLinesOf(docker: Docker, part: string, id: string, range: Range): Promise<Line[]> {
  const wish = { stdout: true, stderr: true, timestamps: true, follow: false as const, ...range };
  const stream = new PassThrough();
  stream.end(await docker.getContainer(id).logs(wish));
  return Array.fromAsync(linesOf(docker, part, stream));
}

/** Seconds since 1970 of a moment that is said: `90s`, `10m`, `2h`, `1d` ago, or an ISO date. */
export function moment(text: string, now: number): number {
  const [, number, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const size = { s: 1, m: 60, h: 3600, d: 86400 }[unit];
  const date = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) / 1000 : Number.NaN;
  const at = size ? now / 1000 - Number(number) * size : date;
  if (at > 0) return Math.floor(at);
  throw new Fault(
    'usage',
    `--since takes a time such as 10m, 2h or 2026-01-31T12:00, not ${JSON.stringify(text)}.`,
  );
}

/** Shows what a service writes from there on, over its restarts, until this process is ended. */
async function follow(
  docker: Docker,
  project: string,
  name: string,
  range: Range,
  show: (line: Line) => void,
): Promise<never> {
  let last = '';
  for (let from = range; ; from = last ? { since: Math.floor(Date.parse(last) / 1000) } : range) {
    const state = (await serviceStates(docker, project)).get(name);
    const wish = { stdout: true, stderr: true, timestamps: true, follow: true as const, ...from };
    const stream = state && (await docker.getContainer(state.id).logs(wish));
    if (stream)
      for await (const line of linesOf(docker, name, stream))
        if (line.at > last) {
          last = line.at;
          show(line);
        }
    await pause(500);
  }
}

/** Shows the logs of one part, or of all in the order of time. Throws a Fault for a part that there is not. */
export async function logs(
  instance: Instance,
  report: Report,
  part: string | undefined,
  o: { follow?: boolean | undefined; since?: string | undefined },
): Promise<void> {
  const all = servicesOf(instance);
  if (part !== undefined && !all.includes(part))
    throw new Fault('usage', `There is no part "${part}". The parts are: ${all.join(', ')}.`);
  const range: Range = o.since === undefined ? { tail: lastLines } : { since: moment(o.since, Date.now()) };
  const { docker } = await requireEngine(findEngine());
  const states = await serviceStates(docker, instance.state.project);
  const containers = all
    .filter((name) => !part || name === part)
    .flatMap((name) => {
      const state = states.get(name);
      return state ? [{ name, id: state.id }] : [];
    });
  if (containers.length === 0)
    throw new Fault('unavailable', 'There is no container to read of. Start with ./pocketcoder start -d.');
  const show = (line: Line) => {
    const { at, text, pino } = line;
    report.event({ event: 'log', part: line.part, at, line: pino ?? text }, readable(line));
  };
  if (o.follow)
    return void (await Promise.all(
      containers.map(({ name }) => follow(docker, instance.state.project, name, range, show)),
    ));
  const lines = await Promise.all(containers.map(({ name, id }) => lastLinesOf(docker, name, id, range)));
  for (const line of lines.flat().sort((a, b) => (a.at < b.at ? -1 : 1))) show(line);
}
