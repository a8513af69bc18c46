/** What a chain says was to run, and whether anything began that its promise does not let begin. */
import { defaultPolicy } from '../../../ledger/rules/policy.cjs';
import type { Entry } from '../../../ledger/src/entry.ts';
import { factsAfter, nothing } from '../../model/facts.ts';
import { broken } from '../../model/promise.ts';
import { marksIn } from './calls.ts';

export const counted = (words: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const word of [...words].sort()) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
};

/** The marks of scripts that were let run, once each time: by an answer of their own, or by a use of what one granted. */
export function owedBy(entries: readonly Entry[]): string[] {
  const scripts = new Map<string, string>();
  for (const { kind, action, body } of entries) {
    const { kind: what, args } = (kind === 'requested' ? JSON.parse(body) : {}) as {
      kind?: string;
      args?: { script: string };
    };
    if (what === 'bash') scripts.set(action, args?.script ?? '');
  }
  const decided = entries.filter(
    ({ kind, action }) => ['approved', 'leased'].includes(kind) && scripts.has(action),
  );
  return decided.flatMap(({ action }) => marksIn(scripts.get(action) ?? ''));
}

/** The first entry that breaks the promise of docs/approvals.md, or ''. */
export function brokenIn(entries: readonly Entry[]): string {
  let facts = nothing(defaultPolicy);
  for (const entry of entries) {
    const why = broken(facts, entry);
    if (why) return `entry ${entry.seq}, ${entry.kind} of ${entry.action}: ${why}`;
    facts = factsAfter(facts, entry);
  }
  return '';
}

/** The tasks that asked for each mark, as the ledger has it. */
export function askersIn(entries: readonly Entry[]): [mark: string, task: string][] {
  return entries
    .filter(({ kind }) => kind === 'requested')
    .flatMap(({ body }) => {
      const { task, requester } = JSON.parse(body) as { task: string; requester: string };
      if (requester !== 'brain') return [];
      return marksIn(body).map((mark): [string, string] => [mark, task]);
    });
}
