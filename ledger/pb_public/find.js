/** The two ways to go through the ledger, newest first: everything, entry by entry, or the actions that something is found by. */
import { createChain } from './chain.js';
import { entries, quoted, stories } from './ledger.js';
import { latest } from './story.js';

/** Entries that are asked for at once. */
export const pageful = 100;

/** What an address names: an action as cards have it, `#12`, or an entry by its number, `#/8`. */
export const addressed = /^#\/?[1-9]\d{0,11}$/;

/** The story of the action that it names or that its entry is of, else that entry alone; nothing where there is none. */
async function storyAt(named) {
  const number = Number(/\d+/.exec(named));
  const [entry] = named.startsWith('#/')
    ? await entries(`seq=${number}`, { most: 1 })
    : await entries("kind='requested'", { sort: 'seq', most: 1, page: number });
  return entry?.action ? stories([entry.action]) : [entry].filter(Boolean);
}

/**
 * What both have: `title` and what is said of `nothing`; `chain`, what was looked at; `next`, which takes the next older entries and tells what they are of, which
 * actions of these are wanted, and whether there are more; `newer`, the same of entries that came since.
 */
/** @param from the place where it begins, where it doesn't at the newest; what is newer than its first card is not shown then */
export function everything(from) {
  const chain = createChain();
  let top = Number.MAX_SAFE_INTEGER;
  const wanted = ([{ seq }]) => seq >= chain.ends().low && seq <= top;
  return {
    chain,
    title: from ? `From ${from.replace('#/', 'entry ')} on, newest first` : 'Newest first',
    nothing: from
      ? 'The ledger has no such entry.'
      : 'Nothing was asked yet. What is asked appears here by itself.',
    async next() {
      const { low } = chain.ends();
      const story = from && !low ? await storyAt(from) : [];
      if (from && !low) top = story[0]?.seq ?? 0;
      const some = await entries(low ? `seq<${low}` : `seq<=${top}`, { most: pageful });
      await chain.alone(story);
      await chain.older(some);
      return { some: [...some, ...story.slice(1)], wanted, more: some.length === pageful };
    },
    async newer(some) {
      await (from ? chain.alone(some) : chain.newer(some));
      return { some: some.filter(({ action }) => action || !from), wanted };
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
    ...{ chain, title: 'Found, newest first', nothing: 'Nothing was found.' },
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
