/** What each round does, from a seed alone: which stories are told at once, and which part is killed at which moment of one. */

/** What is killed. `task` is the container of a task, `keeper` that of the snapshots. */
export const parts = ['bot', 'executor', 'ledger', 'homeserver', 'task', 'keeper'] as const;
export type Part = (typeof parts)[number];
/** `said`: before the ledger has heard of it. `snapshot`: what wrote before it is over, it is not claimed yet. */
export const moments = [
  'said',
  'requested',
  'posted',
  'approved',
  'snapshot',
  'claimed',
  'running',
  'output',
  'result',
] as const;
export type Moment = (typeof moments)[number];
/** `tap`: a command and a tap on its card. `file`: one that is sent. `lease`: a command that a lease covers. `undo`: the way back, by a card. */
export type Kind = 'tap' | 'file' | 'lease' | 'read' | 'undo';

export type Round = {
  round: number;
  part: Part;
  moment: Moment;
  /** Milliseconds from the moment to the kill. */
  delay: number;
  /** Of the action whose moment it is. */
  target: Kind;
  /** Of those that are asked for with it. */
  beside: Kind[];
};

/** Mulberry32: the same numbers from 0 to 1 for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Which kinds have that moment: what a lease covers has no card, what is put back writes no output that is told of. */
const having: Readonly<Record<Moment, readonly Kind[]>> = {
  said: ['tap', 'tap', 'file', 'lease', 'read'],
  requested: ['tap', 'tap', 'file', 'lease', 'read', 'undo'],
  posted: ['tap', 'tap', 'file', 'read', 'undo'],
  approved: ['tap', 'tap', 'file', 'lease', 'undo'],
  snapshot: ['tap', 'file', 'lease'],
  claimed: ['tap', 'tap', 'file', 'lease', 'undo'],
  running: ['tap', 'tap', 'file', 'lease', 'undo'],
  output: ['tap', 'tap', 'lease', 'read'],
  result: ['tap', 'tap', 'file', 'lease', 'undo'],
};
const companions: readonly Kind[] = ['tap', 'file', 'lease', 'read'];

/** So many rounds. Every part dies at every moment before one does so again. */
export function roundsOf(seed: number, count: number): Round[] {
  const next = random(seed);
  const of = <T>(all: readonly T[]): T => all[Math.floor(next() * all.length)] as T;
  const all = parts.flatMap((part) => moments.map((moment) => ({ part, moment })));
  let deck: typeof all = [];
  return Array.from({ length: count }, (_, i) => {
    if (deck.length === 0)
      deck = all
        .map((cell) => ({ cell, at: next() }))
        .sort((a, b) => a.at - b.at)
        .map(({ cell }) => cell);
    const { part, moment } = deck.pop() as (typeof all)[number];
    const target = of(having[moment]);
    const more =
      target === 'undo' ? [] : Array.from({ length: 1 + Math.floor(next() * 2) }, () => of(companions));
    return { round: i + 1, part, moment, delay: Math.round(next() ** 3 * 300), target, beside: more };
  });
}

/**
 * Rounds that go on at once: their stories share what runs, and no part is killed twice. A way back has the workspace for itself, for
 * else it would take away what the others wrote.
 */
export function volleysOf(rounds: readonly Round[], atOnce: number): Round[][] {
  const volleys: Round[][] = [];
  for (const round of rounds.filter(({ target }) => target !== 'undo')) {
    const isFree = (volley: Round[]) =>
      volley.length < atOnce && volley.every(({ part }) => part !== round.part);
    const room = volleys.find(isFree);
    if (room) room.push(round);
    else volleys.push([round]);
  }
  return [...volleys, ...rounds.filter(({ target }) => target === 'undo').map((round) => [round])];
}
