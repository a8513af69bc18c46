/** What a lease or a plan outlives, what it does not, and the bounds of what may be granted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultPolicy, type Policy } from '../../ledger/rules/policy.cjs';
import { type Act, type Action, type Asked, digestOf, makeAction } from '../../ledger/src/action.ts';
import {
  aPolicy,
  controlWay,
  enrol,
  memoryLedger,
  owner,
  type Person,
  putAll,
  start,
  type Wanted,
} from '../harness/ledger-chain.ts';

const tablet: Person = { ...owner, device: 'TABLET', ed25519: 'ET', curve25519: 'CT' };
const ann: Person = { user: '@ann:home', master: 'A', device: 'PHONE', ed25519: 'EA', curve25519: 'CA' };
const read = (path: string): Act => ({ kind: 'read_file', args: { path, offset: 0, limit: 10 } });
const run: Act = { kind: 'bash', args: { script: 'true', cwd: '.', env: {}, timeout: 9 } };
const below = { of: 'read_file', path: 'src', uses: 9, seconds: 100 };
const exact = { acts: [run], uses: 9, seconds: 100 };
const asked = (kind: string, args: object, over: object = {}, policy = defaultPolicy): Action =>
  makeAction(
    { kind, args, workspace: 'work', task: 'task', requester: 'operator', ...over } as Asked,
    policy,
  );
const control = (kind: string, body: object = {}): Wanted => ({ author: 'operator', kind, body });

function scene(policy = defaultPolicy) {
  const ledger = memoryLedger();
  const ok = (...all: Wanted[]) => assert.equal(putAll(ledger.put, all), '');
  ok(control('policy.set', { policy }));
  ok({ ...enrol, body: { ...owner, role: 'owner' } }, { ...enrol, body: tablet });
  ok({ ...enrol, body: { ...ann, role: 'approves' } });
  /** @returns the id of what these people granted */
  function grant(kind: 'lease' | 'plan', args: object, by: Person[] = [owner]): string {
    const action = asked(kind, args, {}, policy);
    ok(...controlWay(action, by));
    return action.id;
  }
  /** The request, the use of the grant and the claim, one code each. */
  function* use(lease: string, act: Act, over: object = {}): Generator<string, void> {
    const action = asked(act.kind, act.args, over, policy);
    const digest = digestOf(action);
    const of = (author: string, kind: string, body: object) =>
      ledger.put({ author, kind, action: action.id, body: { digest, ...body } });
    yield ledger.put({ author: 'bot', kind: 'requested', action: action.id, body: action });
    yield of('bot', 'leased', { lease, use: 1 });
    yield of('executor', 'claimed', { executor: 'x' });
  }
  return {
    ...ledger,
    ok,
    grant,
    use,
    first: (...a: Parameters<typeof use>) => [...use(...a)].find(Boolean) ?? '',
  };
}

test('a freeze from before a lease, and the end of another one, leave it alone', () => {
  const s = scene();
  s.ok(control('frozen'), control('thawed'));
  const [lease, other] = [s.grant('lease', exact), s.grant('lease', exact)];
  s.ok(control('lease.ended', { lease: other }));
  assert.equal(s.first(lease, run), '');
  const t = scene();
  assert.equal(t.first(t.grant('lease', exact), run), '');
});

test('a lease ends with any device that approved it, and with no other', () => {
  const rows: [Person[], Person, string][] = [
    [[owner], owner, 'revoked'],
    [[owner], tablet, ''],
    [[tablet], owner, ''],
    [[owner, ann], ann, 'revoked'],
    [[ann, owner], ann, 'revoked'],
    [[owner, ann], tablet, ''],
  ];
  for (const [by, { user, device }, code] of rows) {
    const policy = {
      ...defaultPolicy,
      control: aPolicy({ grade: 'signed', approvers: by.length, mode: 'ask' })['control'],
    };
    const s = scene(policy as Policy);
    const lease = s.grant('lease', exact, by);
    s.ok(control('identity.revoked', { user, device }));
    assert.equal(s.first(lease, run), code, `${by.map((p) => p.device)} without ${user} ${device}`);
  }
});

test('a lease on a path is for its own workspace', () => {
  const s = scene();
  const lease = s.grant('lease', below);
  assert.equal(s.first(lease, read('src/a'), { workspace: 'other' }), 'not_covered');
  assert.equal(s.first(lease, read('src/a')), '');
});

test('a class that is closed after a step was asked for stops the plan there', () => {
  const s = scene();
  const plan = s.grant('plan', { steps: [run], seconds: 100 });
  const step = s.use(plan, run);
  assert.equal(step.next().value, '');
  const closed = { ...defaultPolicy, exec: { ...aPolicy()['exec'], mode: 'never' } };
  s.ok(...controlWay(asked('policy', { policy: closed })));
  assert.equal(step.next().value, 'never');
});

test('what the policy says is asked when a grant is used, and again when its action is claimed', () => {
  const exec = (over: object): Wanted[] => {
    const policy = { ...defaultPolicy, exec: { ...aPolicy()['exec'], ...over } };
    return controlWay(asked('policy', { policy }));
  };
  const rows: ['lease' | 'plan', object, object, string][] = [
    ['lease', exact, { mode: 'ask' }, 'not_leased'],
    ['plan', { steps: [run], seconds: 100 }, { mode: 'ask' }, ''],
    ['plan', { steps: [run], seconds: 100 }, { mode: 'never' }, 'never'],
    ['lease', exact, { grade: 'signed', devices: 2 }, 'quorum'],
    ['lease', exact, { decide_within: 5 }, ''],
  ];
  for (const [kind, args, over, code] of rows)
    for (const taken of [1, 2]) {
      const s = scene();
      const step = s.use(s.grant(kind, args), run);
      for (let i = 0; i < taken; i++) assert.equal(step.next().value, '');
      s.ok(...exec(over));
      assert.equal(step.next().value, code, `${kind} after ${taken} of its entries: ${JSON.stringify(over)}`);
    }
});

test('where the clock went back no lease is used', () => {
  const s = scene();
  const step = s.use(s.grant('lease', exact), run);
  assert.equal(step.next().value, '');
  s.clock.now = start - 1;
  assert.equal(step.next().value, 'clock_back');
});

test('a grant holds at most fifty acts, and nothing besides', () => {
  const many = (n: number): Act[] => Array.from({ length: n }, () => run);
  const rows: [kind: string, args: object, fits: boolean][] = [
    ['plan', { steps: many(50), seconds: 1 }, true],
    ['plan', { steps: many(51), seconds: 1 }, false],
    ['plan', { steps: many(1), seconds: 1, uses: 1 }, false],
    ['lease', { ...exact, acts: many(50) }, true],
    ['lease', { ...exact, acts: many(51) }, false],
    ['lease', { ...exact, also: 1 }, false],
    ['lease', below, true],
    ['lease', { ...below, also: 1 }, false],
  ];
  for (const [kind, args, fits] of rows) {
    const [requested] = controlWay(asked(kind, args));
    assert.equal(
      scene().put(requested as Wanted),
      fits ? '' : 'body_invalid',
      `${kind} ${Object.keys(args)}`,
    );
  }
});
