/** Several people and devices: who may approve, how many it takes, and what only an owner decides. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enrolled } from '../../ledger/rules/identities.cjs';
import { defaultPolicy, type Policy, policyFault, risks } from '../../ledger/rules/policy.cjs';
import { type Action, digestOf, makeAction, newId } from '../../ledger/src/action.ts';
import {
  aPolicy,
  enrol,
  memoryLedger,
  owner,
  type Person,
  person,
  someAction,
  start,
  type Wanted,
  wayOf,
} from '../harness/ledger-chain.ts';

const enrolAs = (who: Person, role?: string): Wanted => ({
  author: 'operator',
  kind: 'identity.enrolled',
  body: { ...who, ...(role && { role }) },
});
const tablet = person('owner', 'TABLET');
const ann = person('ann');
const bob = person('bob');

/** A ledger with an owner (two devices, one master key), one who approves, one who only asks, and an action as posted. */
function scene(action: Action, policy?: Policy) {
  const ledger = memoryLedger();
  const ok = (wanted: Wanted) => assert.equal(ledger.put(wanted), '', wanted.kind);
  if (policy) ok({ author: 'operator', kind: 'policy.set', body: { policy } });
  ok({ ...enrol, body: { ...owner, role: 'owner' } });
  ok({ ...enrol, body: { ...owner, ...tablet, master: owner.master } });
  ok(enrolAs(ann, 'approves'));
  ok(enrolAs(bob, 'asks'));
  const digest = digestOf(action);
  const of = (author: string, kind: string, body: object = {}): Wanted => ({
    author,
    kind,
    action: action.id,
    body: { digest, ...body },
  });
  const [requested, posted] = wayOf(action);
  assert.ok(requested && posted);
  const answer = (kind: 'endorsed' | 'approved', who: Person, grade = 'signed') =>
    of('bot', kind, {
      grade,
      evidence: { user: who.user, device: who.device, event: `$${who.user}`, form: 'poll' },
    });
  return { ...ledger, ok, of, answer, requested, posted };
}
const two = aPolicy({ grade: 'signed', approvers: 2 });
const ask = (policy: Policy, requester: Action['requester'] = 'brain'): Action =>
  makeAction(
    {
      kind: 'bash',
      args: { script: 'true', cwd: '.', env: {}, timeout: 9 },
      workspace: 'work',
      task: 'task',
      requester,
    },
    policy,
  );

test('two persons: one answer does not suffice, the same person twice neither, two do', () => {
  const s = scene(ask(two), two);
  s.ok(s.requested);
  s.ok(s.posted);
  assert.equal(s.put(s.answer('approved', owner)), 'quorum');
  s.ok(s.answer('endorsed', owner));
  assert.equal(s.put(s.answer('approved', owner)), 'counted_already');
  assert.equal(s.put(s.answer('approved', tablet)), 'quorum', 'another device is no other person');
  assert.equal(s.put(s.answer('approved', ann, 'sealed')), 'grade');
  assert.equal(s.put(s.answer('approved', bob)), 'not_enrolled', 'who only asks approves nothing');
  assert.equal(s.put(s.of('executor', 'claimed', { executor: 'x' })), 'lifecycle');
  s.ok(s.answer('approved', ann));
  s.ok(s.of('executor', 'claimed', { executor: 'x' }));
});

test('where somebody reads who may not approve, a chip proves nothing', () => {
  const s = scene(someAction());
  s.ok(s.requested);
  s.ok(s.posted);
  assert.equal(
    s.put(s.answer('approved', owner, 'sealed')),
    'grade',
    'bob, who only asks, knows the key too',
  );
  s.ok(s.answer('approved', owner));
});

test('two devices: the same one twice does not suffice, the second one does', () => {
  const policy = aPolicy({ grade: 'signed', devices: 2 });
  const s = scene(ask(policy), policy);
  s.ok(s.requested);
  s.ok(s.posted);
  s.ok(s.answer('endorsed', owner));
  assert.equal(s.put(s.answer('approved', owner)), 'counted_already');
  s.ok(s.answer('approved', tablet));
});

test('nobody approves what they asked for where two persons are needed', () => {
  const s = scene(ask(two, '@ann:home'), two);
  s.ok(s.requested);
  s.ok(s.posted);
  assert.equal(s.put(s.answer('endorsed', ann)), 'own_request');
  s.ok(s.answer('endorsed', owner));
  assert.equal(s.put(s.answer('approved', ann)), 'own_request');
});

test('an endorser who is revoked before the last answer, or before the claim, takes the approval along', () => {
  const revoke: Wanted = { author: 'operator', kind: 'identity.revoked', body: { user: ann.user } };
  const s = scene(ask(two), two);
  s.ok(s.requested);
  s.ok(s.posted);
  s.ok(s.answer('endorsed', ann));
  s.ok(revoke);
  assert.equal(s.put(s.answer('approved', owner)), 'revoked');
  const t = scene(ask(two), two);
  t.ok(t.requested);
  t.ok(t.posted);
  t.ok(t.answer('endorsed', ann));
  t.ok(t.answer('approved', owner));
  t.ok(revoke);
  assert.equal(t.put(t.of('executor', 'claimed', { executor: 'x' })), 'revoked');
});

test('a request asks for no less than the policy, and may ask for more', () => {
  const policy = aPolicy({
    grade: 'signed',
    approvers: 2,
    devices: 2,
    grace: 5,
    decide_within: 100,
    execute_within: 50,
  });
  const base = ask(policy);
  const rows: [Partial<Action>, string][] = [
    [{}, ''],
    [{ approvers: 3, devices: 3, grace: 9, decide_within: 99, execute_within: 49 }, ''],
    [{ approvers: 1 }, 'quorum'],
    [{ devices: 1 }, 'quorum'],
    [{ grade: 'sealed' }, 'grade'],
    [{ grace: 4 }, 'clock'],
    [{ decide_within: 101 }, 'clock'],
    [{ execute_within: 51 }, 'clock'],
  ];
  for (const [over, code] of rows) {
    const s = scene({ ...base, ...over } as Action, policy);
    assert.equal(s.put(s.requested), code, JSON.stringify(over));
  }
});

test('a class that is closed is never asked for, and a policy made stricter holds for cards that are open', () => {
  const closed: Policy = { ...defaultPolicy, exec: { ...aPolicy().exec, mode: 'never' } as never };
  const s = scene(someAction(), closed);
  assert.equal(s.put(s.requested), 'never');
  const t = scene(someAction());
  t.ok(t.requested);
  t.ok(t.posted);
  apply(t, control('policy', { policy: two }), owner);
  assert.equal(t.put(t.answer('approved', owner)), 'quorum');
});

function control<K extends 'policy' | 'role' | 'device' | 'thaw' | 'lease'>(
  kind: K,
  args: object,
  requester: Action['requester'] = '@owner:home',
  policy = defaultPolicy,
): Action {
  return makeAction({ kind, args, workspace: 'work', task: 'task', requester } as never, policy);
}
/** Takes a control action all its way. @returns the code of what was refused on it, or '' */
function apply(s: ReturnType<typeof scene>, action: Action, by: Person, over: object = {}): string {
  const digest = digestOf(action);
  const { kind, args, workspace, task } = action;
  const evidence = { user: by.user, device: by.device, event: '$c', form: 'poll' };
  const steps: Wanted[] = [
    { author: 'bot', kind: 'requested', action: action.id, body: action },
    { author: 'bot', kind: 'posted', action: action.id, body: { digest } },
    { author: 'bot', kind: 'approved', action: action.id, body: { digest, grade: 'signed', evidence } },
    {
      author: 'bot',
      kind: 'applied',
      action: action.id,
      body: { digest, kind, args, workspace, task, by: [{ user: by.user, device: by.device }], ...over },
    },
  ];
  for (const step of steps) {
    const code = s.put(step);
    if (code) return `${step.kind}: ${code}`;
  }
  return '';
}

test('only an owner decides on policy, roles, devices of others and thawing', () => {
  const s = scene(someAction());
  assert.equal(apply(s, control('policy', { policy: two }), ann), 'approved: not_owner');
  assert.equal(apply(s, control('role', { user: ann.user, role: 'owner' }), ann), 'approved: not_owner');
  assert.equal(
    apply(s, control('device', { ...person('owner', 'NEW'), master: owner.master }), ann),
    'approved: not_owner',
  );
  assert.equal(apply(s, control('role', { user: bob.user, role: 'approves' }), owner), '');
  assert.equal(enrolled(s.state.people).find((d) => d.user === bob.user)?.role, 'approves');
  assert.equal(apply(s, control('device', person('ann', 'NEW')), ann), '', 'one’s own further device');
  assert.ok(enrolled(s.state.people).some((d) => d.device === 'NEW' && d.role === 'approves'));
});

test('attack-35 the brain asks for nothing that decides who may approve what; the twin is asked for by a person', () => {
  const further = person('owner', 'NEW');
  const act = { kind: 'bash', args: { script: 'true', cwd: '.', env: {}, timeout: 9 } };
  for (const [kind, args] of [
    ['policy', { policy: two }],
    ['role', { user: ann.user, role: 'owner' }],
    ['device', { ...further, master: owner.master }],
    ['lease', { acts: [act], uses: 1, seconds: 60 }],
    ['thaw', {}],
  ] as const) {
    const s = scene(someAction());
    if (kind === 'thaw') s.ok({ author: 'bot', kind: 'frozen', body: {} });
    assert.equal(apply(s, control(kind, args, 'brain'), owner), 'requested: not_allowed', kind);
    assert.equal(apply(s, control(kind, args), owner), '', `the twin: ${kind}`);
  }
});

test('a device needs its user’s pinned identity, the last owner stays', () => {
  const s = scene(someAction());
  const stranger = { ...person('owner', 'NEW'), master: 'another' };
  assert.equal(apply(s, control('device', stranger), owner), 'requested: not_enrolled');
  assert.equal(apply(s, control('device', person('eve')), owner), 'requested: not_enrolled');
  assert.equal(
    apply(s, control('role', { user: owner.user, role: 'reads' }), owner),
    'requested: last_owner',
  );
  assert.equal(apply(s, control('role', { user: ann.user, role: 'none' }), owner), '');
  assert.ok(!enrolled(s.state.people).some((d) => d.user === ann.user));
});

test('a control action is applied as it was approved or not at all, and never claimed', () => {
  const s = scene(someAction());
  const weak = control('policy', { policy: two });
  for (const over of [
    { args: { policy: defaultPolicy } },
    { kind: 'thaw' },
    { by: [] },
    { workspace: 'other' },
    { more: 1 },
  ])
    assert.equal(apply(s, { ...weak, id: newId() } as Action, owner, over), 'applied: body_invalid');
  const t = scene(someAction());
  const action = control('policy', { policy: two });
  const digest = digestOf(action);
  assert.match(apply(t, action, owner, { by: [] }), /applied/);
  assert.equal(
    t.put({ author: 'executor', kind: 'claimed', action: action.id, body: { digest } }),
    'lifecycle',
  );
});

test('the operator sets a policy until somebody is enrolled; from then on it takes an approval', () => {
  const ledger = memoryLedger();
  const set: Wanted = { author: 'operator', kind: 'policy.set', body: { policy: two } };
  assert.equal(ledger.put({ ...set, author: 'bot' }), 'not_allowed');
  assert.equal(ledger.put({ ...set, body: { policy: {} } }), 'policy');
  assert.equal(ledger.put(set), '');
  assert.equal(ledger.put(enrol), '');
  assert.equal(ledger.put(set), 'needs_approval');
});

test('no policy goes below the floor', () => {
  for (const risk of risks) {
    const of = (over: object) =>
      policyFault({ ...defaultPolicy, [risk]: { ...defaultPolicy[risk], ...over } });
    assert.equal(of({}), '');
    assert.notEqual(of({ grade: 'plain' }), '');
    assert.notEqual(of({ mode: 'allow' }), '');
    assert.notEqual(of({ approvers: 0 }), '');
    assert.notEqual(of({ approvers: 2, grade: 'sealed' }), '');
    assert.notEqual(of({ allow: true }), '');
    assert.equal(of({ grade: 'sealed' }) === '', ['read', 'write', 'exec'].includes(risk), risk);
    assert.equal(of({ mode: 'lease' }) === '', ['read', 'write', 'exec'].includes(risk), risk);
    assert.notEqual(policyFault({ ...defaultPolicy, [risk]: undefined }), '');
  }
  assert.notEqual(policyFault({ ...defaultPolicy, toString: defaultPolicy['exec'] }), '');
});

test('a policy made stricter after the approval holds for what has not begun yet', () => {
  for (const [policy, code] of [
    [two, 'quorum'],
    [{ ...defaultPolicy, exec: { ...aPolicy().exec, mode: 'never' } } as unknown as Policy, 'never'],
  ] as const) {
    const s = scene(someAction());
    s.ok(s.requested);
    s.ok(s.posted);
    s.ok(s.answer('approved', owner));
    apply(s, control('policy', { policy }), owner);
    assert.equal(s.put(s.of('executor', 'claimed', { executor: 'x' })), code);
  }
});

test('after a device or a role was taken back, taps on cards from before count for nothing', () => {
  const phone: Wanted = {
    author: 'operator',
    kind: 'identity.revoked',
    body: { user: owner.user, device: owner.device },
  };
  const alone = () => {
    const s = scene(someAction());
    apply(s, control('role', { user: bob.user, role: 'none' }), owner);
    return s;
  };
  const s = alone();
  s.ok(s.requested);
  s.ok(s.posted);
  s.ok(phone);
  assert.equal(s.put(s.answer('approved', tablet, 'sealed')), 'grade', 'the lost phone knows this chip');
  s.ok(s.answer('approved', tablet));
  const t = alone();
  t.ok(t.requested);
  t.ok(t.posted);
  t.ok(t.answer('approved', tablet, 'sealed'));
  t.ok(phone);
  assert.equal(t.put(t.of('executor', 'claimed', { executor: 'x' })), 'grade', 'nor does it begin');
  const u = alone();
  u.ok(phone);
  u.ok(u.requested);
  u.ok(u.posted);
  u.ok(u.answer('approved', tablet, 'sealed'));
});

test('an enrolment takes back what it replaces: taps count for no card from before', () => {
  const phone = { ...owner, role: 'owner' };
  const rows: [string, Wanted[], string][] = [
    ['the same keys again', [{ ...enrol, body: phone }], ''],
    ['other keys', [{ ...enrol, body: { ...phone, ed25519: 'another' } }], 'grade'],
    ['another identity', [{ ...enrol, body: { ...phone, master: 'another', device: 'NEW' } }], 'grade'],
    ['a lower role for a while', [enrolAs(ann, 'asks'), enrolAs(ann, 'approves')], 'grade'],
  ];
  for (const [name, since, code] of rows) {
    const s = scene(someAction());
    s.ok({ author: 'operator', kind: 'identity.revoked', body: { user: bob.user } });
    s.ok(s.requested);
    s.ok(s.posted);
    since.forEach(s.ok);
    assert.equal(s.put(s.answer('approved', owner, 'sealed')), code, name);
  }
});

test('an answer does not come back with a role that was taken back', () => {
  for (const [role, code] of [
    ['owner', ''],
    ['asks', 'revoked'],
  ] as const) {
    const s = scene(someAction());
    s.ok(s.requested);
    s.ok(s.posted);
    s.ok(s.answer('approved', ann));
    s.ok(enrolAs(person('ann', 'TABLET'), role));
    s.ok(enrolAs(person('ann', 'TABLET'), 'approves'));
    assert.equal(s.put(s.of('executor', 'claimed', { executor: 'x' })), code, role);
  }
});

test('a stricter policy holds at once: its grace and its time for what is approved already', () => {
  const strict = aPolicy({ grace: 5, execute_within: 9 });
  const at = (ms: number) => {
    const s = scene(ask(aPolicy()));
    s.ok(s.requested);
    s.ok(s.posted);
    s.ok(s.answer('approved', owner));
    assert.equal(apply(s, control('policy', { policy: strict }), owner), '');
    s.clock.now = start + ms;
    return s.put(s.of('executor', 'claimed', { executor: 'x' }));
  };
  assert.deepEqual([4999, 5000, 9000, 9001].map(at), ['grace', '', '', 'late']);
});

test('what an answer has to be is asked again before it takes effect', () => {
  const carol = person('carol');
  const s = scene(someAction());
  s.ok(enrolAs(carol, 'owner'));
  const action = makeAction(
    { kind: 'policy', args: { policy: two }, workspace: 'work', task: 'task', requester: '@owner:home' },
    defaultPolicy,
  );
  const digest = digestOf(action);
  const of = (kind: string, body: object): Wanted => ({
    author: 'bot',
    kind,
    action: action.id,
    body: { digest, ...body },
  });
  s.ok({ author: 'bot', kind: 'requested', action: action.id, body: action });
  s.ok(of('posted', {}));
  s.ok(of('approved', { grade: 'signed', evidence: { user: carol.user, device: carol.device } }));
  assert.equal(apply(s, control('role', { user: carol.user, role: 'approves' }), owner), '');
  const { kind, args, workspace, task } = action;
  const by = [{ user: carol.user, device: carol.device }];
  assert.equal(s.put(of('applied', { kind, args, workspace, task, by })), 'not_owner');
});

test('an endorsement from before a freeze counts no more after the thaw', () => {
  const s = scene(ask(two), two);
  s.ok(s.requested);
  s.ok(s.posted);
  s.ok(s.answer('endorsed', ann));
  s.ok({ author: 'operator', kind: 'frozen', body: {} });
  s.ok({ author: 'operator', kind: 'thawed', body: {} });
  assert.equal(s.put(s.answer('approved', owner)), 'frozen');
});

test('an answer does not come back with its device: the enrolment has to be older', () => {
  const s = scene(ask(two), two);
  s.ok(s.requested);
  s.ok(s.posted);
  s.ok(s.answer('endorsed', ann));
  s.ok({ author: 'bot', kind: 'identity.changed', body: { user: ann.user } });
  s.ok(enrolAs({ ...ann, master: 'another', ed25519: 'another' }, 'approves'));
  assert.equal(s.put(s.answer('approved', owner)), 'revoked');
});

test('no policy is taken that nobody here could change again, and the last enrolled owner stays', () => {
  const s = scene(someAction());
  const nine = { ...defaultPolicy, control: { ...defaultPolicy['control'], approvers: 9 } };
  assert.equal(apply(s, control('policy', { policy: nine }), owner), 'requested: too_few');
  const carol = person('carol');
  s.ok(enrolAs(carol, 'owner'));
  s.ok({ author: 'operator', kind: 'identity.revoked', body: { user: carol.user } });
  assert.equal(
    apply(s, control('role', { user: owner.user, role: 'reads' }), owner),
    'requested: last_owner',
  );
});

test('grace: a decision waits before it may be claimed, and a no in between ends it', () => {
  const policy = aPolicy({ grace: 5 });
  const s = scene(ask(policy), policy);
  s.ok(s.requested);
  s.ok(s.posted);
  s.ok(s.answer('approved', owner));
  s.clock.now = start + 4999;
  assert.equal(s.put(s.of('executor', 'claimed', { executor: 'x' })), 'grace');
  s.clock.now = start + 5000;
  s.ok(s.of('executor', 'claimed', { executor: 'x' }));
});

test('frozen: nothing but an owner’s thaw is approved, and it needs a freeze to undo', () => {
  const s = scene(someAction());
  assert.equal(apply(s, control('thaw', {}), owner), 'requested: not_frozen');
  s.ok(s.requested);
  s.ok(s.posted);
  s.ok({ author: 'bot', kind: 'frozen', body: { by: bob.user } });
  assert.equal(s.put(s.answer('approved', owner)), 'frozen');
  assert.equal(apply(s, control('role', { user: ann.user, role: 'reads' }), owner), 'approved: frozen');
  assert.equal(apply(s, control('thaw', {}), ann), 'approved: not_owner');
  assert.equal(apply(s, control('thaw', {}), owner), '');
  s.ok(s.answer('approved', owner));
});
