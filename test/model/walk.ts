/** Walks a world: every chain that its writers can make with few things in between, fewest first, each position once. */
import { nothing } from './facts.ts';
import { keyOf } from './key.ts';
import { type Move, triesIn } from './moves.ts';
import { after, entryOf, isAlike, judged, momentOf, type Position, type Said, waited } from './position.ts';
import { broken } from './promise.ts';
import { type Entry, empty } from './rules.ts';
import type { World } from './worlds.ts';

export type Walk = {
  states: number;
  /** Entries and clock moves of the longest chain, after those that the world begins with. */
  depth: number;
  /** All chains with at most so many things in between were walked. */
  between: number;
  /** How often each kind was taken. */
  kinds: Map<string, number>;
  /** A chain that the rules took and the promise does not allow, and what it breaks. */
  broken?: { why: string; chain: readonly Entry[] } | undefined;
};

const start = Date.parse('2026-11-01T12:00:00.000Z');
const authors = ['bot', 'executor', 'operator', 'auditor'];

/** Where the world begins, by entries that the rules take as any other. */
type Root = { position: Position; chain: readonly Entry[] };
function rootOf({ name, begins, policy }: World): Root {
  let position: Position = {
    ...{ state: empty(), stories: new Map(), facts: nothing(policy) },
    ...{ now: start, at: momentOf(start) },
  };
  const chain = begins.map((said) => {
    const entry = judged(position, said);
    if (typeof entry === 'string') throw new Error(`"${name}" does not begin: ${said.kind} is ${entry}`);
    position = after(position, entry);
    return entry;
  });
  return { position, chain };
}

/** The position after these moves, or nothing where the rules do not take one of them. */
function moved(from: Position, moves: readonly Move[], onEntry: (entry: Entry) => void = () => {}) {
  let position = from;
  for (const move of moves) {
    if (!move.said) position = waited(position, move.wait * 1000);
    else {
      const entry = judged(position, move.said);
      if (typeof entry === 'string') return undefined;
      onEntry(entry);
      position = after(position, entry);
    }
  }
  return position;
}

/** The chain of these moves and of what breaks the promise after them, without those that it takes none of. */
function shortest(root: Root, moves: readonly Move[], last: Said): Walk['broken'] {
  const brokenBy = (way: readonly Move[]) => {
    const chain = [...root.chain];
    const position = moved(root.position, way, (entry) => chain.push(entry));
    const entry = position && judged(position, last);
    if (!position || !entry || typeof entry === 'string') return undefined;
    const why = broken(position.facts, entry);
    return why ? { why, chain: [...chain, entry] } : undefined;
  };
  let way = [...moves];
  for (let i = way.length - 1; i >= 0; i--) {
    const less = way.toSpliced(i, 1);
    if (brokenBy(less)) way = less;
  }
  return brokenBy(way);
}

type Open = {
  node: number;
  length: number;
  position: Position;
  /** What the rules take of each action here. */
  may: ReadonlyMap<string, readonly Move[]>;
};
const none: ReadonlyMap<string, readonly Move[]> = new Map();

/**
 * @param most how many things in between, at most; the world's own number if there is none
 * @param states as many positions, and no more
 */
export function walk(world: World, most = world.most, states = Number.POSITIVE_INFINITY): Walk {
  const root = rootOf(world);
  const tries = triesIn(world);
  const known = new Set([keyOf(root.position)]);
  const seen: Walk = { states: 0, depth: 0, between: -1, kinds: new Map() };
  // What waits for the next round is kept as its last move and the one before it, and made again when its turn comes.
  const parents = [-1];
  const lasts: (Move | undefined)[] = [undefined];
  const wayTo = (node: number): Move[] => {
    const way: Move[] = [];
    for (let at = node, last = lasts[at]; last; at = parents[at] ?? 0, last = lasts[at]) way.push(last);
    return way.reverse();
  };
  /** Those that the rules take; what one may say, all others say as well. */
  function taken(position: Position, moves: readonly Move[]): Move[] {
    const by = (said: Said) => (said.kind === 'requested' || said.kind === 'posted' ? [] : authors);
    return moves.flatMap((move): Move[] => {
      if (!move.said) return [move];
      const { said } = move;
      if (typeof judged(position, said) === 'string') return [];
      const others = by(said).filter((author) => author !== said.author);
      const more = others.map((author) => ({ ...said, author }));
      const also = more.filter((one) => typeof judged(position, one) !== 'string');
      return [move, ...also.map((one) => ({ said: one, between: move.between }))];
    });
  }
  /** What is taken of each action: as it was before, where nothing but another action moved on. */
  function takenOf(position: Position, before: Open | undefined, last: string): Open['may'] {
    const as = before && isAlike(before.position, position) ? before.may : none;
    return new Map(
      tries.actions.map(({ id, after }) => {
        const was = id === last ? undefined : as.get(id);
        return [id, was ?? taken(position, after(position.stories.get(id) ?? []))];
      }),
    );
  }

  let seeds = [0];
  for (let between = 0; seeds.length > 0 && between <= most; between++) {
    const next: number[] = [];
    for (const seed of seeds) {
      const way = wayTo(seed);
      const position = moved(root.position, way) ?? root.position;
      const open: Open[] = [
        { node: seed, length: way.length, position, may: takenOf(position, undefined, '') },
      ];
      for (let at = open.pop(); at; at = open.pop()) {
        const { node, length, position, may } = at;
        seen.depth = Math.max(seen.depth, length);
        const beside = between < most ? taken(position, tries.always) : [];
        for (const move of [...beside, ...[...may.values()].flat()]) {
          if (move.between && between === most) continue;
          if (known.size >= states) return { ...seen, states: known.size };
          const entry = move.said ? entryOf(position, move.said) : undefined;
          if (entry && move.said && broken(position.facts, entry))
            return { ...seen, states: known.size, broken: shortest(root, wayTo(node), move.said) };
          if (entry) seen.kinds.set(entry.kind, (seen.kinds.get(entry.kind) ?? 0) + 1);
          const reached = entry ? after(position, entry) : waited(position, move.said ? 0 : move.wait * 1000);
          const key = keyOf(reached);
          if (known.has(key)) continue;
          known.add(key);
          const here = parents.push(node) - 1;
          lasts.push(move);
          if (move.between) next.push(here);
          else {
            const more = takenOf(reached, at, entry?.action ?? '');
            open.push({ node: here, length: length + 1, position: reached, may: more });
          }
        }
      }
    }
    seen.between = between;
    seeds = next;
  }
  return { ...seen, states: known.size };
}
