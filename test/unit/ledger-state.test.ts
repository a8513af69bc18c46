/** The folded state: what is judged by it is what the whole chain gives, and it does not grow with what is over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readsOf } from '../../ledger/rules/answers.cjs';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { overSince } from '../../ledger/rules/grants.cjs';
import { defaultPolicy, type Term } from '../../ledger/rules/policy.cjs';
import {
  grantsCountFor,
  lastingKinds,
  leasingKinds,
  type State,
  stateAfter,
} from '../../ledger/rules/state.cjs';
import { makeAction, sha256, withReads } from '../../ledger/src/action.ts';
import { createChain } from '../../ledger/src/chain.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { enrol, memoryLedger, someAction, start, type Wanted, wayOf } from '../harness/ledger-chain.ts';
import { type Step, steps, wantedBy } from '../harness/random-chain.ts';

const chains = Number(process.env['CHAINS'] ?? 60);
/** How often each kind was written, and each code given. */
const seen = new Map<string, number>();
const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);

/** Of a grant that is over a state that begins anew may know less, so that of several reasons against it another one comes first. */
const reasons = ['lease_over', 'count', 'frozen', 'not_leased'];
const isSame = (anew: string, code: string): boolean =>
  anew === code || (reasons.includes(anew) && reasons.includes(code));
const isRecent = ({ at }: { at: string }, latest: number) => Date.parse(at) >= latest - grantsCountFor;

/** Folded from what the hook reads when it begins: the head and the latest clock, what lasts, and what came of leases from one on. */
function folded(entries: readonly Entry[], { seq, hash, clock }: State, from: number): State {
  const counts = ({ kind, seq }: Entry) =>
    lastingKinds.includes(kind) || (leasingKinds.includes(kind) && seq >= from);
  return { ...stateAfter(entries.filter(counts)), seq, hash, clock };
}
/** A machine that begins leaves out what came of old leases: those are over for every judgement that is not refused anyway. */
const beginning = (entries: readonly Entry[], { clock, seq }: State): number =>
  entries.find((e) => ['applied', 'lease.granted'].includes(e.kind) && isRecent(e, clock))?.seq ?? seq;

function play(all: readonly Step[]): void {
  const ledger = memoryLedger();
  const { entries, state, clock } = ledger;
  for (const step of all) {
    const right = clock.now + Math.max(0, step.wait) * 1000;
    clock.now = right + Math.min(0, step.wait) * 1000;
    const wanted = wantedBy(step, state, entries);
    const anew = ledger.judged(wanted, folded(entries, state, beginning(entries, state)));
    const whole = ledger.judged(wanted, folded(entries, state, 0));
    const code = ledger.put(wanted);
    const at = `entry ${entries.length + 1}, ${wanted.kind}`;
    assert.equal(whole, code, at);
    assert.ok(isSame(anew, code), `${at}: "${anew}" was "${code}"`);
    count(code ? `${wanted.kind}: ${code}` : wanted.kind);
    if (anew !== code) count('another reason');
    clock.now = right;
  }
  count('chains');
  count(entries.length >= 60 ? 'chains of 60 and more' : 'shorter chains');
  const { clock: latest, grants } = state;
  assert.deepEqual(folded(entries, state, 0), state);
  const from = beginning(entries, state);
  const cold = folded(entries, state, from);
  const recent = (all: State['grants']) => [...all.values()].filter((grant) => isRecent(grant, latest));
  assert.deepEqual(recent(cold.grants), recent(grants));
  assert.deepEqual({ ...cold, grants }, state);
  for (const old of [...cold.grants.values()].filter((grant) => !isRecent(grant, latest)))
    assert.equal(overSince(old, cold, new Date(latest).toISOString()), 'lease_over');
  if (entries.some((e) => leasingKinds.includes(e.kind) && e.seq < from)) count('leases left out');
  const chain = createChain();
  for (const entry of entries) assert.equal(chain.take(entry), '');
  assert.deepEqual(chain.state(), state);
}

test('every entry is judged alike by the state that was there all along, one folded from the whole chain, and one that begins with what is recent', () => {
  fc.assert(fc.property(steps, play), { numRuns: chains, endOnFailure: true });
  if (process.env['CHAINS']) console.log(Object.fromEntries([...seen].sort()));
  const written = [
    'approved',
    'claimed',
    'leased',
    'applied',
    'lease.granted',
    'lease.ended',
    'frozen',
    'leases left out',
  ];
  for (const kind of written) assert.ok(seen.get(kind), `no chain has ${kind}`);
});

const alarm: Wanted = { author: 'bot', kind: 'alarm', body: { reason: 'x' } };

test('attack-56 a clock that went back stays back, whatever is written by it, until it is where it was', () => {
  for (const kind of ['approved', 'claimed']) {
    const ledger = memoryLedger();
    const way = wayOf(someAction());
    const at = way.findIndex((wanted) => wanted.kind === kind);
    for (const wanted of [enrol, ...way.slice(0, at)]) assert.equal(ledger.put(wanted), '');
    ledger.clock.now = start - 1000;
    assert.equal(ledger.put(alarm), '');
    assert.equal(ledger.put(way[at] as Wanted), 'clock_back', kind);
    ledger.clock.now = start;
    for (const wanted of way.slice(at)) assert.equal(ledger.put(wanted), '', 'the genuine clock');
  }
});

test('attack-55 what is over leaves the state: leases that were ended, and those whose time was over long ago', () => {
  const reads = { uses: 2, seconds: 60 };
  const policy = { ...defaultPolicy, read: { ...(defaultPolicy['read'] as Term), reads } };
  const ledger = memoryLedger();
  const put = (wanted: Wanted) => assert.equal(ledger.put(wanted), '', wanted.kind);
  put({ author: 'operator', kind: 'policy.set', body: { policy } });
  put(enrol);
  const chain = createChain();
  const { kind, args, workspace, task, requester } = someAction();
  for (let i = 0; i < 300; i++) {
    const asked = makeAction(
      { kind, args, workspace, task, requester } as Parameters<typeof makeAction>[0],
      policy,
    );
    const action = withReads(asked, policy);
    const way = wayOf(action);
    way.slice(0, 4).forEach(put);
    const digest = sha256(canonical(action));
    const story = ledger.entries.filter((e) => e.action === action.id);
    put({
      author: 'executor',
      kind: 'lease.granted',
      action: action.id,
      body: readsOf(action, digest, story),
    });
    way.slice(4).forEach(put);
    if (i % 2 === 0) put({ author: 'bot', kind: 'lease.ended', body: { lease: action.id } });
    ledger.clock.now += 86_400_000;
  }
  for (const entry of ledger.entries) assert.equal(chain.take(entry), '');
  assert.equal(ledger.entries.filter((e) => e.kind === 'lease.granted').length, 300);
  assert.ok(chain.state().grants.size <= 8, 'those of the last fourteen days that nobody ended');
  assert.ok(chain.state().grants.size >= 6);
  assert.deepEqual(chain.open(), []);
});
