/** Figures of a benchmark, beside the floor that was measured in the same run. */

export type Spread = { p50: number; p99: number };
export type Figure = {
  bench: string;
  unit: 'ms';
  n: number;
  p50: number;
  p99: number;
  floor: Spread;
  ratio: number;
};

const rank = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
const round = (x: number): number => Math.round(x * 100) / 100;

/** Nearest-rank percentiles. */
export function spread(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b);
  return { p50: round(rank(sorted, 0.5)), p99: round(rank(sorted, 0.99)) };
}

/** @param ours and `floor` in milliseconds; the ratio is of the medians */
export function figure(bench: string, ours: readonly number[], floor: readonly number[]): Figure {
  const mine = spread(ours);
  const under = spread(floor);
  return { bench, unit: 'ms', n: ours.length, ...mine, floor: under, ratio: round(mine.p50 / under.p50) };
}
