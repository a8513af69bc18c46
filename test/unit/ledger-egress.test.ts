/** Leases of the network: what may be named in one, and that nothing weaker than a signed answer opens it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isEgress } from '../../ledger/rules/egress.cjs';
import { defaultPolicy, policyFault } from '../../ledger/rules/policy.cjs';
import { type Action, type Asked, digestOf, makeAction, newId } from '../../ledger/src/action.ts';
import { enrol, memoryLedger, owner, type Wanted } from '../harness/ledger-chain.ts';

const rule = { host: 'registry.npmjs.org', port: 443, class: 'read', path: '/' } as const;
const args = { rules: [rule], up: 1e6, down: 300e6, seconds: 3600 };
const asked = { kind: 'egress', args, workspace: 'work', task: 'task', requester: 'brain' } as Asked;
const egress = (over: object = {}): Action =>
  ({ ...makeAction(asked, defaultPolicy), id: newId(), ...over }) as Action;

function scene() {
  const ledger = memoryLedger();
  assert.equal(ledger.put(enrol), '');
  const of = (action: Action, kind: string, body: object, author = 'bot'): Wanted => ({
    ...{ author, kind, action: action.id },
    body: { digest: digestOf(action), ...body },
  });
  const asks = (action: Action) =>
    ledger.put({ author: 'bot', kind: 'requested', action: action.id, body: action });
  return { ...ledger, of, asks };
}

test('attack-37 a host that is an address or spelt in two ways, another port, a path that climbs, and what no card says are refused; the twin is taken', () => {
  const hosts = [
    '127.0.0.1',
    '2130706433',
    '0x7f.1',
    '[::1]',
    'localhost',
    'npmjs.org.',
    'Registry.npmjs.org',
  ];
  const odd = [
    'a b.org',
    'a.org:22',
    'u@a.org',
    'a..org',
    '-a.org',
    'xn--',
    'аpple.org',
    'a.org/x',
    'a.1',
    '',
    443,
  ];
  const rules: object[] = [
    ...[...hosts, ...odd].map((host) => ({ ...rule, host })),
    ...[22, 25, 80, '443', 443.5].map((port) => ({ ...rule, port })),
    ...['', 'x', '/../x', '/a/./b', '/a//b', '/%2e', '/a?b', '/a#b', '/a\\b', '/a b'].map((path) => ({
      ...rule,
      path,
    })),
    ...['', 'raw', 'constructor', null].map((kind) => ({ ...rule, class: kind })),
    ...['git-fetch', 'git-push'].map((kind) => ({ ...rule, class: kind })), // of no repository
    { ...rule, header: 'Authorization' },
    { ...rule, denied: [] },
    { ...rule, class: ['any'] },
  ];
  const all: [object, string][] = [
    ...rules.map((bad): [object, string] => [{ ...args, rules: [rule, bad] }, 'body_invalid']),
    [{ ...args, rules: [] }, 'body_invalid'],
    [{ ...args, rules: Array(21).fill(rule) }, 'body_invalid'],
    [{ ...args, rules: { 0: rule, length: 1 } }, 'body_invalid'],
    ...['up', 'down', 'seconds'].flatMap((name) =>
      [0, -1, 0.5, '9', 1e15].map((v): [object, string] => [{ ...args, [name]: v }, 'body_invalid']),
    ),
    [{ ...args, seconds: 86401 }, 'body_invalid'],
    [{ ...args, allowed: ['10.0.0.0/8'] }, 'body_invalid'],
    [args, ''],
    [{ ...args, rules: [rule, { ...rule, host: 'a.org', class: 'git-push', path: '/o/r.git' }] }, ''],
  ];
  const s = scene();
  for (const [given, code] of all) assert.equal(s.asks(egress({ args: given })), code, JSON.stringify(given));
});

test('attack-59 no secret goes where its task could choose what is answered, nor one of a name that is none; the twins are taken', () => {
  const secret = 'TOKEN';
  const repository = { host: 'a.org', port: 443, class: 'git-push', path: '/o/r.git' };
  const refused: object[] = [
    { ...rule, class: 'any', secret },
    { ...rule, host: 'a.org', secret },
    { ...rule, host: 'registry.npmjs.org.a.org', secret },
    ...['', '-', '7', 'a b', 'a\n', 'x'.repeat(33), 7, null, { host: 'a.org' }].map((odd) => ({
      ...repository,
      secret: odd,
    })),
    { ...repository, secret, value: 'x' },
  ];
  const s = scene();
  const asked = (one: object) => s.asks(egress({ args: { ...args, rules: [rule, one] } }));
  for (const one of refused) assert.equal(asked(one), 'body_invalid', JSON.stringify(one));
  for (const one of [repository, { ...repository, class: 'git-fetch' }, rule])
    assert.equal(asked({ ...one, secret }), '', JSON.stringify(one));
});

test('whatever a host or a path is, it is taken only where a URL of them reads back to the letter', () => {
  const text = fc.oneof(fc.string(), fc.webPath(), fc.domain(), fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(text, text, (host, path) => {
      if (!isEgress({ ...args, rules: [{ ...rule, host, path }] })) return;
      const url = new URL(`https://${host}${path}`);
      assert.deepEqual([url.hostname, url.pathname, url.port, url.search], [host, path, '', '']);
    }),
    { numRuns: 2000 },
  );
  assert.ok(isEgress(args)); // the twin
});

test('attack-38 a tap opens no network, and no policy takes one; the twin, a signed answer, does', () => {
  const s = scene();
  const weak = egress({ grade: 'sealed' });
  assert.equal(s.asks(weak), 'grade');
  const lax = { ...defaultPolicy, network: { ...defaultPolicy['exec'] } };
  assert.notEqual(policyFault(lax), '');
  const action = egress();
  assert.equal(action.grade, 'signed');
  const evidence = { user: owner.user, device: owner.device, event: '$v', form: 'poll' };
  const steps: [Wanted, string][] = [
    [{ author: 'bot', kind: 'requested', action: action.id, body: action }, ''],
    [s.of(action, 'claimed', { executor: 'x' }, 'executor'), 'lifecycle'],
    [s.of(action, 'posted', {}), ''],
    [
      s.of(action, 'approved', {
        grade: 'sealed',
        evidence: { user: owner.user, event: '$t', form: 'chip' },
      }),
      'grade',
    ],
    [s.of(action, 'claimed', { executor: 'x' }, 'executor'), 'lifecycle'],
    [s.of(action, 'approved', { grade: 'signed', evidence }), ''],
    [s.of(action, 'applied', {}), 'lifecycle'], // it is the executor's to open
    [s.of(action, 'claimed', { executor: 'x' }, 'executor'), ''],
  ];
  for (const [step, code] of steps) assert.equal(s.put(step), code, step.kind);
});

test('attack-38 neither a plan nor a lease holds a way out; the twin holds what runs in the sandbox', () => {
  const s = scene();
  const inside = { kind: 'bash', args: { script: 'true', cwd: '.', env: {}, timeout: 9 } };
  const plan = (steps: object[]) =>
    ({
      ...makeAction(
        { ...asked, kind: 'plan', args: { steps: [inside], seconds: 9 } } as Asked,
        defaultPolicy,
      ),
      args: { steps, seconds: 9 },
    }) as Action;
  const lease = (acts: object[]) =>
    ({
      ...makeAction(
        {
          ...asked,
          requester: '@o:x',
          kind: 'lease',
          args: { acts: [inside], uses: 1, seconds: 9 },
        } as Asked,
        defaultPolicy,
      ),
      args: { acts, uses: 1, seconds: 9 },
    }) as Action;
  for (const made of [plan, lease]) {
    assert.equal(s.asks(made([inside, { kind: 'egress', args }])), 'body_invalid');
    assert.equal(s.asks(made([inside])), '');
  }
});
