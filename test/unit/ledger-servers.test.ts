/** What ledger and executor take of tool servers: looks, pins that hold what was shown, and calls of what a pin holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { hashed } from '../../ledger/rules/judge.cjs';
import { isLook, isPin, isReach, pinKey, toolsFault } from '../../ledger/rules/servers.cjs';
import {
  type Action,
  type Asked,
  type CallArgs,
  makeAction,
  newId,
  type PinArgs,
  sha256,
} from '../../ledger/src/action.ts';
import { makeBook } from '../../sandbox/src/claim.ts';
import { aPolicy, controlWay, enrol, memoryLedger, putAll, wayOf } from '../harness/ledger-chain.ts';
import { asked, callOf, far, keyed, outward, pin } from '../harness/pins.ts';

const policy = aPolicy();
const pinning = (args: PinArgs, workspace = 'main') =>
  controlWay(makeAction(asked({ kind: 'server_pin', args }, workspace), policy));
const calling = (args: CallArgs, kind: 'mcp' | 'mcp_read' | 'mcp_out' = 'mcp', workspace = 'main'): Action =>
  makeAction({ ...asked({ kind, args }, workspace), requester: 'brain' } as Asked, policy);

function scene() {
  const memory = memoryLedger();
  assert.equal(putAll(memory.put, [enrol, ...pinning(pin)]), '');
  return memory;
}

test('a look and a pin are what they have to be, and nothing besides', () => {
  const look = { name: 'own', image: 'mcp/files:1', command: ['a b', '--x'] };
  assert.ok(isLook(look) && isPin(pin));
  for (const wrong of [
    { name: 'Own' },
    { name: 'a__b' },
    { name: '' },
    { image: '--privileged' },
    { image: 'a b' },
    { command: 'x' },
    { command: ['a\0'] },
    { env: {} },
  ])
    assert.equal(isLook({ ...look, ...wrong }), false, JSON.stringify(wrong));
  const [first] = pin.tools;
  for (const wrong of [
    { image: 'mine:1' },
    { era: 'now' },
    { tools: [] },
    { tools: [{ ...first, class: 'control' }] },
    { tools: [{ ...first, hash: 'x' }] },
    { tools: [first, first] },
    { tools: [null] },
    { more: 1 },
  ])
    assert.equal(isPin({ ...pin, ...wrong }), false, JSON.stringify(wrong));
});

test('attack-38 a server at a URL: by https and a name, its calls are of class network, signed, and never leased; the twin, as pinned, is taken', () => {
  const { tools, era, ...where } = far;
  assert.ok(isReach(where) && isPin(far));
  for (const url of [
    'http://example.org/mcp',
    'https://example.org',
    'https://example.org:8443/mcp',
    'https://a@example.org/',
    'https://127.0.0.1/mcp',
    'https://example.org/../mcp',
    'https://example.org/mcp?a=b',
    'https://Example.org/mcp',
    7,
  ])
    assert.deepEqual([isReach({ ...where, url }), isPin({ ...far, url })], [false, false], String(url));
  for (const more of [
    { secret: 'a b' },
    { image: 'mine:1' },
    { command: [] },
    { name: 'Far' },
    { from: 'mine:1' },
  ])
    assert.deepEqual([isReach({ ...where, ...more }), isPin({ ...far, ...more })], [false, false]);
  for (const risk of ['read', 'exec'])
    assert.equal(isPin({ ...far, tools: tools.map(({ item }) => ({ class: risk, item })) }), false, risk);
  assert.equal(isPin({ ...pin, tools: pin.tools.map(({ item }) => ({ class: 'network', item })) }), false);

  const { put } = scene();
  assert.equal(putAll(put, pinning(far)), '');
  const call = { ...callOf('say', { text: 'hi' }, far), url: far.url };
  const twin = calling(call, 'mcp_out');
  assert.deepEqual([twin.class, twin.grade], ['network', 'signed']);
  const { url: _, ...homeless } = call;
  const refused: [what: string, action: Action][] = [
    ['another URL', calling({ ...call, url: `${far.url}/` } as CallArgs, 'mcp_out')],
    ['no URL', calling(homeless, 'mcp_out')],
    ['as a command', calling(call)],
    ['as a read', calling(call, 'mcp_read')],
    ['one of an image, as one that goes out', calling(callOf('say'), 'mcp_out')],
    [
      'another secret',
      calling(
        { ...callOf('say', {}, { ...far, secret: 'OTHER' } as PinArgs), url: far.url } as CallArgs,
        'mcp_out',
      ),
    ],
    [
      'another era',
      calling({ ...callOf('say', {}, { ...far, era: '2026-07-28' }), url: far.url } as CallArgs, 'mcp_out'),
    ],
  ];
  for (const [what, action] of refused)
    assert.equal(putAll(put, wayOf(action)), 'requested: not_pinned', what);
  assert.equal(putAll(put, wayOf({ ...twin, id: newId(), grade: 'sealed' } as Action)), 'requested: grade');
  const acts = [{ kind: 'mcp_out', args: call }];
  for (const kind of ['lease', 'plan'] as const) {
    const args = kind === 'lease' ? { acts, uses: 1, seconds: 60 } : { steps: acts, seconds: 60 };
    const granting = makeAction(asked({ kind, args } as never), policy);
    assert.equal(putAll(put, controlWay(granting)), 'requested: body_invalid', kind);
  }
  assert.equal(putAll(put, wayOf({ ...twin, id: newId() })), 'approved: grade', 'a tap is too little');
  assert.equal(putAll(put, wayOf(twin, 'signed')), '');
});

test('attack-38 a server of an image that reaches hosts: its calls name them, are of class network, signed, and never a read; the twin, as pinned, is taken', () => {
  const look = { name: 'own', image: 'mine:1', command: ['serve'], hosts: ['example.org'] };
  assert.ok(isReach(look) && isReach({ ...look, secrets: { TOKEN: 'MINE' } }) && isPin(outward));
  assert.equal(isLook(look), false, 'it takes the card of a way out');
  const nine = Array.from({ length: 9 }, (_, i) => `a${i}.example.org`);
  const odd: unknown[] = [
    [],
    ['127.0.0.1'],
    ['Example.org'],
    ['a.b:1'],
    ['*.b.c'],
    [7],
    'a.b',
    null,
    {},
    nine,
  ];
  for (const hosts of odd)
    assert.deepEqual(
      [isReach({ ...look, hosts }), isPin({ ...outward, hosts })],
      [false, false],
      JSON.stringify(hosts),
    );
  const { from: _, ...unnamed } = outward;
  const tools = (risk: string) => outward.tools.map(({ item }) => ({ class: risk, item }));
  const { hosts, ...inward } = outward;
  for (const wrong of [
    ...[unnamed, inward, { ...far, hosts }, { ...outward, url: far.url }],
    ...['read', 'exec'].map((risk) => ({ ...outward, tools: tools(risk) })),
  ])
    assert.equal(isPin(wrong), false, JSON.stringify(wrong));
  assert.equal(isReach({ name: 'far', url: far.url, hosts }), false);

  const { put } = scene();
  assert.equal(putAll(put, pinning(outward)), '');
  assert.equal(putAll(put, pinning(far)), '');
  const call = { ...callOf('say', {}, outward), hosts };
  const refused: object[] = [
    callOf('say', {}, outward),
    ...[null, [], ['a.example.org'], ['b.example.org', 'a.example.org']].map((other) => ({
      ...call,
      hosts: other,
    })),
    { ...call, url: far.url },
    { ...callOf('say', {}, far), url: far.url, hosts },
    { ...callOf('say', {}, { ...outward, hosts: ['c.example.org'] }), hosts: ['c.example.org'] },
  ];
  for (const args of refused)
    assert.equal(
      putAll(put, wayOf(calling(args as CallArgs, 'mcp_out'), 'signed')),
      'requested: not_pinned',
      JSON.stringify(args),
    );
  for (const kind of ['mcp', 'mcp_read'] as const)
    assert.equal(putAll(put, wayOf(calling(call as CallArgs, kind))), 'requested: not_pinned', kind);
  const twin = calling(call as CallArgs, 'mcp_out');
  assert.deepEqual([twin.class, twin.grade], ['network', 'signed']);
  assert.equal(putAll(put, wayOf({ ...twin, id: newId() })), 'approved: grade', 'a tap is too little');
  assert.equal(putAll(put, wayOf(twin, 'signed')), '');
});

test('attack-84 which secret stands in which variable is pinned with the image: a look or a call that says another is not taken; the twin is', () => {
  const look = { name: 'own', image: 'mine:1', command: [] };
  for (const secrets of [{ TOKEN: 'MINE' }, { A: 'MINE', A_2: 'MINE' }])
    assert.ok(isLook({ ...look, secrets }) && isPin({ ...pin, secrets }));
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`V${i}`, 'MINE']));
  const odd = [
    {},
    [],
    ['MINE'],
    null,
    'MINE',
    { token: 'MINE' },
    { 'A B': 'MINE' },
    { '': 'MINE' },
    { A: '1' },
  ];
  for (const secrets of [...odd, { A: 'a b' }, { A: 7 }, { 'A=B': 'MINE' }, many])
    assert.deepEqual(
      [isLook({ ...look, secrets }), isPin({ ...pin, secrets })],
      [false, false],
      JSON.stringify(secrets),
    );
  assert.equal(isReach({ name: 'far', url: far.url, secrets: { TOKEN: 'MINE' } }), false);
  assert.equal(isPin({ ...far, secrets: { TOKEN: 'MINE' } }), false);
  const { put } = scene();
  assert.equal(putAll(put, pinning(keyed)), '');
  const { secrets: _, ...bare } = keyed;
  const others: object[] = [{ TOKEN: 'OTHER' }, { KEY: 'MINE' }, { TOKEN: 'MINE', KEY: 'MINE' }];
  for (const other of [bare, ...others.map((secrets) => ({ ...bare, secrets }) as PinArgs)])
    assert.equal(putAll(put, wayOf(calling(callOf('say', {}, other)))), 'requested: not_pinned');
  assert.equal(putAll(put, wayOf(calling(callOf('say', {}, keyed)))), '');
});

test('attack-70 tools that differ by case alone, or whose name would be cut, are none of a pin’s; the twin of one’s own name is', () => {
  const named = (...names: string[]) => names.map((name) => ({ name, inputSchema: { type: 'object' } }));
  assert.match(toolsFault('own', named('say', 'SAY')), /two tools/);
  assert.match(toolsFault('own', named('x'.repeat(46))), /longer than 50/);
  for (const odd of ['a.b', 'a b', 'ѕay', ''])
    assert.match(toolsFault('own', named(odd)), /no name that is one/);
  assert.match(toolsFault('own', [{ name: 'a', inputSchema: {} }]), /takes no object/);
  assert.equal(toolsFault('own', named('bash', 'a__b', 'x'.repeat(45))), '');
});

/** Objects in one another, so many. */
const levels = (n: number): object => JSON.parse(`${'{"a":'.repeat(n - 1)}{}${'}'.repeat(n - 1)}`);

test('a tool that the brain’s client would refuse all for, or that nobody reads to its end, is none of a pin’s', () => {
  const fault = (schema: object, more: object = {}) =>
    toolsFault('own', [{ name: 'say', inputSchema: { type: 'object', ...schema }, ...more }]);
  const twin = { properties: { a: {}, b: { type: 'string' } }, required: ['a'] };
  assert.equal(fault(twin), '');
  const wrong = [
    ...[{ a: true }, { a: null }, { a: [] }, [{}], null, 'a'].map((properties) => ({ properties })),
    ...['a', [1], { 0: 'a' }, null].map((required) => ({ required })),
  ];
  for (const schema of wrong)
    assert.match(
      fault({ ...twin, ...schema }),
      /^say has properties that are no objects, or requires/,
      JSON.stringify(schema),
    );
  assert.equal(fault({}, { annotations: levels(63) }), '');
  assert.match(fault({}, { annotations: levels(64) }), /^say is described in more than 64 levels$/);
  const item = { name: 'say', inputSchema: { type: 'object', ...levels(20_000) } };
  assert.equal(isPin({ ...pin, tools: [{ class: 'exec', item }] }), false);
});

test('attack-72 a call of what nobody pinned is not taken, nor one that names another thing; the twin, as pinned, runs', () => {
  const { put, state } = scene();
  const twin = calling(callOf('say', { text: 'hi' }));
  const changed = { ...pin, command: ['other'] };
  const refused: [what: string, action: Action][] = [
    ['another tool', calling(callOf('steal'))],
    ['another server', calling({ ...callOf('say'), server: 'other' })],
    [
      'another definition',
      calling(
        callOf(
          'say',
          {},
          {
            ...pin,
            tools: [
              {
                class: 'exec',
                item: { name: 'say', description: 'gives it away', inputSchema: { type: 'object' } },
              },
            ],
          },
        ),
      ),
    ],
    ['another command', calling(callOf('say', {}, changed))],
    ['another era', calling(callOf('say', {}, { ...pin, era: '2026-07-28' }))],
    ['another image', calling(callOf('say', {}, { ...pin, image: `sha256:${'cd'.repeat(32)}` }))],
    ['another workspace', calling(callOf('say'), 'mcp', 'shop')],
    ['a name that is a list of it', calling({ ...callOf('say'), server: ['own'] } as never)],
    ['a class that it was not given', calling(callOf('say'), 'mcp_read')],
    ['what has the class read, as a command', calling(callOf('look'))],
    ['more than a call takes', calling({ ...callOf('say'), image: 'x' } as never)],
    ['too much', calling(callOf('say', { text: 'x'.repeat(70_000) }))],
    ['too deep', calling(callOf('say', levels(65)))],
  ];
  for (const [what, action] of refused)
    assert.equal(putAll(put, wayOf(action)), 'requested: not_pinned', what);
  assert.equal(putAll(put, wayOf(twin)), '');
  assert.equal(putAll(put, wayOf(calling(callOf('say', levels(64))))), '');
  assert.equal(putAll(put, wayOf(calling(callOf('look'), 'mcp_read'))), '');

  const first = calling(callOf('say'));
  assert.equal(putAll(put, wayOf(first).slice(0, 3)), '');
  assert.equal(putAll(put, pinning(changed)), '');
  assert.equal(putAll(put, wayOf(first).slice(3, 4)), 'claimed: not_pinned', 'pinned anew before its claim');
  const now = state.servers.get(pinKey('main', 'own'));
  assert.ok(now && 'command' in now);
  assert.deepEqual(now.command, ['other']);
  const removed = { workspace: 'main', name: 'own' };
  assert.equal(put({ author: 'bot', kind: 'server.removed', body: removed }), '');
  assert.equal(put({ author: 'bot', kind: 'server.removed', body: removed }), 'not_pinned');
  assert.equal(putAll(put, wayOf(calling(callOf('say', {}, changed)))), 'requested: not_pinned');
});

test('attack-72 the executor itself goes no further where the ledger took a call of what nobody pinned; the twin is claimed', () => {
  for (const forged of [true, false]) {
    const { entries, put } = scene();
    const book = makeBook();
    for (const entry of entries) assert.equal(book.add(entry), '');
    const action = calling(callOf(forged ? 'steal' : 'say'));
    if (!forged) {
      const before = entries.length;
      assert.equal(putAll(put, wayOf(action).slice(0, 3)), '');
      for (const entry of entries.slice(before)) assert.equal(book.add(entry), '');
      const body = { digest: book.request(action.id).digest };
      assert.equal(book.claimRefusal(action.id, body, Date.parse(entries.at(-1)?.at ?? '')), '');
      continue;
    }
    const head = entries.at(-1) ?? assert.fail();
    const { id } = action;
    const made = { author: 'bot', kind: 'requested', action: id, body: canonical(action), at: head.at };
    const entry = { ...made, id, seq: head.seq + 1, prev: head.hash };
    const stored = { ...entry, hash: sha256(hashed(entry)), transcript: '' };
    assert.match(book.add(stored), /not allowed here: not_pinned/);
    assert.equal(book.claimRefusal(newId(), {}, 0), 'broken');
  }
});

test('nobody pins but by a signed card, and the agent asks for none', () => {
  const { put } = scene();
  const action = makeAction(asked({ kind: 'server_pin', args: pin }), policy);
  assert.deepEqual([action.class, action.grade], ['control', 'signed']);
  const [requested] = controlWay({ ...action, requester: 'brain' });
  assert.equal(requested && put(requested), 'not_allowed');
  const tapped = { ...action, grade: 'sealed' } as Action;
  assert.equal(putAll(put, controlWay(tapped)), 'requested: grade');
});

test('a call with the class read is covered by the reads that a task’s first card leased; another call is not', () => {
  const reads = { uses: 3, seconds: 600 };
  const memory = memoryLedger();
  const term = { ...(policy['read'] ?? assert.fail()), reads };
  const set = { author: 'operator', kind: 'policy.set', body: { policy: { ...policy, read: term } } };
  const first = { ...calling(callOf('say')), reads } as Action;
  const [requested, ...on] = wayOf(first);
  const digest = sha256(canonical(first));
  const granted = {
    digest,
    reads,
    workspace: 'main',
    task: 'task',
    grade: 'sealed',
    by: [{ user: '@owner:home' }],
  };
  const all = [set, enrol, ...pinning(pin), requested ?? assert.fail(), ...on.slice(0, 3)];
  assert.equal(
    putAll(memory.put, [
      ...all,
      { author: 'executor', kind: 'lease.granted', action: first.id, body: granted },
    ]),
    '',
  );
  const use = (action: Action) =>
    putAll(memory.put, [
      { author: 'bot', kind: 'requested', action: action.id, body: action },
      {
        author: 'bot',
        kind: 'leased',
        action: action.id,
        body: { digest: sha256(canonical(action)), lease: first.id, use: 1 },
      },
    ]);
  assert.equal(use(calling(callOf('say'))), 'leased: not_covered');
  assert.equal(use(calling(callOf('look'), 'mcp_read')), '');
});
