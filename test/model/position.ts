/** Where a chain stands: what the rules fold it into, what it says, and the name under which equal positions are one. */
import { type Facts, factsAfter } from './facts.ts';
import { type Entry, fold, refusal, type State, sha256 } from './rules.ts';

/** What somebody wants to write: all of an entry that is theirs to say. */
export type Said = Readonly<Pick<Entry, 'author' | 'kind' | 'action' | 'body'>>;
export type Position = {
  state: State;
  /** The entries of each action. */
  stories: ReadonlyMap<string, Entry[]>;
  facts: Facts;
  /** What the ledger's clock shows, in ms, and the text of it. */
  now: number;
  at: string;
};

const hashes = new Map<string, string>();
/** Computed once a text: there are few. */
function hashOf(text: string): string {
  const known = hashes.get(text) ?? sha256(text);
  hashes.set(text, known);
  return known;
}

const moments = new Map<number, string>();
export function momentOf(now: number): string {
  const known = moments.get(now) ?? new Date(now).toISOString();
  moments.set(now, known);
  return known;
}

/** The entry that it would be, as the ledger completes it. The hash links nothing here: no judgement reads it. */
export const entryOf = ({ state, at }: Position, said: Said): Entry => ({
  ...said,
  id: said.kind === 'requested' ? said.action : '',
  seq: state.seq + 1,
  ...{ prev: '', hash: '', transcript: '' },
  at,
});

/** The entry as the real rules take it, or their code why they do not. An id is taken once, as the ledger's table has it. */
export function judged(position: Position, said: Said): Entry | string {
  const { state, stories, facts, at } = position;
  if (said.kind === 'requested' && facts.deeds.has(said.action)) return 'id';
  const entry = entryOf(position, said);
  const code = refusal(entry, {
    story: stories.get(said.action) ?? [],
    state,
    now: at,
    sha256: hashOf,
    given: (lease) => facts.grants.has(lease),
  });
  return code || entry;
}

/** A state of its own: folding works in place, on maps and on what stands in them. */
function copyOf(state: State): State {
  const copy: Record<string, unknown> = { ...state };
  for (const [name, value] of Object.entries(state))
    if (value instanceof Map) copy[name] = new Map([...value].map(([id, one]) => [id, { ...one }]));
  return copy as State;
}

function isSame(one: object, other: object | undefined): boolean {
  for (const name in one) if (one[name as never] !== other?.[name as never]) return false;
  return other !== undefined;
}

/** The state folded on, where all that did not change is the object that it was. */
function folded(before: State, entry: Entry): State {
  const state = copyOf(before);
  fold(state, entry);
  const next = state as Record<string, unknown>;
  for (const [name, was] of Object.entries(before)) {
    const map = next[name];
    if (!(was instanceof Map) || !(map instanceof Map)) continue;
    for (const [id, one] of map) if (isSame(one, was.get(id))) map.set(id, was.get(id));
    if (map.size === was.size && [...map].every(([id, one]) => one === was.get(id))) next[name] = was;
  }
  return state;
}

/** Whether the rules find the same here as there, in what stands beside an action's own story. */
export function isAlike(a: Position, b: Position): boolean {
  if (a.now !== b.now || a.facts.grants.size !== b.facts.grants.size) return false;
  for (const name in a.state)
    if (name !== 'seq' && a.state[name as keyof State] !== b.state[name as keyof State]) return false;
  return true;
}

/** The position after an entry that was taken. */
export function after(position: Position, entry: Entry): Position {
  const { stories, facts, now, at } = position;
  const state = folded(position.state, entry);
  const next = { state, stories, facts: factsAfter(facts, entry), now, at };
  if (!entry.action) return next;
  const story = [...(stories.get(entry.action) ?? []), entry];
  return { ...next, stories: new Map(stories).set(entry.action, story) };
}

/** The position when the ledger's clock shows something else. */
export const waited = (position: Position, ms: number): Position => {
  const now = position.now + ms;
  return { ...position, now, at: momentOf(now) };
};
