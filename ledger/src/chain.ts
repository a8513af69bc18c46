/** A ledger read from its entries alone: links, hashes, and that each entry was allowed where it stands. */

import { canonical } from '../rules/canonical.cjs';
import { refusal } from '../rules/judge.cjs';
import { isOver } from '../rules/lifecycle.cjs';
import { empty, fold, grantOf, type State } from '../rules/state.cjs';
import { sha256 } from './action.ts';
import { type Entry, type Head, misfit } from './entry.ts';
import { attempt } from './retry.ts';

export type Proposed = Pick<Entry, 'id' | 'author' | 'kind' | 'action' | 'body'>;
export type Wanted = Pick<Entry, 'author' | 'kind' | 'action'> & { body: object };

/** An empty chain, to feed with the entries one by one. */
export function createChain() {
  const state = empty();
  const ids = new Set<string>();
  const stories = new Map<string, Entry[]>();
  const given = new Set<string>();
  const story = (action: string): Entry[] => stories.get(action) ?? [];
  const refused = (entry: Proposed, now: string, past: boolean): string =>
    refusal(entry, {
      ...{ story: story(entry.action), state, now, sha256, past },
      given: (lease) => given.has(lease),
    });

  function wrong(entry: Entry): string {
    const unlinked = misfit(entry, state);
    if (unlinked) return unlinked;
    if (ids.has(entry.id)) return `its id ${entry.id} was used before`;
    const moment = Date.parse(entry.at);
    if (Number.isNaN(moment) || new Date(moment).toISOString() !== entry.at) return 'its time is none';
    // By what the ledger's clock said when it judged.
    const code = attempt(() => refused(entry, entry.at, true)) ?? 'it cannot be judged';
    return code && `"${entry.kind}" by ${entry.author || 'nobody'} was not allowed here: ${code}`;
  }

  return {
    /** Takes the next entry. Returns why it is wrong, and then takes nothing, or ''. */
    take(entry: Entry): string {
      const why = wrong(entry);
      if (why) return why;
      ids.add(entry.id);
      if (grantOf(entry)) given.add(entry.action);
      // What is over needs no story: nothing may follow it, and without one nothing may but a request, whose id was used.
      if (isOver(entry.kind)) stories.delete(entry.action);
      else if (entry.action) stories.set(entry.action, [...story(entry.action), entry]);
      fold(state, entry);
      return '';
    },
    /** The entries of an action that is not over. */
    story: (action: string): readonly Entry[] => story(action),
    /** The actions that are not over, oldest first. */
    open: (): string[] => [...stories.keys()],
    /** What judgements go by. To be read only; it moves on with each entry. */
    state: (): State => state,
    /** The code with which this would be refused if it were written next, or ''. @param now ISO 8601 */
    refusal: (wanted: Wanted, now: string): string =>
      refused({ ...wanted, id: '', body: canonical(wanted.body) }, now, false),
    head: (): Head => ({ seq: state.seq, hash: state.hash }),
  };
}
