/** Chains as they might come about: people, clocks and parts that do what they may and what they may not, in any order. */
import fc from 'fast-check';
import { effectOf, readsOf } from '../../ledger/rules/answers.cjs';
import { idOf } from '../../ledger/rules/id.cjs';
import { lifecycle, rights, stateOf } from '../../ledger/rules/lifecycle.cjs';
import { defaultPolicy, type Policy, type Term } from '../../ledger/rules/policy.cjs';
import type { State } from '../../ledger/rules/state.cjs';
import { type Action, type Asked, makeAction, newId, sha256, withReads } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { aPolicy, imported, type Person, person, type Wanted } from './ledger-chain.ts';

/** What is done, and four numbers that say how; `wait` is in seconds on the ledger's clock, which is wrong for one entry where it is below 0. */
export type Step = { move: number; a: number; b: number; c: number; d: number; wait: number };
const number = fc.noBias(fc.nat(999));
const wait = fc.oneof(
  { weight: 150, arbitrary: fc.constantFrom(0, 1, 2) },
  { weight: 8, arbitrary: fc.constantFrom(30, 300, 300, 4000) },
  { weight: 6, arbitrary: fc.constantFrom(-1, -50, -4000) },
  { weight: 2, arbitrary: fc.constantFrom(700_000, 1_300_000) },
);
export const steps = fc.array(fc.record({ move: number, a: number, b: number, c: number, d: number, wait }), {
  minLength: 130,
  maxLength: 180,
});

const of = <T>(list: readonly T[], n: number): T => list[n % list.length] as T;
const people: readonly Person[] = [
  person('owner'),
  { ...person('owner', 'TABLET'), master: 'M-owner' },
  person('ann'),
  person('bob'),
  { ...person('ann'), master: 'another' },
];
const roles = [
  undefined,
  'owner',
  'approves',
  undefined,
  'owner',
  'approves',
  undefined,
  'asks',
  'reads',
  'none',
];
const reads = { uses: 3, seconds: 500 };
const term = (over: object): Term => ({ ...(defaultPolicy['exec'] as Term), ...over });
const policies: readonly Policy[] = [
  defaultPolicy,
  { ...defaultPolicy, read: term({ reads }) },
  { ...defaultPolicy, read: term({ reads }), exec: term({ grade: 'signed' }) },
  { ...defaultPolicy, read: term({ reads }), write: term({ mode: 'ask' }) },
  { ...defaultPolicy, read: term({ reads: { uses: 2, seconds: 604_800 } }) },
  { ...defaultPolicy, exec: term({ grade: 'signed', approvers: 2 }), read: term({ mode: 'never' }) },
  { ...defaultPolicy, exec: term({ grade: 'signed', devices: 2 }), read: term({ reads }) },
  { ...defaultPolicy, exec: term({ grace: 2, decide_within: 400 }) },
  aPolicy({ grade: 'signed', mode: 'ask' }),
  aPolicy({ mode: 'never' }),
];
const bash = { kind: 'bash', args: { script: 'true', cwd: '.', env: {}, timeout: 9 } } as const;
const read = { kind: 'read_file', args: { path: 'src/a', offset: 0, limit: 10 } } as const;
const rule = { host: 'example.org', port: 443, class: 'read', path: '/' } as const;
const egress = (over: object) =>
  ({ kind: 'egress', args: { rules: [{ ...rule, ...over }], up: 9, down: 9, seconds: 9 } }) as const;
const acts = [bash, read, { kind: 'write_file', args: { path: 'b', content: '' } }] as const;

const push = (over: object) => {
  const args = { host: 'a.example', path: '/a.git', branch: 'main', commit: 'ab'.repeat(20), commits: '1\n' };
  return { kind: 'push', args: { ...args, ...over } } as const;
};

function askedBy({ a, b, c, d }: Step): Asked {
  const where = { workspace: of(['work', 'work', 'shop'], c), task: of(['one', 'one', 'two'], d) };
  const requester = of(['brain', '@owner:home', 'brain', '@ann:home', 'operator'], b) as Asked['requester'];
  const seconds = of([600, 604_800, 60], d);
  const person = of(people, b);
  const control = [
    { kind: 'lease', args: { acts: [of(acts, c)], uses: 2, seconds } },
    { kind: 'lease', args: { of: 'read_file', path: 'src', uses: 3, seconds } },
    { kind: 'plan', args: { steps: [of(acts, b), of(acts, c)], seconds } },
    { kind: 'policy', args: { policy: of(policies, c) } },
    { kind: 'role', args: { user: person.user, role: of(roles, c) ?? 'king' } },
    { kind: 'device', args: person },
    { kind: 'thaw', args: {} },
    egress({ class: of(['read', 'any', 'git-push', 'raw'], b), path: of(['/', '/a/b', '/a/../b'], c) }),
    egress({ host: of(['a.example', '127.0.0.1', 'example.org.', '0x7f.1'], b) }),
    egress({ path: '/a', class: of(['read', 'any', 'git-push'], b), secret: of(['T', 'T-1', '', '1'], c) }),
    { kind: 'plan', args: { steps: [egress({}), of(acts, c)], seconds } },
    push({
      branch: of(['main', 'a b', 'a:b', 'ä/b', ''], b),
      commit: of(['ab'.repeat(20), 'ab', 'AB'.repeat(20)], c),
    }),
    push({ host: of(['a.example', '127.0.0.1'], b), path: of(['/a', '/', '/a/../b'], c) }),
    push({ secret: of(['T', '', 'T T'], b), ssh: of(['git@a.example:a', '', 7], c) }),
    {
      kind: 'pull',
      args: { host: 'a.example', path: of(['/a', '/'], b), branch: of(['', 'main', 'a b'], c) },
    },
    { kind: 'push_look', args: { branch: of(['', 'main'], b) } },
    { kind: 'plan', args: { steps: [push({}), of(acts, c)], seconds } },
    { kind: 'list', args: { path: 'src' } },
  ];
  const what = a % 3 === 0 ? of(control, a) : of(acts, a);
  const mine = a % 3 === 0 && what.kind !== 'plan' && requester === 'brain' && c % 8 > 0;
  return { ...what, ...where, requester: mine ? '@owner:home' : requester } as Asked;
}

/** What a grant that stands was given for. */
function askedUnder(state: State, n: number): Asked {
  const { args, used, workspace, task } = of([...state.grants.values()].slice(-2), n);
  const act = args.steps?.[used] ?? args.acts?.[0] ?? read;
  return { ...act, workspace, task, requester: 'brain' } as Asked;
}

function requested(state: State, step: Step): Wanted {
  let action: Action;
  try {
    const id = step.d % 11 === 0 ? idOf('$e1', sha256) : newId();
    const asked = state.grants.size > 0 && step.d % 3 > 0 ? askedUnder(state, step.a) : askedBy(step);
    action = makeAction(asked, state.policy, step.d % 4 === 0 ? 'signed' : undefined, id);
    if (step.c % 2 === 0 && (action.requester === 'brain' || step.d % 7 === 0))
      action = withReads(action, state.policy);
  } catch {
    action = makeAction(askedBy({ ...step, a: 1 }), defaultPolicy);
  }
  const body = step.b % 29 === 0 ? { ...action, ...of([{ grade: 'plain' }, { grace: -1 }], step.c) } : action;
  return { author: 'bot', kind: 'requested', action: action.id, body };
}

/** What may come next of an action that is open, as whoever may say it would say it. */
function onward(state: State, entries: readonly Entry[], { a, b, c, d }: Step): Wanted | undefined {
  const stories = new Map<string, Entry[]>();
  for (const e of entries) if (e.action) stories.set(e.action, [...(stories.get(e.action) ?? []), e]);
  const open = [...stories.values()].filter((story) => (lifecycle[stateOf(story)] ?? []).length > 0);
  const story = of(open.slice(-4), a);
  if (!story?.[0]) return undefined;
  const request = JSON.parse(story[0].body) as Action;
  const digest = sha256(story[0].body);
  const now = stateOf(story);
  const may = [...(lifecycle[now] ?? [])];
  // Mostly what leads on; now and then what ends it.
  const on = { requested: 'posted', posted: 'approved', endorsed: 'approved', approved: 'claimed' }[now];
  let kind = b % 6 > 0 && on ? on : of(may, b);
  if (kind === 'claimed' && request.class === 'control') kind = 'applied';
  if (now === 'requested' && state.grants.size > 0 && b % 2 === 0) kind = 'leased';
  if (now === 'posted' && b % 5 === 0) kind = 'endorsed';
  if ((now === 'claimed' || now === 'running') && b % 3 === 0)
    kind = request.reads ? 'lease.granted' : 'stop';
  const here = state.people.devices;
  const who = d % 8 && here.length > 0 ? of(here, c) : of(people, c);
  const event = of(['$e1', '$e2', '$e3'], c);
  const evidence = {
    user: who.user,
    device: who.device,
    event,
    form: of(['poll', 'chip', 'poll', 'chip', 'poll', 'command'], d),
  };
  const grade = of(['signed', 'signed', 'signed', request.grade, 'plain'], d);
  const lease =
    of(c % 3 ? [...state.grants.keys()].slice(-2) : entries.slice(-30).map((e) => e.action), a) ?? 'none';
  const used = state.grants.get(lease)?.used ?? 0;
  const bodies: Record<string, object> = {
    endorsed: { digest, grade, evidence },
    approved: { digest, grade, evidence },
    leased: { digest, lease, use: used + (d % 9 ? 1 : 0) },
    applied: { ...effectOf(request, digest, story) },
    'lease.granted': { ...readsOf(request, digest, story) },
  };
  const authors = Object.keys(rights).filter((name) => rights[name]?.includes(kind));
  const author = d % 41 ? of(authors, c) : of(['bot', 'executor', 'operator', 'auditor', ''], c);
  const body = bodies[kind] ?? { digest: d % 37 ? digest : 'none' };
  return { author, kind, action: request.id, body };
}

/** What somebody wants to write next. */
export function wantedBy(step: Step, state: State, entries: readonly Entry[]): Wanted {
  const { move, a, b, c } = step;
  const who = of(people, a);
  const role = of(roles, b);
  const by = (author: string, kind: string, body: object): Wanted => ({ author, kind, body });
  const leases = entries.filter((e) => ['applied', 'lease.granted'].includes(e.kind)).map((e) => e.action);
  const beside: readonly Wanted[] = [
    by('operator', 'identity.revoked', c % 2 ? { user: who.user } : { user: who.user, device: who.device }),
    by('bot', 'identity.changed', { user: who.user }),
    by('operator', 'frozen', {}),
    by('operator', 'thawed', {}),
    by('operator', 'thawed', {}),
    by('operator', 'policy.set', { policy: of(policies, a) }),
    by('bot', 'workspace.created', { workspace: of(['work', 'shop'], a), room: of(['!a', '!b'], b) }),
    by('operator', 'workspace.imported', { workspace: of(['work', 'shop', 'Bad'], a), ...imported }),
    by('operator', 'workspace.exported', { workspace: of(['work', 'shop'], a), ...imported, form: 'patch' }),
    by('bot', 'alarm', { reason: 'x' }),
    by('auditor', 'thawed', {}),
  ];
  if (entries.length === 0) return by('operator', 'policy.set', { policy: of(policies, a) });
  if (state.frozenAt > state.thawedAt && move % 4 === 0) return by('operator', 'thawed', {});
  if (entries.length < 4 || move < 20)
    return by('operator', 'identity.enrolled', { ...who, ...(role && { role }) });
  if (move < 60) return of(beside, a);
  if (move < 95) return by('bot', 'lease.ended', { lease: of([...leases, 'none'], b) });
  if (move < 300) return requested(state, step);
  return onward(state, entries, step) ?? requested(state, step);
}
