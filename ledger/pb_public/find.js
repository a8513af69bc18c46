/** The two ways to go through the ledger, newest first: everything, entry by entry, or the actions that something is found by. */
import { createChain } from './chain.js';
import { entries, quoted, stories } from './ledger.js';
import { latest } from './story.js';

/** Entries that are asked for at once. */
export const pageful = 100;

/**
 * What both have: `chain`, what was looked at; `next`, which takes the next older entries and tells what they are of, which
 * actions of these are wanted, and whether there are more; `newer`, the same of entries that came since.
 */
export function everything() {
  const chain = createChain();
  const wanted = ([{ seq }]) => seq >= chain.ends().low;
  return {
    ...{ chain, nothing: 'Nothing was asked yet. What is asked appears here by itself.' },
    async next() {
      const { low } = chain.ends();
      const some = await entries(low ? `seq<${low}` : 'seq>0', { most: pageful });
      await chain.older(some);
      return { some, wanted, more: some.length === pageful };
    },
    async newer(some) {
      await chain.newer(some);
      return { some, wanted };
    },
  };
}

/** The actions that have a text in what was asked, that stand somehow, or that have a number: `#12`. */
export function found(text, state) {
  const chain = createChain();
  const number = Number(/^#(\d+)$/.exec(text)?.[1] ?? 0);
  // As it stands in a body, which is JSON. The ledger is asked for its parts without what JSON escapes.
  const inBody = JSON.stringify(text).slice(1, -1);
  const parts = number ? [] : text.split(/["\\]+/).filter(Boolean);
  const asked = ["kind='requested'", ...parts.map((part) => `body~${quoted(part)}`)].join('&&');
  const filter = state && !number ? `kind=${quoted(state)}` : asked;
  const fits = (story) => !state || latest(story).kind === state;
  const has = ([{ body }]) => number > 0 || body.toLowerCase().includes(inBody.toLowerCase());
  const wanted = (story) => fits(story) && has(story);
  const seen = new Set();
  let below = '';
  return {
    ...{ chain, nothing: 'Nothing was found.' },
    async next() {
      const how = number ? { sort: 'seq', most: 1, page: number } : { most: 30 };
      const some = await entries(filter + below, how);
      below = `&&seq<${some.at(-1)?.seq}`;
      for (const { action } of some) seen.add(action);
      const all = await stories([...new Set(some.map(({ action }) => action))]);
      await chain.alone(all);
      return { some: all, wanted, more: some.length === 30 };
    },
    async newer(some) {
      await chain.alone(some);
      return { some: some.filter(({ action }) => seen.has(action)), wanted };
    },
  };
}
