/** What came of the rounds, in words. */
import { moments, parts } from './plan.ts';
import type { Outcome, Played } from './rounds.ts';

const counts = (all: readonly string[]): string => {
  const by = new Map<string, number>();
  for (const one of all) by.set(one, (by.get(one) ?? 0) + 1);
  return [...by].map(([one, n]) => `${one} ${n}`).join(', ');
};

/** One round: what was killed when, and what became of its stories. */
export function storyText({ plan, stories, up }: Played): string {
  const { round, part, moment, delay, target } = plan;
  const killed = up === undefined ? 'nothing to kill' : `there again after ${up.toFixed(1)} s`;
  const lines = stories.map(
    (
      s,
    ) => `  ${s.kind} ${s.mark} ${s.action}: ${s.kinds.join(' ')}${s.again ? `; said ${s.again + 1} times` : ''}
    ${s.lost || 'well'}: ${s.room.replaceAll('\n', ' / ').slice(0, 300)}`,
  );
  return [`round ${round}: ${part} ${delay} ms after ${moment} of its ${target}, ${killed}`, ...lines].join(
    '\n',
  );
}

/** Kills by moment and part, ends by kind, and the rest. */
export function tableOf({ rounds, lost, twice, audit }: Outcome): string {
  const killed = rounds.filter(({ up }) => up !== undefined);
  const row = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  const of = (moment: string, part: string) =>
    killed.filter(({ plan }) => plan.moment === moment && plan.part === part).length;
  const slowest = (part: string) =>
    Math.max(0, ...killed.filter(({ plan }) => plan.part === part).map(({ up = 0 }) => up)).toFixed(1);
  const stories = rounds.flatMap((r) => r.stories);
  const ends = counts(stories.map(({ kinds }) => kinds.at(-1) ?? 'never asked for').sort());
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  return [
    row(['killed at', ...parts, 'all']),
    row(['---', ...parts.map(() => '---'), '---']),
    ...moments.map((m) => row([m, ...parts.map((p) => of(m, p)), sum(parts.map((p) => of(m, p)))])),
    row(['slowest up, s', ...parts.map(slowest), '']),
    '',
    `${rounds.length} rounds, ${killed.length} kills, ${stories.length} actions: ${ends}`,
    `said again: ${sum(stories.map(({ again }) => again))}; lost ${lost.length}, twice ${twice.length}; the audit: ${audit || 'clean'}`,
  ].join('\n');
}
