/** The executor's own reading of the ledger: every entry judged again, and every claim before it is made. */

import { canonical } from '../../ledger/rules/canonical.cjs';
import { stateOf } from '../../ledger/rules/lifecycle.cjs';
import { type Action, sha256 } from '../../ledger/src/action.ts';
import { createChain } from '../../ledger/src/chain.ts';
import type { Entry } from '../../ledger/src/client.ts';

export type Book = {
  /** Takes the next entry of the chain, in order; one that it has is left alone. Returns why the ledger had to refuse it, or ''. */
  add(entry: Entry): string;
  /** The actions that are not over, oldest first. */
  open(): string[];
  /** The kind of the action's last lifecycle entry; '' when it was never there. */
  state(action: string): string;
  story(action: string): readonly Entry[];
  /** The action as it was requested, and the digest of exactly that text. */
  request(action: string): { action: Action; digest: string; requested: Entry };
  /**
   * Why this executor may not claim the action now, or ''. Where the ledger once took an entry that it had to refuse,
   * nothing is claimed any more: `broken`.
   */
  claimRefusal(action: string, body: object, now: number): string;
};

export function makeBook(): Book {
  const chain = createChain();
  let broken = false;
  return {
    add(entry) {
      if (broken || entry.seq <= chain.head().seq) return '';
      const why = chain.take(entry);
      broken = why !== '';
      return why;
    },
    open: chain.open,
    state: (action) => stateOf([...chain.story(action)]),
    story: chain.story,
    request(action) {
      const requested = chain.story(action)[0];
      if (requested?.kind !== 'requested') throw new Error(`no open action ${action}`);
      return { action: JSON.parse(requested.body) as Action, digest: sha256(requested.body), requested };
    },
    claimRefusal(action, body, now) {
      if (broken) return 'broken';
      // The ledger's clock decides; this process may be a little behind it, and is never taken as proof of the contrary.
      const time = new Date(Math.max(now, chain.state().clock)).toISOString();
      return chain.refusal(
        { id: '', author: 'executor', kind: 'claimed', action, body: canonical(body) },
        time,
      );
    },
  };
}
