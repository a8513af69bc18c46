/** Leases and plans: what they cover, how often, until when, and that nothing widens them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { hashed } from '../../ledger/rules/judge.cjs';
import { kinds } from '../../ledger/rules/kinds.cjs';
import { defaultPolicy, type Policy } from '../../ledger/rules/policy.cjs';
import { treeOf } from '../../ledger/rules/workspaces.cjs';
import {
  type Act,
  type Action,
  type Asked,
  digestOf,
  makeAction,
  newId,
  sha256,
} from '../../ledger/src/action.ts';
import { createChain } from '../../ledger/src/chain.ts';
import { aPolicy, enrol, memoryLedger, owner, start, type Wanted } from '../harness/ledger-chain.ts';

const where = { workspace: 'work', task: 'task' } as const;
const read = (path: string, over: object = {}): Act =>
  ({ kind: 'read_file', args: { path, offset: 0, limit: 10, ...over } }) as Act;
const run = (script: string): Act => ({ kind: 'bash', args: { script, cwd: '.', env: {}, timeout: 9 } });
const request = (asked: Pick<Asked, 'kind' | 'args'>, over: object = {}, policy = defaultPolicy): Action =>
  makeAction({ ...asked, ...where, requester: 'brain', ...over } as Asked, policy);

function scene(policy?: Policy) {
  const ledger = memoryLedger();
  let inForce = policy;
  const ok = (wanted: Wanted) => assert.equal(ledger.put(wanted), '', wanted.kind);
  if (policy) ok({ author: 'operator', kind: 'policy.set', body: { policy } });
  ok(enrol);
  /** Grants it by a signed answer. @returns the lease's id, or the first code */
  function grant(kind: 'lease' | 'plan', args: object, over: object = {}): string {
    // The terms are a genuine lease's; what is granted may be anything.
    const honest = { acts: [run('true')], uses: 1, seconds: 1 };
    const made = request({ kind: 'lease', args: honest }, { requester: '@owner:home', ...over });
    const action = { ...made, kind, args } as Action;
    const digest = digestOf(action);
    const evidence = { user: owner.user, device: owner.device, event: '$v', form: 'poll' };
    const of = (k: string, body: object): Wanted => ({
      author: 'bot',
      kind: k,
      action: action.id,
      body: { digest, ...body },
    });
    const { workspace, task } = action;
    const by = [{ user: owner.user, device: owner.device }];
    const way = [
      { ...of('requested', {}), body: action },
      of('posted', {}),
      of('approved', { grade: 'signed', evidence }),
      of('applied', { kind, args, workspace, task, by }),
    ];
    for (const step of way) {
      const code = ledger.put(step);
      if (code) return code;
    }
    return action.id;
  }
  /** Asks for the act under the lease. @returns the code */
  function use(lease: string, act: Act, count: number, over: object = {}): string {
    const action = request(act, over, inForce);
    ok({ author: 'bot', kind: 'requested', action: action.id, body: action });
    const body = { digest: digestOf(action), lease, use: count };
    const code = ledger.put({ author: 'bot', kind: 'leased', action: action.id, body });
    if (code) return code;
    return ledger.put({
      author: 'executor',
      kind: 'claimed',
      action: action.id,
      body: { digest: body.digest, executor: 'x' },
    });
  }
  /** Puts another policy in force, by a signed answer. */
  function setPolicy(next: Policy): string {
    inForce = next;
    const action = request({ kind: 'policy', args: { policy: next } }, { requester: '@owner:home' });
    const digest = digestOf(action);
    const evidence = { user: owner.user, device: owner.device, event: '$v', form: 'poll' };
    const by = [{ user: owner.user, device: owner.device }];
    const of = (k: string, body: object): Wanted => ({
      author: 'bot',
      kind: k,
      action: action.id,
      body: { digest, ...body },
    });
    const { kind, args, workspace, task } = action;
    const way = [
      { ...of('requested', {}), body: action },
      of('posted', {}),
      of('approved', { grade: 'signed', evidence }),
      of('applied', { kind, args, workspace, task, by }),
    ];
    return way.map((step) => ledger.put(step)).find(Boolean) ?? '';
  }
  return { ...ledger, ok, grant, use, setPolicy };
}

test('a lease on exact acts covers these, so often, and no other', () => {
  const s = scene();
  const lease = s.grant('lease', { acts: [run('make test')], uses: 2, seconds: 100 });
  assert.equal(s.use(lease, run('make test'), 1), '');
  assert.equal(s.use(lease, run('make tests'), 2), 'not_covered');
  assert.equal(s.use(lease, run('make test'), 3), 'count');
  assert.equal(s.use(lease, run('make test'), 1), 'count', 'no use is counted twice');
  assert.equal(s.use(lease, run('make test'), 2, { workspace: 'other' }), 'not_covered');
  assert.equal(s.use(lease, run('make test'), 2), '');
  assert.equal(s.use(lease, run('make test'), 3), 'lease_over');
  assert.equal(s.use(newId(), run('make test'), 1), 'no_lease');
});

test('attack-65 what is leased for the workspace covers nothing in a task’s own copy, nor the other way round; the twin in its tree is covered', () => {
  const s = scene();
  const [one, two] = ['apart-abcdefgh', 'apart-hgfedcba'];
  const acts = { acts: [run('make test')], uses: 9, seconds: 100 };
  const trees = [undefined, one, two].map((task) => (task ? { task } : {}));
  for (const [i, given] of trees.entries()) {
    for (const [j, used] of trees.entries()) {
      const lease = s.grant('lease', acts, given);
      assert.equal(s.use(lease, run('make test'), 1, used), i === j ? '' : 'not_covered', `${i} ${j}`);
    }
  }
  const lease = s.grant('lease', acts);
  for (const task of ['beside', 'apart-abc', 'apart-abcdefgh.work'])
    assert.equal(treeOf({ workspace: 'work', task }), 'work', `${task} is no task that is apart`);
  assert.equal(s.use(lease, run('make test'), 1, { task: 'beside' }), '');
});

test('attack-34 a terminal has a card of its own: no lease and no plan holds one, and its reads are leased below no path', () => {
  const open = { kind: 'terminal_open', args: { script: 'sh', cwd: '.', seconds: 9 } };
  const s = scene();
  assert.equal(s.grant('lease', { acts: [open], uses: 1, seconds: 60 }), 'body_invalid');
  assert.equal(s.grant('plan', { steps: [run('true'), open], seconds: 60 }), 'body_invalid');
  assert.equal(s.grant('lease', { of: 'terminal_read', path: '', uses: 1, seconds: 60 }), 'body_invalid');
  assert.equal(s.grant('plan', { steps: [run('true')], seconds: 60 }).length, 15);
});

test('a lease on a path covers one kind of action below it', () => {
  const s = scene();
  const lease = s.grant('lease', { of: 'read_file', path: 'src/lib', uses: 9, seconds: 100 });
  const rows: [Act, string][] = [
    [read('src/lib/a.ts'), ''],
    [read('./src//lib/./b'), ''],
    [read('src/library/a.ts'), 'not_covered'],
    [read('src'), 'not_covered'],
    [read('src/lib/../../etc/passwd'), 'not_covered'],
    [read('/src/lib/a'), 'not_covered'],
    [{ kind: 'write_file', args: { path: 'src/lib/a.ts', content: '' } }, 'not_covered'],
    [run('cat src/lib/a.ts'), 'not_covered'],
    [{ kind: 'list', args: { path: 'src/lib' } }, 'not_covered'],
  ];
  let count = 1;
  for (const [act, code] of rows) {
    assert.equal(s.use(lease, act, count), code, JSON.stringify(act));
    if (!code) count++;
  }
});

test('list and grep are leased below a path as reads of files are', () => {
  const acts = (path: string): Act[] => [
    { kind: 'list', args: { path } },
    { kind: 'grep', args: { pattern: 'x', path } },
  ];
  for (const kind of ['list', 'grep'] as const) {
    const s = scene();
    const lease = s.grant('lease', { of: kind, path: 'src', uses: 9, seconds: 100 });
    for (const act of [...acts('src'), ...acts('src/lib')])
      if (act.kind !== kind) assert.equal(s.use(lease, act, 1), 'not_covered');
    for (const act of [...acts('.'), ...acts('src/..'), ...acts('src2')])
      assert.equal(s.use(lease, act, 1), 'not_covered', JSON.stringify(act));
    for (const [i, path] of ['src', 'src/lib'].entries())
      assert.equal(s.use(lease, acts(path).find((a) => a.kind === kind) as Act, i + 1), '');
  }
});

test('attack-34 a kind with two paths is leased where both are below', (t) => {
  const known = kinds as Record<string, object>;
  known['move'] = { class: 'write', paths: ['path', 'to'] };
  t.after(() => delete known['move']);
  const s = scene();
  const lease = s.grant('lease', { of: 'move', path: 'src', uses: 9, seconds: 100 });
  const move = (path: string, to: string) => ({ kind: 'move', args: { path, to } }) as unknown as Act;
  assert.equal(s.use(lease, move('src/a', 'secret/b'), 1), 'not_covered');
  assert.equal(s.use(lease, move('secret/a', 'src/b'), 1), 'not_covered');
  assert.equal(s.use(lease, move('src/a', ''), 1), 'not_covered');
  for (const [from, to] of [
    ['src/a', 'src/.git/hooks/pre-commit'],
    ['src/.git/config', 'src/a'],
  ] as const)
    assert.equal(s.use(lease, move(from, to), 1), 'not_covered', 'what git obeys');
  assert.equal(s.use(lease, move('src/a', 'src/b'), 1), '');
});

test('a lease ends by time, by its end, by a freeze and with its approver', () => {
  const acts = { acts: [run('true')], uses: 9, seconds: 100 };
  const ways: [string, (s: ReturnType<typeof scene>, lease: string) => void, string][] = [
    ['at its last moment', (s) => (s.clock.now = start + 100_000), ''],
    ['a millisecond later', (s) => (s.clock.now = start + 100_001), 'lease_over'],
    ['ended', (s, lease) => s.ok({ author: 'bot', kind: 'lease.ended', body: { lease } }), 'lease_over'],
    ['frozen', (s) => s.ok({ author: 'operator', kind: 'frozen', body: {} }), 'frozen'],
    [
      'frozen and thawed',
      (s) => ['frozen', 'thawed'].map((kind) => s.ok({ author: 'operator', kind, body: {} })),
      'frozen',
    ],
    [
      'its approver revoked',
      (s) => s.ok({ author: 'operator', kind: 'identity.revoked', body: { user: owner.user } }),
      'revoked',
    ],
    [
      'its device revoked',
      (s) =>
        s.ok({
          author: 'operator',
          kind: 'identity.revoked',
          body: { user: owner.user, device: owner.device },
        }),
      'revoked',
    ],
    [
      'the identity reset',
      (s) => s.ok({ author: 'bot', kind: 'identity.changed', body: { user: owner.user } }),
      'revoked',
    ],
  ];
  for (const [name, end, code] of ways) {
    const s = scene();
    const lease = s.grant('lease', acts);
    end(s, lease);
    assert.equal(s.use(lease, run('true'), 1), code, name);
  }
});

test('what ends a lease after its use and before the claim ends the use as well', () => {
  for (const end of [
    (lease: string): Wanted => ({ author: 'bot', kind: 'lease.ended', body: { lease } }),
    (): Wanted => ({ author: 'operator', kind: 'frozen', body: {} }),
  ]) {
    const s = scene();
    const lease = s.grant('lease', { acts: [run('true')], uses: 9, seconds: 100 });
    const action = request(run('true'));
    const digest = digestOf(action);
    s.ok({ author: 'bot', kind: 'requested', action: action.id, body: action });
    s.ok({ author: 'bot', kind: 'leased', action: action.id, body: { digest, lease, use: 1 } });
    s.ok(end(lease));
    assert.notEqual(
      s.put({ author: 'executor', kind: 'claimed', action: action.id, body: { digest, executor: 'x' } }),
      '',
    );
  }
});

test('a class that the policy asks about each time takes no lease', () => {
  const s = scene(aPolicy({ mode: 'ask' }));
  const lease = s.grant('lease', { acts: [run('true')], uses: 9, seconds: 100 });
  assert.equal(s.use(lease, run('true'), 1), 'not_leased');
});

test('attack-33 what a script says decides nothing: each trick is of one class, and what is leased is the text to the letter; the twin is that text', () => {
  const plain = 'git status';
  const tricks = [
    ...[
      ' git status',
      'git  status',
      'git status ',
      'git\tstatus',
      'git status\n',
      'GIT STATUS',
      'g\\it status',
    ],
    ...[
      'git status;id',
      'git status && id',
      'git status | sh',
      'git status #',
      'git status $(id)',
      'git status `id`',
    ],
    ...['git -c core.fsmonitor=id status', 'git -C / status', 'git --exec-path=. status', 'git statu\u0455'],
    ...[
      'env -S "git status"',
      'env git status',
      'command git status',
      'exec git status',
      'sh -c "git status"',
    ],
    ...[
      '$(echo git) status',
      '"git" status',
      "git 'status'",
      'git$IFS$9status',
      'git status\u200b',
      'git status\r',
    ],
    ...[
      'true',
      'sudo git status',
      'PATH=. git status',
      'git status > /etc/passwd',
      'git status <(id)',
      '! git status',
    ],
  ];
  const s = scene();
  const lease = s.grant('lease', { acts: [run(plain)], uses: 9, seconds: 100 });
  for (const trick of tricks) {
    const asked = request(run(trick));
    assert.deepEqual([asked.class, asked.grade], [request(run(plain)).class, request(run(plain)).grade]);
    assert.equal(s.use(lease, run(trick), 1), 'not_covered', JSON.stringify(trick));
  }
  for (const args of [{ cwd: '..' }, { env: { PATH: '.' } }, { timeout: 10 }])
    assert.equal(
      s.use(lease, { kind: 'bash', args: { ...run(plain).args, ...args } } as Act, 1),
      'not_covered',
    );
  assert.equal(s.use(lease, run(plain), 1), '');
});

test('attack-34 a lease’s own text is what counts: nothing that is no lease becomes one', () => {
  const acts = [run('true')];
  const wrong: object[] = [
    { acts, uses: 0, seconds: 100 },
    { acts, uses: 1e9, seconds: 100 },
    { acts, uses: 1, seconds: 1e9 },
    { acts: [], uses: 1, seconds: 1 },
    { acts: ['*'], uses: 1, seconds: 1 },
    { acts: [{ ...run('true'), also: 1 }], uses: 1, seconds: 1 },
    { acts: [{ kind: 'lease', args: {} }], uses: 1, seconds: 1 },
    { acts, of: 'read_file', path: '', uses: 1, seconds: 1 },
    { of: 'bash', path: '', uses: 1, seconds: 1 },
    { of: 'read_file', path: '../..', uses: 1, seconds: 1 },
    { of: 'read_file', path: '/etc', uses: 1, seconds: 1 },
    { of: 'read_file', path: ['src'], uses: 1, seconds: 1 },
    {},
  ];
  for (const args of wrong) assert.equal(scene().grant('lease', args), 'body_invalid', JSON.stringify(args));
  assert.equal(scene().grant('lease', { acts, uses: 1, seconds: 1 }, { requester: 'brain' }), 'not_allowed');
  // Genuine twin: the lease as it should be.
  assert.match(scene().grant('lease', { acts, uses: 1, seconds: 1 }), /^[a-z0-9]{15}$/);
});

test('attack-34 what git obeys is covered by no lease, however it is spelt; beside it, read, or as a step of a plan it is', () => {
  const write = (path: string): Act => ({ kind: 'write_file', args: { path, content: '' } });
  const edit = (path: string): Act => ({ kind: 'edit_file', args: { path, old: 'a', new: 'b' } });
  const obeyed = [
    '.git/config',
    './.git//hooks/pre-commit',
    'a/../.git/config',
    'sub/.GIT/Hooks/x',
    '.git',
    'sub/.Git',
    '.git\u200C/hooks/x',
    'git~1/config',
    '.git./config',
    '.git /config',
  ];
  for (const act of [...obeyed.map(write), ...obeyed.map(edit)]) {
    const s = scene();
    for (const what of [{ of: act.kind, path: '' }, { acts: [act] }])
      assert.equal(s.use(s.grant('lease', { ...what, uses: 1, seconds: 9 }), act, 1), 'not_covered');
    assert.equal(s.use(s.grant('plan', { steps: [act], seconds: 9 }), act, 1), '');
  }
  for (const twin of [
    write('.gitignore'),
    write('src/git/hooks/x'),
    write('.github/x'),
    edit('a.git/config'),
    read('.git/config'),
  ]) {
    const s = scene();
    const lease = s.grant('lease', { of: twin.kind, path: '', uses: 1, seconds: 9 });
    assert.equal(s.use(lease, twin, 1), '', JSON.stringify(twin.args));
  }
});

test('what a ledger took under a lease before git’s was excepted is no reason to go by it no more', () => {
  const { put, entries, clock } = memoryLedger();
  const lease = makeAction(
    {
      kind: 'lease',
      args: { of: 'write_file', path: '', uses: 2, seconds: 9 },
      ...where,
      requester: '@owner:home',
    },
    defaultPolicy,
  );
  const asked = request({ kind: 'write_file', args: { path: '.git/info/exclude', content: '' } });
  const evidence = { user: owner.user, device: owner.device, event: '$v', form: 'poll' };
  const by = [{ user: owner.user, device: owner.device }];
  const of = (action: Action, kind: string, body: object): Wanted => ({
    ...{ author: 'bot', kind, action: action.id, body: { digest: digestOf(action), ...body } },
  });
  for (const wanted of [
    enrol,
    { ...of(lease, 'requested', {}), body: lease },
    of(lease, 'posted', {}),
    of(lease, 'approved', { grade: 'signed', evidence }),
    of(lease, 'applied', { kind: 'lease', args: lease.args, ...where, by }),
    { ...of(asked, 'requested', {}), body: asked },
  ])
    assert.equal(put(wanted), '', wanted.kind);
  const used = of(asked, 'leased', { lease: lease.id, use: 1 });
  assert.equal(put(used), 'not_covered');
  const chain = createChain();
  for (const entry of entries) assert.equal(chain.take(entry), '');
  assert.equal(
    chain.refusal({ ...used, action: asked.id }, new Date(clock.now).toISOString()),
    'not_covered',
  );
  const head = chain.head();
  const text = canonical(used.body);
  const at = new Date(clock.now).toISOString();
  const entry = {
    ...used,
    id: newId(),
    action: asked.id,
    body: text,
    at,
    seq: head.seq + 1,
    prev: head.hash,
    transcript: '',
  };
  assert.equal(chain.take({ ...entry, hash: sha256(hashed(entry)) }), '');
});

test('attack-34 property: whatever is asked, a lease covers it only where the path lies below, part by part', () => {
  const part = fc.constantFrom('a', 'b', 'ab', '.', '..', '', 'a ', 'A', 'ä');
  const path = fc.array(part, { maxLength: 4 }).map((parts) => parts.join('/'));
  fc.assert(
    fc.property(path, path, fc.constantFrom('read_file', 'write_file'), (folder, asked, kind) => {
      const s = scene();
      const lease = s.grant('lease', { of: 'read_file', path: folder, uses: 5, seconds: 100 });
      if (!/^[a-z0-9]{15}$/.test(lease)) return;
      const act = kind === 'read_file' ? read(asked) : ({ kind, args: { path: asked, content: '' } } as Act);
      const code = s.use(lease, act, 1);
      const plain = (p: string) => p.split('/').filter((x) => x !== '' && x !== '.');
      const [outer, inner] = [plain(folder), plain(asked)];
      const below =
        !asked.startsWith('/') &&
        !inner.includes('..') &&
        outer.every((x, i) => inner[i] === x) &&
        kind === 'read_file';
      assert.equal(code, below ? '' : 'not_covered', `${folder} ← ${asked}`);
    }),
    { numRuns: 300 },
  );
});

test('a grant counts for no less than the policy of now asks for, and does not come back with its device', () => {
  const acts = { acts: [run('true')], uses: 9, seconds: 100 };
  const second = { ...owner, user: '@ann:home', master: 'A', device: 'ANN' };
  for (const [kind, args] of [
    ['lease', acts],
    ['plan', { steps: [run('true')], seconds: 100 }],
  ] as const) {
    const s = scene();
    s.ok({ ...enrol, body: { ...second, role: 'approves' } });
    const lease = s.grant(kind, args);
    const two = aPolicy({ grade: 'signed', approvers: 2, mode: 'ask' });
    const policy = { ...defaultPolicy, exec: { ...two['exec'], mode: 'lease' } } as Policy;
    assert.equal(s.setPolicy(policy), '');
    assert.equal(s.use(lease, run('true'), 1), 'quorum', kind);
  }
  const s = scene();
  const lease = s.grant('lease', acts);
  s.ok({ author: 'bot', kind: 'identity.changed', body: { user: owner.user } });
  s.ok({ ...enrol, body: { ...owner, master: 'N', ed25519: 'N' } });
  assert.equal(s.use(lease, run('true'), 1), 'revoked');
});

test('a plan covers its steps in their order, each once, for its own task', () => {
  const s = scene();
  const steps = [run('one'), read('two'), run('three')];
  const plan = s.grant('plan', { steps, seconds: 100 });
  assert.equal(s.use(plan, run('three'), 1), 'not_covered', 'not before its turn');
  assert.equal(s.use(plan, run('one'), 1, { task: 'other' }), 'not_covered');
  assert.equal(s.use(plan, run('one'), 1), '');
  assert.equal(s.use(plan, run('one'), 2), 'not_covered', 'each once');
  assert.equal(s.use(plan, read('two', { limit: 11 }), 2), 'not_covered', 'to the letter');
  assert.equal(s.use(plan, read('two'), 2), '');
  assert.equal(s.use(plan, run('three'), 3), '');
  assert.equal(s.use(plan, run('three'), 4), 'lease_over');
});

test('a plan may say in words what it has no exact steps for; words let nothing run', () => {
  const s = scene();
  const inWords = s.grant('plan', { words: 'First look, then mend.', steps: [], seconds: 100 });
  assert.equal(inWords.length, 15, 'it is in force');
  assert.equal(s.use(inWords, run('true'), 1), 'no_lease', 'and gives nothing');
  const both = s.grant('plan', { words: 'Run it.', steps: [run('true')], seconds: 100 });
  assert.equal(s.use(both, run('false'), 1), 'not_covered', 'its steps alone');
  assert.equal(s.use(both, run('true'), 1), '');
  for (const words of ['', ' ', 7, null, 'x'.repeat(4001)])
    for (const steps of [[], [run('true')]])
      assert.equal(s.grant('plan', { words, steps, seconds: 100 }), 'body_invalid', JSON.stringify(words));
});

test('a plan is no way around the policy: its steps’ quorum is its own, and a closed class is in none', () => {
  const steps = [read('a'), run('b')];
  const strict = {
    ...defaultPolicy,
    exec: { ...aPolicy({ grade: 'signed', approvers: 2 })['exec'] },
  } as Policy;
  const closed = { ...defaultPolicy, exec: { ...aPolicy({ mode: 'never' })['exec'] } } as Policy;
  assert.equal(scene(strict).grant('plan', { steps, seconds: 100 }), 'quorum');
  assert.equal(scene(strict).grant('plan', { steps: [read('a')], seconds: 100 }).length, 15);
  assert.equal(scene(strict).grant('lease', { acts: steps, uses: 1, seconds: 100 }), 'quorum');
  assert.equal(scene(closed).grant('lease', { acts: [run('b')], uses: 1, seconds: 1 }), 'never');
  assert.equal(scene(closed).grant('plan', { steps, seconds: 100 }), 'never');
  for (const bad of [
    [],
    [null],
    [{ kind: 'plan', args: { steps: [], seconds: 1 } }],
    [{ kind: 'toString', args: {} }],
    'steps',
  ])
    assert.equal(scene().grant('plan', { steps: bad, seconds: 100 }), 'body_invalid', JSON.stringify(bad));
});
