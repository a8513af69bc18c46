/** Times, keys and policies as people read them. */
import { type Policy, risks, type Term } from '@pocketcoder/ledger/rules/policy.cjs';

const units = [
  ['d', 86400],
  ['h', 3600],
  ['min', 60],
] as const;

/** Seconds as people say them: `90 s`, `10 min`, `2 h`, `3 d`. */
export function duration(seconds: number): string {
  for (const [unit, size] of units)
    if (seconds >= size && seconds % size === 0) return `${seconds / size} ${unit}`;
  return `${seconds} s`;
}

/** How long something took, or what is left of it, as people say it: `0.4 s`, `12 s`, `3 min`, `2 h`, `4 d`. */
export function roughly(seconds: number): string {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  for (const [unit, size] of units) if (seconds >= 2 * size) return `${Math.round(seconds / size)} ${unit}`;
  return `${Math.round(seconds)} s`;
}

/** Keys as people compare them: in groups of four. */
export const fingerprint = (key: string): string => key.replace(/(.{4})(?=.)/g, '$1 ');

function termText(t: Term): string {
  if (t.mode === 'never') return 'never';
  return [
    t.mode === 'lease' ? 'asks, or a lease' : 'asks every time',
    t.grade,
    t.form,
    `decide in ${duration(t.decide_within)}`,
    `begin in ${duration(t.execute_within)}`,
    ...(t.grace > 0 ? [`wait ${duration(t.grace)} first`] : []),
    ...(t.approvers > 1 ? [`${t.approvers} people`] : []),
    ...(t.devices > 1 ? [`${t.devices} devices`] : []),
    ...(t.reads ? [`leased by a task’s first card, ${endsText(t.reads)}`] : []),
  ].join(' · ');
}

/** A policy, a line a class. */
export const policyText = (policy: Policy): string =>
  risks.flatMap((risk) => (policy[risk] ? [`${risk}: ${termText(policy[risk])}`] : [])).join('\n');

/** How often and how long a lease counts. */
export const endsText = ({ uses, seconds }: { uses: number; seconds: number }): string =>
  `${uses === 1 ? 'once' : `${uses} times at most`}, within ${duration(seconds)}`;
