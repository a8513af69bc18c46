/** Builds chains in memory the way the ledger does, for tests of what judges and verifies them. */

import { canonical } from '../../ledger/rules/canonical.cjs';
import { hashed, refusal } from '../../ledger/rules/judge.cjs';
import { defaultPolicy, type Policy, type Term } from '../../ledger/rules/policy.cjs';
import { empty, fold, grantOf, type State } from '../../ledger/rules/state.cjs';
import { type Action, digestOf, makeAction, newId, sha256 } from '../../ledger/src/action.ts';
import { createChain } from '../../ledger/src/chain.ts';
import type { Entry } from '../../ledger/src/entry.ts';

export const owner = { user: '@owner:home', master: 'M', device: 'PHONE', ed25519: 'E', curve25519: 'C' };
export const start = Date.parse('2026-11-01T12:00:00.000Z');

/** The default policy with these settings in every class. */
export const aPolicy = (over: Partial<Term> = {}): Policy =>
  Object.fromEntries(Object.entries(defaultPolicy).map(([risk, term]) => [risk, { ...term, ...over }]));

export function someAction(over: Partial<Action> = {}): Action {
  const action = makeAction(
    {
      kind: 'bash',
      args: { script: 'echo hello', cwd: '.', env: {}, timeout: 60 },
      workspace: 'work',
      task: 'task',
      requester: 'brain',
    },
    aPolicy({ decide_within: 300, execute_within: 60 }),
  );
  return { ...action, ...over } as Action;
}

export type Wanted = { author: string; kind: string; action?: string; body: object; id?: string };

/**
 * A ledger in memory: `put` appends or returns the code of the refusal, `judged` is that code alone, also by another state than the
 * ledger's own; the clock is the caller's.
 */
export function memoryLedger() {
  const entries: Entry[] = [];
  const state = empty();
  const clock = { now: start };
  const entryOf = (wanted: Wanted) => ({
    id: wanted.id ?? (wanted.kind === 'requested' && wanted.action ? wanted.action : newId()),
    seq: entries.length + 1,
    prev: entries.at(-1)?.hash ?? '',
    at: new Date(clock.now).toISOString(),
    author: wanted.author,
    kind: wanted.kind,
    action: wanted.action ?? '',
    body: canonical(wanted.body),
  });
  const judged = (entry: ReturnType<typeof entryOf>, by: State): string =>
    refusal(entry, {
      story: entries.filter((e) => e.action !== '' && e.action === entry.action),
      state: by,
      now: entry.at,
      sha256,
      given: (lease) => entries.some((e) => e.action === lease && grantOf(e)),
    });
  const put = (wanted: Wanted): string => {
    const entry = entryOf(wanted);
    const code = judged(entry, state);
    if (code) return code;
    const stored = { ...entry, hash: sha256(hashed(entry)), transcript: '' };
    entries.push(stored);
    fold(state, stored);
    return '';
  };
  return { entries, state, clock, put, judged: (wanted: Wanted, by: State) => judged(entryOf(wanted), by) };
}

/** What an action goes through from its request to its result, all of it allowed. */
export function wayOf(action: Action, grade = 'sealed'): Wanted[] {
  const digest = digestOf(action);
  const evidence = { user: owner.user, device: owner.device, event: '$tap', form: 'chip' };
  const of = (author: string, kind: string, body: object = {}): Wanted => ({
    author,
    kind,
    action: action.id,
    body: { digest, ...body },
  });
  return [
    { author: 'bot', kind: 'requested', action: action.id, body: action },
    of('bot', 'posted', { room: '!room', event: '$card', form: 'chip' }),
    of('bot', 'approved', { grade, evidence }),
    of('executor', 'claimed', { executor: 'one' }),
    of('executor', 'running'),
    of('executor', 'succeeded', { exit: 0, signal: null, bytes: 3, sha256: sha256('hi\n'), output: 'hi\n' }),
  ];
}

export const enrol: Wanted = { author: 'operator', kind: 'identity.enrolled', body: owner };

/** What an import or export states of a git workspace, besides its name. */
export const imported = {
  form: 'git',
  source: 'x',
  commit: 'a'.repeat(40),
  tree: 'b'.repeat(40),
  files: 1,
  bytes: 1,
};

export type Person = typeof owner;
/** Somebody with keys of their own. */
export const person = (name: string, device = 'PHONE'): Person => ({
  user: `@${name}:home`,
  master: `M-${name}`,
  device,
  ed25519: `E-${name}-${device}`,
  curve25519: `C-${name}-${device}`,
});

/** What a control action goes through until it is in force, answered by these in turn. */
export function controlWay(action: Action, answeredBy: readonly Person[] = [owner]): Wanted[] {
  const { kind, args, workspace, task } = action;
  const of = (kind: string, body: object): Wanted => ({
    author: 'bot',
    kind,
    action: action.id,
    body: { digest: digestOf(action), ...body },
  });
  const by = answeredBy.map(({ user, device }) => ({ user, device }));
  return [
    { author: 'bot', kind: 'requested', action: action.id, body: action },
    of('posted', {}),
    ...by.map((who, i) =>
      of(i < by.length - 1 ? 'endorsed' : 'approved', {
        grade: 'signed',
        evidence: { ...who, event: `$${i}`, form: 'poll' },
      }),
    ),
    of('applied', { kind, args, workspace, task, by }),
  ];
}

/** Puts them one after the other. @returns `kind: code` of the first that was refused, or '' */
export function putAll(put: (wanted: Wanted) => string, all: readonly Wanted[]): string {
  for (const wanted of all) {
    const code = put(wanted);
    if (code) return `${wanted.kind}: ${code}`;
  }
  return '';
}

/** Judges a whole chain from its first entry. @returns its size and head hash, or the first entry that is off */
export function verifyChain(
  entries: Iterable<Entry>,
): { size: number; head: string } | { broken: { seq: number; why: string } } {
  const chain = createChain();
  for (const entry of entries) {
    const why = chain.take(entry);
    if (why) return { broken: { seq: chain.head().seq + 1, why } };
  }
  return { size: chain.head().seq, head: chain.head().hash };
}
