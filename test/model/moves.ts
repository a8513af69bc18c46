/** What may be tried where a chain stands: each writer says each thing that its rights have a word for, true and untrue. */
import type { Action } from './cast.ts';
import type { Said } from './position.ts';
import { canonical, type Entry, effectOf, lifecycle, readsOf, sha256, stateOf } from './rules.ts';
import type { World } from './worlds.ts';

/** One thing that happens: somebody writes, or the clock is moved by so many seconds. What comes in between is counted. */
export type Move = { said: Said; between: boolean } | { said?: undefined; wait: number; between: true };

/** What decides or begins: tried once after each story that has no place for it, in the way that is meant. */
const decisive = ['requested', 'endorsed', 'approved', 'leased', 'applied', 'claimed', 'lease.granted'];
/** Each ends an action; after one of them the others say nothing new. */
const ends = { denied: 'bot', void: 'operator', expired: 'executor', stop: 'bot' } as const;

const known = new Map<string, Move>();
/** One object for each thing that is said. */
function moveOf(author: string, kind: string, action: string, body: object): Move {
  const text = canonical(body);
  const key = `${author} ${kind} ${action} ${text}`;
  const move = known.get(key) ?? {
    said: { author, kind, action, body: text },
    between: action === '' || Object.hasOwn(ends, kind),
  };
  known.set(key, move);
  return move;
}

/** What anybody might state as evidence, whatever happened in the room. */
function evidence(world: World): object[] {
  const people = [...new Set(world.answer.map(({ user }) => user))];
  const event = '$1';
  const votes = world.answer.map(({ user, device }) => ({ user, device, event, form: 'poll' }));
  const [first] = world.answer;
  const command = { user: first?.user, device: first?.device, form: 'command' };
  return [
    ...votes.map((e) => ({ grade: 'signed', evidence: e })),
    ...people.map((user) => ({ grade: 'sealed', evidence: { user, event, form: 'chip' } })),
    { grade: 'plain', evidence: votes[0] },
    ...world.events.map((name) => ({ grade: 'signed', evidence: { ...command, event: name } })),
  ];
}

/** What is said of one kind: in each way that may be true, and in those that are never, which are tried once after each story. */
type Sayings = { ways: readonly Move[]; untrue: readonly Move[] };

/** What is said of an action without looking at its story, by kind. */
function sayings(world: World, honest: Action, lies: readonly object[]): Map<string, Sayings> {
  const { id } = honest;
  const digest = sha256(canonical(honest));
  const say = (author: string, kind: string, ways: readonly object[], untrue: readonly object[] = []) => {
    const of = (body: object) => moveOf(author, kind, id, body);
    return [kind, { ways: ways.map(of), untrue: untrue.map(of) }] as const;
  };
  const another = { digest: sha256(canonical({ ...honest, also: 1 })) };
  const answers = evidence(world).map((body) => ({ digest, ...body }));
  const never = [
    { ...answers[0], ...another },
    { digest, grade: 'signed', evidence: null },
  ];
  const grants = world.actions.filter(([of]) => ['lease', 'plan'].includes(of.kind) || of.reads);
  const uses = grants.flatMap(([of]) => [1, 2].map((use) => ({ digest, lease: of.id, use })));
  return new Map([
    say('bot', 'requested', [honest], lies),
    say('bot', 'posted', [{ digest }]),
    say('bot', 'endorsed', answers.slice(0, world.endorse), never),
    say('bot', 'approved', answers, never),
    say('bot', 'leased', uses, [{ digest, lease: 'none', use: 1 }]),
    say('executor', 'claimed', [{ digest }], [another]),
    ...world.onward.map((kind) => say('executor', kind, [{ digest }])),
    ...Object.entries(ends).map(([kind, author]) => say(author, kind, [{ digest }])),
  ]);
}

type Story = [request: Action, digest: string, story: Entry[]];
/** What an approval had as its effect, or gave besides, told as it was and otherwise. */
function told(kind: string, ...[request, digest, story]: Story): readonly Move[] {
  const gives = kind === 'lease.granted';
  const honest = gives ? readsOf(request, digest, story) : effectOf(request, digest, story);
  const lies = [{ by: [{ user: '@ann:home', device: 'PHONE' }] }, { task: 'two' }, { workspace: 'shop' }];
  const larger = gives ? { reads: { uses: 9, seconds: 10 } } : { args: { ...request.args, uses: 9 } };
  const author = gives ? 'executor' : 'bot';
  return [{}, ...lies, larger].map((lie) =>
    moveOf(author, kind, request.id, JSON.parse(JSON.stringify({ ...honest, ...lie }))),
  );
}

const toldOf = new Map<string, readonly Move[]>();
/** The same where the same was answered. */
function toldOnce(kind: string, ...[request, digest, story]: Story): readonly Move[] {
  const key = `${kind} ${digest} ${story.map((e) => (e.kind.endsWith('d') ? e.body : '')).join('')}`;
  const known = toldOf.get(key) ?? told(kind, request, digest, story);
  toldOf.set(key, known);
  return known;
}

/** What may be tried in a world: at any time, and of each action by its story. */
export type Tries = {
  always: readonly Move[];
  actions: readonly { id: string; after(story: Entry[]): readonly Move[] }[];
};

export function triesIn(world: World): Tries {
  const beside = world.between.map(({ author, kind, body }) => moveOf(author, kind, '', JSON.parse(body)));
  const asked = [...world.actions, ...world.covered.map((action) => [action] as const)];
  const actions = asked.map(([request, ...lies], i) => {
    const digest = sha256(canonical(request));
    const said = sayings(world, request, lies);
    if (i >= world.actions.length) said.delete('posted');
    const tried = new Set<string>();
    const after = (story: Entry[]): readonly Move[] => {
      const kinds = story.map((e) => e.kind).join(' ');
      const isNew = !tried.has(kinds);
      tried.add(kinds);
      const next = lifecycle[stateOf(story)] ?? [];
      const runs = next.includes('running') || next.includes('succeeded');
      const moves: Move[] = [];
      for (const [kind, { ways, untrue }] of said)
        if (next.includes(kind) || (kind === 'stop' && runs)) moves.push(...ways, ...(isNew ? untrue : []));
        else if (isNew && decisive.includes(kind)) moves.push(...ways.slice(0, 1));
      if (runs || isNew) moves.push(...toldOnce('lease.granted', request, digest, story));
      if (isNew || (request.class === 'control' && next.includes('applied')))
        moves.push(...toldOnce('applied', request, digest, story));
      return moves;
    };
    return { id: request.id, after };
  });
  return { always: [...beside, ...world.waits.map((wait): Move => ({ wait, between: true }))], actions };
}
