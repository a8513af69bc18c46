/** Somebody who has a whole ledger and knows how it is made: changes one thing in it, and makes right again whatever states it. */
import fc from 'fast-check';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { effectOf, readsOf } from '../../ledger/rules/answers.cjs';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { defaultPolicy } from '../../ledger/rules/policy.cjs';
import type { Action } from '../../ledger/src/action.ts';
import { newId, sha256 } from '../../ledger/src/action.ts';
import { createChain } from '../../ledger/src/chain.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { readable, relinked } from './export.ts';
import { memoryLedger, person } from './ledger-chain.ts';
import { type Step, wantedBy } from './random-chain.ts';

/** Which entry, what is done to it, and with what. */
export type Forgery = { at: number; how: number; where: number; what: number };
const number = fc.noBias(fc.nat(9999));
export const forgeries = fc.record({ at: number, how: number, where: number, what: number });

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
const of = <T>(list: readonly T[], n: number): T => list[n % list.length] as T;
const isTree = (v: Json | undefined): v is Json[] | { [key: string]: Json } =>
  typeof v === 'object' && v !== null;
/** Every place in a value, as the keys that lead there. */
const placesIn = (v: Json, path: string[] = []): string[][] =>
  isTree(v)
    ? Object.entries(v).flatMap(([key, one]) => [[...path, key], ...placesIn(one, [...path, key])])
    : [];
const found = (v: Json, path: readonly string[]): Json =>
  path.reduce<Json>((at, key) => (at as { [key: string]: Json })[key] ?? null, v);

const words =
  'x 3 none asks approves owner plain sealed signed command brain operator ask never @owner:home @ann:home @eve:home PHONE TABLET ' +
  'M-owner M-ann work shop .git/config src/.GIT/hooks/x ../a /a src/../a ./src/a src . read exec control bash egress lease read_file ' +
  'get_file write_file terminal_open';
const odd: readonly Json[] = [
  ...[null, true, false, 0, 1, -1, 2, 1.5, 3, 9, 600, 604_800, 1e9, '', [], {}, ['x'], { a: 1 }],
  ...[...words.split(' '), 'a b', '\u202e', 'a'.repeat(300)],
];

/** What one more turn makes of a value in a body. */
function turned(body: Json, other: Json, { how, where, what }: Forgery): Json {
  const value = structuredClone(body);
  const all = placesIn(value);
  if (all.length === 0 || where % 16 === 0) return { ...(value as object), more: of(odd, what) };
  const path = of(all, where);
  const [parent, key] = [found(value, path.slice(0, -1)) as { [key: string]: Json }, path.at(-1) ?? ''];
  const old = parent[key] as Json;
  const elsewhere = placesIn(other);
  const turns: (() => Json | undefined)[] = [
    () => of(odd, what),
    () => undefined,
    () => [old],
    () => (typeof old === 'number' ? old + (what % 2 ? 1 : -1) : String(old)),
    () => (Array.isArray(old) ? [...old, of(old.length ? old : odd, what)] : old),
    () => (Array.isArray(old) ? old.slice(1) : isTree(old) ? { ...old, more: of(odd, what) } : old),
    () => (elsewhere.length > 0 ? found(other, of(elsewhere, what)) : null),
    () => found(value, of(all, what)),
  ];
  const next = structuredClone(of(turns, how >> 4)()); // nothing holds itself
  if (next !== undefined) parent[key] = next;
  else if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
  return value;
}

/** What somebody else might say in between. */
const between: readonly Pick<Entry, 'author' | 'kind' | 'body'>[] = [
  ['operator', 'frozen', {}],
  ['operator', 'thawed', {}],
  ['operator', 'identity.revoked', { user: '@owner:home', device: 'PHONE' }],
  ['operator', 'identity.revoked', { user: '@owner:home', device: 'TABLET' }],
  ['bot', 'identity.changed', { user: '@ann:home' }],
  ['operator', 'identity.enrolled', { ...person('eve'), role: 'reads' }],
  ['operator', 'identity.enrolled', { ...person('ann'), role: 'asks' }],
  ['operator', 'identity.enrolled', { ...person('ann'), role: 'approves' }],
  ['operator', 'identity.enrolled', { ...person('owner'), ed25519: 'other' }],
  ['operator', 'policy.set', { policy: defaultPolicy }],
].map(([author, kind, body]) => ({ author: String(author), kind: String(kind), body: canonical(body) }));

/** Texts that are not the one that a value has, or not of a value that is an entry's. */
const spelt = (body: string): string[] => [
  ...[
    ` ${body}`,
    body.replace(':', ': '),
    body.replace(/}$/, ',"z":"\\ud800"}'),
    body.replace(/"([a-z])/, '"\\u0041$1'),
  ],
  ...[body.replace('{', '{"a":1,"a":1,'), body.replace(/}$/, ',"a":0}'), `[${body}]`, '1', 'null', '{', ''],
];

/** What others go by: half of what is changed. */
const decided = /^(requested|endorsed|approved|leased|policy|identity|role)/;

function changed(entries: readonly Entry[], f: Forgery): { forged: Entry[]; one: Entry } {
  const { how, where, what } = f;
  const places = entries.flatMap(({ kind }, i) => (f.at % 2 || decided.test(kind) ? [i] : []));
  const at = of(places, f.at >> 1);
  const [old, other] = [entries[at] as Entry, of(entries, what)];
  const fresh = (over: Partial<Entry> = {}): Entry => ({ ...old, id: newId(), transcript: '', ...over });
  const placed = (index: number, drop: number, ...put: Entry[]) => ({
    forged: entries.toSpliced(index, drop, ...put),
    one: put[0] ?? old,
  });
  const moved = (ms: number) => new Date(Date.parse(old.at) + ms).toISOString();
  switch (how % 16) {
    case 0:
      return placed(at, 1);
    case 1: {
      const then = where % entries.length;
      return placed(then, 0, fresh({ at: entries[then]?.at ?? '' }));
    }
    case 2:
      return placed(at, 1, { ...old, author: of(['bot', 'executor', 'operator', 'auditor', ''], what) });
    case 3:
      return placed(at, 1, { ...old, kind: other.kind });
    case 4:
      return placed(at, 1, { ...old, action: of([other.action, '', 'x'], where) });
    case 5: {
      const late = of([-1, 1, 700, 4000, 700_000, -4000], what) * 1000;
      const all = entries.map((e, i) =>
        i < at ? e : { ...e, at: new Date(Date.parse(e.at) + late).toISOString() },
      );
      return { forged: all, one: all[at] as Entry };
    }
    case 6:
      return placed(at, 1, {
        ...old,
        at: of([moved(1000), moved(-5000), moved(7e8), 'x', old.at.replace('Z', '')], what),
      });
    case 7:
    case 8:
      return placed(at, 0, fresh({ action: '', ...of(between, what) }));
    case 9:
      return placed(at, 1, { ...old, body: of(spelt(old.body), what) });
    default: {
      const body = turned(JSON.parse(old.body), JSON.parse(other.body), f);
      return placed(at, 1, { ...old, body: canonical(body) });
    }
  }
}

/** The chain with one thing changed: digests, effects, times of nothing else, and all hashes say the same as before. */
export function forgedBy(entries: readonly Entry[], f: Forgery): Entry[] {
  const { forged, one } = changed(entries, f);
  const stories = new Map<string, Entry[]>();
  const right = forged.map((entry, i) => {
    const story = stories.get(entry.action) ?? [];
    const next = entry === one ? entry : restated(entry, story);
    if (entry.action) stories.set(entry.action, [...story, { ...next, seq: i + 1 }]);
    return next;
  });
  return relinked(right);
}

/** What states the request before it states that one. */
function restated(entry: Entry, story: readonly Entry[]): Entry {
  try {
    const asked = story.find(({ kind }) => kind === 'requested');
    const body = JSON.parse(entry.body);
    if (!asked || typeof body.digest !== 'string') return entry;
    const action = JSON.parse(asked.body) as Action;
    const digest = sha256(asked.body);
    if (entry.kind === 'applied') return { ...entry, body: canonical(effectOf(action, digest, story)) };
    if (entry.kind === 'lease.granted') return { ...entry, body: canonical(readsOf(action, digest, story)) };
    return { ...entry, body: canonical({ ...body, digest }) };
  } catch {
    return entry;
  }
}

/** The number of the first entry that the rules refuse where it stands, with why; of the hook, which of leases refuses more than an audit does of a chain that has them. */
export async function refusedBy(entries: readonly Entry[], files: Readonly<Record<string, Buffer>> = {}) {
  const { off } = await auditLedger(readable(entries, files));
  const chain = createChain();
  for (const entry of entries.slice(0, (off?.seq ?? Number.POSITIVE_INFINITY) - 1)) {
    const why =
      entry.kind === 'leased' ? chain.refusal({ ...entry, body: JSON.parse(entry.body) }, entry.at) : '';
    if (why) return { seq: entry.seq, why };
    chain.take(entry);
  }
  return off ? { seq: off.seq, why: off.why } : { seq: 0, why: '' };
}

/** A chain as the rules take it, and the entries that they refused, each with how many stood before it. */
export function chanceChain(all: readonly Step[]) {
  const { entries, state, clock, put } = memoryLedger();
  const refused: { after: number; entry: Entry }[] = [];
  for (const step of all) {
    const right = clock.now + Math.max(0, step.wait) * 1000;
    clock.now = right + Math.min(0, step.wait) * 1000;
    const { author, kind, action = '', body: said } = wantedBy(step, state, entries);
    const isResult = ['succeeded', 'failed', 'killed'].includes(kind);
    const body = { ...said, ...(isResult && { bytes: 0, sha256: sha256(''), output: '' }) };
    const after = entries.length;
    const id = kind === 'requested' ? action : newId();
    if (put({ author, kind, action, body, id })) {
      const at = new Date(clock.now).toISOString();
      const entry = { id, author, kind, action, at, body: canonical(body), transcript: '' };
      refused.push({ after, entry: { ...entry, seq: 0, prev: '', hash: '' } });
    }
    clock.now = right;
  }
  return { entries, refused };
}
