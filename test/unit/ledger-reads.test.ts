/** Reads that an action's card leases besides: what gives them, what they cover, what ends them, and that nothing else does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readsOf } from '../../ledger/rules/answers.cjs';
import { defaultPolicy, type Policy, policyFault, type Term } from '../../ledger/rules/policy.cjs';
import {
  type Act,
  type Action,
  type Asked,
  digestOf,
  makeAction,
  withReads,
} from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import {
  controlWay,
  enrol,
  memoryLedger,
  owner,
  person,
  putAll,
  start,
  type Wanted,
  wayOf,
} from '../harness/ledger-chain.ts';

const reads = { uses: 3, seconds: 100 };
const policyWith = (over: Partial<Term>, risk = 'read'): Policy => {
  const given = { ...defaultPolicy, read: { ...(defaultPolicy['read'] as Term), reads } };
  return { ...given, [risk]: { ...(given[risk as 'read'] as Term), ...over } };
};
const offering = policyWith({});
const where = { workspace: 'work', task: 'task', requester: 'brain' } as const;
const run = (script: string): Act => ({ kind: 'bash', args: { script, cwd: '.', env: {}, timeout: 9 } });
const read = (path: string): Act => ({ kind: 'read_file', args: { path, offset: 0, limit: 10 } });
const request = (act: Act, over: object = {}): Action =>
  makeAction({ ...act, ...where, ...over } as Asked, offering);
const first = (over: object = {}): Action => ({ ...withReads(request(run('make')), offering), ...over });

function scene(policy = offering) {
  const ledger = memoryLedger();
  const ok = (...all: Wanted[]) => assert.equal(putAll(ledger.put, all), '');
  ok({ author: 'operator', kind: 'policy.set', body: { policy } }, enrol);
  const story = (action: Action) => ledger.entries.filter((e) => e.action === action.id);
  const granted = (action: Action, over: object = {}): Wanted => ({
    author: 'executor',
    kind: 'lease.granted',
    action: action.id,
    body: { ...readsOf(action, digestOf(action), story(action)), ...over },
  });
  /** Takes an action up to and with this kind of entry. */
  function until(action: Action, kind: string): void {
    const way = wayOf(action, action.grade);
    ok(...way.slice(0, way.findIndex((w) => w.kind === kind) + 1));
  }
  /** A first card, approved and claimed, and the reads that came with it. */
  function lease(action = first()): string {
    until(action, 'claimed');
    ok(granted(action));
    return action.id;
  }
  /** Asks for it under the lease, up to the claim. @param between put in before the claim */
  function use(id: string, act: Act, count: number, over: object = {}, between: Wanted[] = []): string {
    const action: Action = { ...request(act, over), grade: 'signed' }; // enough for any policy here
    const asked = ledger.put({ author: 'bot', kind: 'requested', action: action.id, body: action });
    if (asked) return asked;
    const of = (author: string, kind: string, more: object): Wanted => ({
      author,
      kind,
      action: action.id,
      body: { digest: digestOf(action), ...more },
    });
    const code = ledger.put(of('bot', 'leased', { lease: id, use: count }));
    if (code) return code;
    ok(...between);
    return ledger.put(of('executor', 'claimed', { executor: 'x' }));
  }
  const setPolicy = (next: Policy): Wanted[] =>
    controlWay(
      makeAction(
        { ...where, kind: 'policy', args: { policy: next }, requester: '@owner:home' },
        defaultPolicy,
      ),
    );
  return { ...ledger, ok, story, granted, until, lease, use, setPolicy };
}
type Scene = ReturnType<typeof scene>;

test('a policy’s reads are bounded, and of the class read alone', () => {
  assert.equal(policyFault(offering), '');
  for (const wrong of [
    policyWith({ reads: { uses: 0, seconds: 1 } }),
    policyWith({ reads: { uses: 1001, seconds: 1 } }),
    policyWith({ reads: { uses: 1, seconds: 7 * 86400 + 1 } }),
    policyWith({ reads: { ...reads, of: 'bash' } as typeof reads }),
    policyWith({ reads: null as unknown as typeof reads }),
    policyWith({ reads }, 'exec'),
  ])
    assert.match(policyFault(wrong), /has reads that are none/);
});

test('attack-34 a terminal is read by them in its own task, and by nothing else that was leased; what types into one is not', () => {
  const wait = { until: '', quiet: 1, seconds: 9 };
  const look = { kind: 'terminal_read', args: { number: 1, ...wait } } as unknown as Act;
  const type = { kind: 'terminal_send', args: { number: 1, text: 'ls', enter: true, ...wait } };
  const s = scene();
  const id = s.lease();
  assert.equal(s.use(id, look, 1), '');
  assert.equal(s.use(id, look, 2, { task: 'other' }), 'not_covered');
  assert.equal(s.use(id, look, 2, { requester: '@owner:home' }), 'not_covered');
  assert.equal(s.use(id, type as unknown as Act, 2), 'not_covered');
  assert.equal(s.use(id, { kind: 'screen', args: {} } as unknown as Act, 2), 'not_covered');
});

test('a card offers the reads that the policy gives, at the grade of both, and no others', () => {
  const asked = request(run('make'));
  assert.deepEqual(withReads(asked, offering).reads, reads);
  assert.equal(withReads(asked, policyWith({ grade: 'signed' })).grade, 'signed');
  assert.equal(withReads({ ...asked, grade: 'signed' }, offering).grade, 'signed');
  for (const none of [
    defaultPolicy,
    policyWith({ mode: 'ask' }),
    policyWith({ mode: 'never' }),
    policyWith({ grace: 1 }),
    policyWith({ grade: 'signed', approvers: 2 }),
    policyWith({ grade: 'signed', devices: 2 }),
  ])
    assert.equal(withReads(asked, none), asked);
  const plan = makeAction({ ...where, kind: 'plan', args: { steps: [run('a')], seconds: 9 } }, offering);
  assert.equal(withReads(plan, offering), plan);
});

test('a request for other reads than the policy gives is refused', () => {
  const rows: [Action, string, Policy?][] = [
    [first(), ''],
    [first({ reads: { uses: 1, seconds: 1 } }), ''],
    [first({ reads: { uses: 4, seconds: 100 } }), 'reads'],
    [first({ reads: { uses: 3, seconds: 101 } }), 'reads'],
    [first({ reads: { uses: 0, seconds: 100 } }), 'reads'],
    [first({ reads: { ...reads, path: '' } }), 'reads'],
    [first({ reads: null }), 'reads'],
    [first({ reads: 'ab' }), 'reads'],
    [first({ requester: '@owner:home' }), 'reads'],
    [first(), 'reads', defaultPolicy],
    [first(), 'reads', policyWith({ mode: 'ask' })],
    [first(), 'grade', policyWith({ grade: 'signed' })],
    [first({ grade: 'signed' }), '', policyWith({ grade: 'signed' })],
  ];
  for (const [body, code, policy] of rows) {
    const wanted = { author: 'bot', kind: 'requested', action: body.id, body };
    assert.equal(scene(policy).put(wanted), code, JSON.stringify(body));
  }
});

test('attack-34 who answers a card answers its reads as well: a text without them has another digest', () => {
  const s = scene();
  const shown = first();
  const { reads: _, ...rest } = shown;
  s.until(shown, 'posted');
  const approval = (of: Action): Wanted => ({
    author: 'bot',
    kind: 'approved',
    action: shown.id,
    body: {
      digest: digestOf(of),
      grade: 'sealed',
      evidence: { user: owner.user, event: '$t', form: 'chip' },
    },
  });
  assert.equal(s.put(approval(rest as Action)), 'digest');
  assert.equal(s.put(approval({ ...shown, reads: { ...reads, uses: 2 } })), 'digest');
  assert.equal(s.put(approval(shown)), '');
});

test('attack-34 reads are given by the executor, once, while the approved action runs, exactly as its card said', () => {
  const since = (kind: string, ...more: ((s: Scene, a: Action) => Wanted[])[]) => [kind, ...more] as const;
  const frozen = (): Wanted[] => [{ author: 'operator', kind: 'frozen', body: {} }];
  const thawed = (): Wanted[] => [{ author: 'operator', kind: 'thawed', body: {} }];
  const gone = (): Wanted[] => [
    { author: 'operator', kind: 'identity.revoked', body: { user: owner.user, device: owner.device } },
  ];
  const other = (): Wanted[] => [{ ...enrol, body: { ...person('ann'), role: 'approves' } }];
  const policy = (next: Policy) => (s: Scene) => s.setPolicy(next);
  const bob = { by: [{ user: '@bob:home' }] };
  const rows: [string, string, ReturnType<typeof since>, object?, string?][] = [
    ['genuine, at the claim', '', since('claimed')],
    ['genuine, while it runs', '', since('running')],
    ['before the claim', 'lifecycle', since('approved')],
    ['unapproved', 'lifecycle', since('posted')],
    ['when it is over', 'lifecycle', since('succeeded')],
    ['twice', 'lifecycle', since('claimed', (s, a) => [s.granted(a)])],
    ['by the bot', 'not_allowed', since('claimed'), {}, 'bot'],
    ['by the console', 'not_allowed', since('claimed'), {}, 'operator'],
    ['for another text', 'digest', since('claimed'), { digest: 'f'.repeat(64) }],
    ['more often', 'body_invalid', since('claimed'), { reads: { ...reads, uses: 4 } }],
    ['for longer', 'body_invalid', since('claimed'), { reads: { ...reads, seconds: 101 } }],
    ['of another task', 'body_invalid', since('claimed'), { task: 'other' }],
    ['of another workspace', 'body_invalid', since('claimed'), { workspace: 'other' }],
    ['by somebody else', 'body_invalid', since('claimed'), bob],
    ['as if signed', 'body_invalid', since('claimed'), { grade: 'signed' }],
    ['of kinds besides', 'body_invalid', since('claimed'), { of: 'write_file' }],
    ['frozen since', 'frozen', since('claimed', frozen)],
    ['frozen and thawed since', 'frozen', since('claimed', frozen, thawed)],
    ['its device revoked since', 'revoked', since('claimed', gone)],
    ['another revoked since: a tap names none', 'grade', since('claimed', other, gone2)],
    ['no reads by the policy of now', 'reads', since('claimed', policy(defaultPolicy))],
    ['reads asked each time', 'reads', since('claimed', policy(policyWith({ mode: 'ask' })))],
    ['fewer reads', 'reads', since('claimed', policy(policyWith({ reads: { uses: 2, seconds: 100 } })))],
    ['reads signed', 'grade', since('claimed', policy(policyWith({ grade: 'signed' })))],
  ];
  for (const [name, code, [kind, ...more], over = {}, author = 'executor'] of rows) {
    const s = scene();
    const action = first();
    s.until(action, kind);
    for (const step of more) s.ok(...step(s, action));
    assert.equal(s.put({ ...s.granted(action, over), author }), code, name);
  }
  function gone2(): Wanted[] {
    return [{ author: 'operator', kind: 'identity.revoked', body: { user: '@ann:home' } }];
  }
  // What offered none gives none, whatever was approved.
  const s = scene();
  const plain = request(run('make'));
  s.until(plain, 'claimed');
  assert.equal(s.put({ ...s.granted({ ...plain, reads }), action: plain.id }), 'digest');
  const body = { ...readsOf({ ...plain, reads }, digestOf(plain), s.story(plain)) };
  assert.equal(s.put({ ...s.granted(first()), action: plain.id, body }), 'lifecycle');
});

test('an action that a lease let run gives no reads: nobody was shown them', () => {
  const s = scene();
  const acts = { acts: [run('make')], uses: 2, seconds: 100 };
  const lease = makeAction({ ...where, kind: 'lease', args: acts, requester: '@owner:home' }, offering);
  s.ok(...controlWay(lease));
  const action = first();
  s.until(action, 'requested');
  const digest = digestOf(action);
  s.ok({ author: 'bot', kind: 'leased', action: action.id, body: { digest, lease: lease.id, use: 1 } });
  s.ok({ author: 'executor', kind: 'claimed', action: action.id, body: { digest, executor: 'x' } });
  assert.equal(s.put(s.granted(action)), 'lifecycle');
});

test('attack-34 they cover what the agent reads of that workspace in that task, so often, and nothing else', () => {
  const s = scene();
  const lease = s.lease();
  const rows: [Act, string, object?][] = [
    [read('src/a.ts'), ''],
    [read('src/a.ts'), 'not_covered', { task: 'other' }],
    [read('src/a.ts'), 'not_covered', { workspace: 'other' }],
    [read('src/a.ts'), 'not_covered', { requester: '@owner:home' }],
    [read('../other/a.ts'), 'not_covered'],
    [read('src/../../etc/passwd'), 'not_covered'],
    [read('/etc/passwd'), 'not_covered'],
    [{ kind: 'write_file', args: { path: 'src/a.ts', content: '' } }, 'not_covered'],
    [{ kind: 'edit_file', args: { path: 'src/a.ts', old: 'a', new: 'b' } }, 'not_covered'],
    [run('cat src/a.ts'), 'not_covered'],
    [run('make'), 'not_covered'],
    [read('b'), ''],
    [read('c'), ''],
    [read('d'), 'lease_over'],
  ];
  let count = 1;
  for (const [act, code, over] of rows) {
    assert.equal(s.use(lease, act, count, over), code, JSON.stringify([act, over]));
    if (!code) count++;
  }
});

test('they end by time, by their end, by a freeze, with a device, and where the policy of now gives none', () => {
  const ann = person('ann');
  const operator = (kind: string, body: object): Wanted => ({ author: 'operator', kind, body });
  const ways: [string, string, (s: Scene, lease: string) => Wanted[]][] = [
    ['nothing', '', () => []],
    ['ended', 'lease_over', (_, lease) => [{ author: 'bot', kind: 'lease.ended', body: { lease } }]],
    ['frozen', 'frozen', () => [operator('frozen', {})]],
    ['frozen and thawed', 'frozen', () => [operator('frozen', {}), operator('thawed', {})]],
    [
      'the device revoked',
      'revoked',
      () => [operator('identity.revoked', { user: owner.user, device: owner.device })],
    ],
    [
      'another device revoked, which may have tapped',
      'revoked',
      () => [
        { ...enrol, body: { ...ann, role: 'approves' } },
        operator('identity.revoked', { user: ann.user }),
      ],
    ],
    [
      'the identity reset',
      'revoked',
      () => [{ author: 'bot', kind: 'identity.changed', body: { user: owner.user } }],
    ],
    ['somebody who only reads', 'revoked', () => [{ ...enrol, body: { ...ann, role: 'reads' } }]],
    ['no reads', 'quorum', (s) => s.setPolicy(defaultPolicy)],
    ['reads asked each time', 'quorum', (s) => s.setPolicy(policyWith({ mode: 'ask' }))],
    ['reads closed', 'never', (s) => s.setPolicy(policyWith({ mode: 'never' }))],
    ['reads signed', 'grade', (s) => s.setPolicy(policyWith({ grade: 'signed' }))],
    ['writes asked each time', '', (s) => s.setPolicy(policyWith({ mode: 'ask' }, 'write'))],
  ];
  for (const [name, code, way] of ways) {
    const before = scene();
    const early = before.lease();
    before.ok(...way(before, early));
    assert.equal(before.use(early, read('a'), 1), code, name);
    // Between its use and the claim it counts as well.
    const after = scene();
    const late = after.lease();
    const refused = after.use(late, read('a'), 1, {}, way(after, late)) !== '';
    assert.equal(refused, code !== '', `${name}, after the use`);
  }
  for (const [at, code] of [
    [100_000, ''],
    [100_001, 'lease_over'],
  ] as const) {
    const s = scene();
    const lease = s.lease();
    s.clock.now = start + at;
    assert.equal(s.use(lease, read('a'), 1), code);
  }
});

test('reads that were signed for outlast the loss of another device, not of theirs', () => {
  const ann = person('ann');
  for (const [user, code] of [
    [ann.user, ''],
    [owner.user, 'revoked'],
  ] as const) {
    const s = scene();
    s.ok({ ...enrol, body: { ...ann, role: 'approves' } });
    const lease = s.lease(first({ grade: 'signed' }));
    const given = s.entries.findLast((e: Entry) => e.kind === 'lease.granted');
    assert.match(given?.body ?? '', /"grade":"signed"/);
    s.ok({ author: 'operator', kind: 'identity.revoked', body: { user } });
    assert.equal(s.use(lease, read('a'), 1), code);
  }
});
