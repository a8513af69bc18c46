/** Control actions between their answer and their effect, and what is none; answers that a policy overtakes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultPolicy, type Policy } from '../../ledger/rules/policy.cjs';
import { type Action, type Asked, makeAction } from '../../ledger/src/action.ts';
import {
  aPolicy,
  controlWay,
  enrol,
  memoryLedger,
  owner,
  person,
  putAll,
  someAction,
  start,
  type Wanted,
  wayOf,
} from '../harness/ledger-chain.ts';

const carol = person('carol');
const role = (args: object) => control('role', args);
const where = { workspace: 'work', task: 'task', requester: '@owner:home' } as const;
const control = (kind: 'policy' | 'role' | 'device' | 'thaw', args: object, policy = defaultPolicy): Action =>
  makeAction({ kind, args, ...where } as Asked, policy);
const frozen: Wanted = { author: 'operator', kind: 'frozen', body: {} };
const lost = (user: string): Wanted => ({ author: 'operator', kind: 'identity.revoked', body: { user } });

/** A ledger with two owners. */
function scene(policy?: Policy) {
  const ledger = memoryLedger();
  const ok = (...all: Wanted[]) => assert.equal(putAll(ledger.put, all), '');
  if (policy) ok({ author: 'operator', kind: 'policy.set', body: { policy } });
  for (const who of [owner, carol]) ok({ ...enrol, body: { ...who, role: 'owner' } });
  return { ...ledger, ok, all: (all: Wanted[]) => putAll(ledger.put, all) };
}
type Scene = ReturnType<typeof scene>;

/** What happens between the approval and the effect, and the code that the effect then meets. */
const between: [string, (s: Scene) => void, string][] = [
  ['after its grace', (s) => (s.clock.now = start + 5000), ''],
  ['within its grace', (s) => (s.clock.now = start + 4999), 'grace'],
  ['at its last moment', (s) => (s.clock.now = start + 600_000), ''],
  ['too late', (s) => (s.clock.now = start + 600_001), 'late'],
  ['with everything frozen', (s) => s.ok(frozen), 'frozen'],
  ['frozen since, though thawed', (s) => s.ok(frozen, { ...frozen, kind: 'thawed' }), 'frozen'],
  ['with its approver revoked', (s) => s.ok(lost(carol.user)), 'revoked'],
  ['with another one revoked', (s) => s.ok(lost(owner.user)), ''],
  ['with the clock gone back', (s) => (s.clock.now = start - 1), 'clock_back'],
];
for (const [name, happens, code] of between)
  test(`a control action ${name}: ${code || 'in force'}`, () => {
    const policy = aPolicy({ grade: 'signed', grace: 5, mode: 'ask' });
    const s = scene(policy);
    const way = controlWay(control('role', { user: owner.user, role: 'approves' }, policy), [carol]);
    s.ok(...way.slice(0, -1));
    s.clock.now = start + 5000;
    happens(s);
    assert.equal(s.all(way.slice(-1)), code && `applied: ${code}`);
  });

test('what two control actions would do together is asked when they take effect, not only when they are wished for', () => {
  const s = scene();
  const [first, second] = [owner, carol].map(({ user }) =>
    controlWay(role({ user, role: 'approves' }), [carol]),
  );
  assert.ok(first && second);
  s.ok(...first.slice(0, -1), ...second.slice(0, -1), ...first.slice(-1));
  assert.equal(s.all(second.slice(-1)), 'applied: last_owner');
  const t = scene();
  t.ok(frozen);
  const [thaw, again] = [control('thaw', {}), control('thaw', {})].map((a) => controlWay(a));
  assert.ok(thaw && again);
  t.ok(...thaw.slice(0, -1), ...again.slice(0, -1), ...thaw.slice(-1));
  assert.equal(t.all(again.slice(-1)), 'applied: not_frozen');
});

test('what is no control action is never asked for: every argument is looked at, and none is left over', () => {
  const device = person('owner', 'NEW');
  const known = { ...device, master: owner.master };
  const { curve25519, ...short } = known;
  const rows: [Action, string][] = [
    [control('policy', { policy: {} }), 'policy'],
    [
      control('policy', {
        policy: { ...defaultPolicy, control: { ...defaultPolicy['control'], grade: 'plain' } },
      }),
      'policy',
    ],
    [control('policy', { policy: defaultPolicy, also: 1 }), 'policy'],
    [control('policy', { policy: defaultPolicy }), ''],
    [control('device', short), 'body_invalid'],
    [control('device', { ...known, curve25519: '' }), 'body_invalid'],
    [control('device', { ...known, role: 'owner' }), 'body_invalid'],
    [control('device', known), ''],
    [role({ user: '@nobody:home', role: 'asks' }), 'body_invalid'],
    [role({ user: carol.user, role: 'king' }), 'body_invalid'],
    [role({ user: carol.user, role: ['asks'] as unknown as string }), 'body_invalid'],
    [role({ user: carol.user, role: 'asks', also: 1 }), 'body_invalid'],
    [role({ user: carol.user, role: 'asks' }), ''],
    [control('thaw', { also: 1 }), 'body_invalid'],
    [control('thaw', {}), ''],
  ];
  for (const [action, code] of rows) {
    const s = scene();
    if (action.kind === 'thaw') s.ok(frozen);
    assert.equal(
      s.all(controlWay(action).slice(0, 1)),
      code && `requested: ${code}`,
      JSON.stringify(action.args),
    );
  }
});

test('what the sandbox runs is never applied', () => {
  const s = scene();
  const action = someAction();
  s.ok(...controlWay(action).slice(0, -1));
  assert.equal(s.all(controlWay(action).slice(-1)), 'applied: lifecycle');
  s.ok(wayOf(action)[3] as Wanted);
});

test('kinds beside an action’s life have their own arguments', () => {
  const s = scene();
  for (const other of ['king', 'none', '']) {
    const body = { ...person('dora'), role: other };
    assert.equal(s.put({ ...enrol, body }), 'body_invalid', other);
  }
  assert.equal(s.put({ author: 'bot', kind: 'lease.ended', body: { lease: 'none' } }), 'no_lease');
});

test('the policy in force is the last one, whoever set it', () => {
  const [old, next] = [aPolicy({ decide_within: 100 }), aPolicy({ decide_within: 50 })];
  const s = scene(old);
  assert.deepEqual(s.state.policy, old);
  s.ok(...controlWay(control('policy', { policy: next }, old)));
  assert.deepEqual(s.state.policy, next);
});

test('a class that is closed while a card is open takes no answer for it', () => {
  const s = scene();
  const [requested, posted, approved] = wayOf(someAction());
  s.ok(requested as Wanted, posted as Wanted);
  const closed = { ...defaultPolicy, exec: { ...aPolicy()['exec'], mode: 'never' } } as unknown as Policy;
  s.ok(...controlWay(control('policy', { policy: closed })));
  assert.equal(s.put(approved as Wanted), 'never');
});

test('two devices: one answer alone does not suffice', () => {
  const policy = aPolicy({ grade: 'signed', devices: 2 });
  const action = makeAction({ ...someAction() } as Asked, policy);
  const s = scene(policy);
  assert.equal(s.all(controlWay(action, [owner])), 'approved: quorum');
});

test('a request for several answers takes signed ones alone, even where the policy asks for one', () => {
  for (const over of [{ approvers: 2 }, { devices: 2 }]) {
    const request = (grade: string) =>
      scene().put(wayOf({ ...someAction(), ...over, grade } as Action)[0] as Wanted);
    assert.equal(request('sealed'), 'grade');
    assert.equal(request('signed'), '');
  }
});

test('where the clock went back nobody endorses either', () => {
  const policy = aPolicy({ grade: 'signed', approvers: 2 });
  const [requested, posted, endorsed] = controlWay(makeAction({ ...someAction() } as Asked, policy), [
    owner,
    carol,
  ]);
  const s = scene(policy);
  s.ok(requested as Wanted, posted as Wanted);
  s.clock.now = start - 1;
  assert.equal(s.put(endorsed as Wanted), 'clock_back');
  s.clock.now = start;
  s.ok(endorsed as Wanted);
});

test('a tap proves nothing on a card from before anybody lost a role, a device or an identity', () => {
  const lose: [string, (s: Scene) => void][] = [
    ['role', (s) => s.ok(...controlWay(role({ user: carol.user, role: 'approves' })))],
    ['device', (s) => s.ok(lost(carol.user))],
    ['identity', (s) => s.ok({ author: 'bot', kind: 'identity.changed', body: { user: carol.user } })],
  ];
  for (const [name, happens] of lose) {
    const s = scene();
    const [requested, posted, tapped] = wayOf(someAction());
    const signed = { ...tapped, body: { ...tapped?.body, grade: 'signed' } } as Wanted;
    s.ok(requested as Wanted, posted as Wanted);
    happens(s);
    assert.equal(s.put(tapped as Wanted), 'grade', name);
    s.ok(signed);
    s.ok(...wayOf(someAction()).slice(0, 4)); // a card from since then
  }
});

test('nobody endorses on top of an answer that counts no more', () => {
  const policy = aPolicy({ grade: 'signed', approvers: 3 });
  const dora = person('dora');
  const s = scene(policy);
  s.ok({ ...enrol, body: { ...dora, role: 'approves' } });
  const action = makeAction({ ...someAction() } as Asked, policy);
  const [requested, posted, first, second] = controlWay(action, [dora, carol, owner]);
  s.ok(requested as Wanted, posted as Wanted, first as Wanted, lost(dora.user));
  assert.equal(s.put(second as Wanted), 'revoked');
});

test('no policy asks for more devices than there are', () => {
  const [requested] = controlWay(
    control('policy', {
      policy: { ...defaultPolicy, control: { ...defaultPolicy['control'], devices: 3 } },
    }),
  );
  const s = scene();
  assert.equal(s.put(requested as Wanted), 'too_few');
  s.ok({ ...enrol, body: { ...person('owner', 'NEW'), master: owner.master } }, requested as Wanted);
});
