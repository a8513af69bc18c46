/** The policy that the person's settings describe. */
import { defaultPolicy, type Policy, type Reads, type Term } from '../../ledger/rules/policy.cjs';

/** What the settings say of them. */
export type Approvals = Partial<Pick<Term, 'form' | 'decide_within' | 'execute_within'>> & {
  /** Seconds from a card within which an approval counts as unread. */
  quick?: number;
  /** What a task's first card may lease besides; no uses for nothing. */
  reads?: Partial<Reads>;
  classes?: Record<string, Partial<Term>>;
};

/** What a task's first card leases besides, where the settings say nothing else. */
const usualReads = { uses: 100, seconds: 3600 };

/** The default policy with what the settings say for all classes, and then for each. It may be none: `policyFault` tells. */
export function policyFrom(approvals: Approvals = {}): Policy {
  const { quick: _, reads, classes = {}, ...all } = approvals;
  const policy: Record<string, Term> = {};
  for (const [risk, term] of Object.entries(defaultPolicy)) {
    const own = { ...term, ...all };
    // What is said for all classes gives the short-lived one no more time.
    if (risk === 'destructive') own.decide_within = Math.min(own.decide_within, term.decide_within);
    const leased = { ...usualReads, ...reads };
    if (risk === 'read' && leased.uses !== 0) own.reads = leased;
    policy[risk] = { ...own, ...classes[risk] };
  }
  return policy;
}
