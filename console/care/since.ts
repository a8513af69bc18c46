/** The moment that `--since` names: one reading for every command that takes it. */
import { fault } from '../fault.ts';

const seconds = { s: 1, m: 60, h: 3600, d: 86_400 };
const date = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** The moment that `10m`, `2h`, `1d` or a date means, ISO 8601: a day alone is UTC, a time is this machine's unless it names its zone. Throws a Fault (`usage`) where it means none, or one to come. */
export function momentOf(since: string, now = Date.now()): string {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(since) ?? [];
  const ago = Number(count) * seconds[unit as keyof typeof seconds] * 1000;
  // A day that its month has not would be one of the next.
  const isDay = date.test(since) && new Date(since.slice(0, 10)).getUTCDate() === Number(since.slice(8, 10));
  const moment = unit ? now - ago : isDay ? Date.parse(since) : Number.NaN;
  if (moment >= 0 && moment <= now) return new Date(moment).toISOString();
  throw fault.usage(
    `--since takes a time such as 10m, 2h or 2026-01-31T12:00 that is over, not ${since}. Nothing was done.`,
  );
}
