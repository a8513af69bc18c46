/** The folded state: what is judged by it is what the whole chain gives, and it does not grow with what is over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readsOf } from '../../ledger/rules/answers.cjs';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { overSince } from '../../ledger/rules/grants.cjs';
import { enrolled } from '../../ledger/rules/identities.cjs';
import { isFrozen } from '../../ledger/rules/lifecycle.cjs';
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
// The rules as they were when each judgement read all control entries again, kept as the oracle of this test alone.
import * as oldIdentities from '../oracle/identities.cjs';
import * as oldLeases from '../oracle/leases.cjs';
import * as oldLifecycle from '../oracle/lifecycle.cjs';
import { refusal as oldRefusal } from '../oracle/rules.cjs';
import { workspacesOf } from '../oracle/workspaces.cjs';

const chains = Number(process.env['CHAINS'] ?? 60);
/** How often each kind was written, and each code given. */
const seen = new Map<string, number>();
const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);

/** A grant that is over has left the state, so of several reasons against it the state knows that one alone. */
const isSame = (old: string, now: string): boolean =>
  old === now || (now === 'lease_over' && ['count', 'frozen', 'not_leased'].includes(old));

function play(all: readonly Step[]): void {
  const ledger = memoryLedger();
  const { entries, state, clock } = ledger;
  const control = () => entries.filter((e) => oldLifecycle.controlKinds.includes(e.kind));
  const uses = (lease: string) =>
    entries.filter((e) => e.kind === 'leased' && JSON.parse(e.body).lease === lease).length;
  for (const step of all) {
    const right = clock.now + Math.max(0, step.wait) * 1000;
    clock.now = right + Math.min(0, step.wait) * 1000;
    const wanted = wantedBy(step, state, entries);
    const now = new Date(clock.now).toISOString();
    const { author, kind, action = '', body } = wanted;
    // The clock of the head was all that the old rules compared with; here they are told the latest one.
    const head = entries.length > 0 ? { seq: entries.length, at: new Date(state.clock).toISOString() } : null;
    const story = entries.filter((e) => e.action !== '' && e.action === action);
    const id = kind === 'requested' ? action : 'other0000000000';
    const old = oldRefusal(
      { id, author, kind, action, body: canonical(body) },
      { story, control: control(), head, now, sha256, uses },
    );
    const code = ledger.put(wanted);
    assert.ok(isSame(old, code), `entry ${entries.length + 1}, ${kind}: "${old}" was "${code}"`);
    count(code ? `${kind}: ${code}` : kind);
    if (old !== code) count('another reason');
    clock.now = right;
  }
  count('chains');
  count(entries.length >= 60 ? 'chains of 60 and more' : 'shorter chains');
  const before = control();
  const now = new Date(Math.max(clock.now, state.clock)).toISOString();
  const standing = [...state.grants.values()]
    .filter((g) => !overSince(g, state, now))
    .map((g) => [g.id, g.used]);
  const stood = oldLeases.grants(before).filter((g) => !oldLeases.overSince(g, before, now));
  assert.deepEqual(
    standing,
    stood.map((g) => [g.id, uses(g.id)]),
  );
  assert.deepEqual(enrolled(state.people), oldIdentities.enrolled(before));
  assert.equal(isFrozen(state), oldLifecycle.isFrozen(before));
  assert.deepEqual(state.policy, oldLeases.policyOf(before));
  assert.deepEqual(state.workspaces, workspacesOf(before));
  // The hook folds these alone, and takes the head and the latest clock besides.
  const { seq, hash, clock: latest, grants } = state;
  const folded = (from: number) => {
    const counts = ({ kind, seq }: Entry) =>
      lastingKinds.includes(kind) || (leasingKinds.includes(kind) && seq >= from);
    return { ...stateAfter(entries.filter(counts)), seq, hash, clock: latest };
  };
  assert.deepEqual(folded(0), state);
  // A machine that begins leaves out what came of old leases: those are over for every judgement that is not refused anyway.
  const isRecent = ({ at }: { at: string }) => Date.parse(at) >= latest - grantsCountFor;
  const from = entries.find((e) => ['applied', 'lease.granted'].includes(e.kind) && isRecent(e))?.seq ?? seq;
  const cold = folded(from);
  const recent = (all: State['grants']) => [...all.values()].filter(isRecent);
  assert.deepEqual(recent(cold.grants), recent(grants));
  assert.deepEqual({ ...cold, grants }, state);
  for (const old of [...cold.grants.values()].filter((g) => !isRecent(g)))
    assert.equal(overSince(old, cold, new Date(latest).toISOString()), 'lease_over');
  if (entries.some((e) => leasingKinds.includes(e.kind) && e.seq < from)) count('leases left out');
  const chain = createChain();
  for (const entry of entries) assert.equal(chain.take(entry), '');
  assert.deepEqual(chain.state(), state);
}

test('every entry is judged as the whole chain judged it', () => {
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
