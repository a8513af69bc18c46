/** What the executor claims, on a ledger in memory that judges by the real rules; no container starts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { reasons } from '../../ledger/rules/codes.cjs';
import { hashed } from '../../ledger/rules/judge.cjs';
import { defaultPolicy, type Term } from '../../ledger/rules/policy.cjs';
import type { Server } from '../../ledger/rules/state.cjs';
import {
  type Action,
  type Asked,
  type CallArgs,
  digestOf,
  makeAction,
  newId,
  sha256,
  withReads,
} from '../../ledger/src/action.ts';
import { type Append, type Entry, type Ledger, LedgerError } from '../../ledger/src/client.ts';
import type { Follow } from '../../ledger/src/follow.ts';
import { SandboxError } from '../../sandbox/src/container.ts';
import { startExecutor } from '../../sandbox/src/executor.ts';
import type { Script } from '../../sandbox/src/script.ts';
import type { Tasks } from '../../sandbox/src/tasks.ts';
import {
  aPolicy,
  controlWay,
  enrol,
  memoryLedger,
  owner,
  someAction,
  type Wanted,
  wayOf,
} from '../harness/ledger-chain.ts';
import { callOf, pin, asked as pinAsked } from '../harness/pins.ts';
import { until } from '../harness/wait.ts';

const where = { workspace: 'work', requester: '@owner:home' } as const;

async function scene() {
  const memory = memoryLedger();
  let tell: (entry: Entry) => void = () => {};
  const put = (wanted: Wanted): Entry => {
    memory.clock.now = Date.now();
    const code = memory.put(wanted);
    const entry = memory.entries.at(-1);
    if (code || !entry) throw new LedgerError(code, 400, code);
    tell(entry);
    return entry;
  };
  const ledger = {
    async append(e: Append) {
      asked.push(`${e.kind} ${e.action ?? ''}`);
      meanwhile(e.kind);
      return put({ author: 'executor', ...e });
    },
    follow({ onEntry }: Follow) {
      tell = onEntry;
      return { ready: Promise.resolve(), stop: async () => {} };
    },
    live: { send() {} },
  } as unknown as Ledger;
  const runs: { id: string; script: Script }[] = [];
  const typed: string[] = [];
  const ends = new Map<string, () => void>();
  const stays = (id: string, onOpen: () => void) =>
    new Promise((resolve) => {
      ends.set(id, () => resolve({ why: 'stopped', text: 'its last' }));
      onOpen();
    });
  const stopped = new Set<string>();
  const called: string[] = [];
  const warmed: string[] = [];
  const dropped: string[] = [];
  const tried: string[] = [];
  const asked: string[] = [];
  let meanwhile = (_: string): void => {};
  let warm = Promise.resolve();
  let turn = Promise.resolve();
  let screen = async () => ({ exit: 0, text: 'as it stands\n' });
  let copying = async () => {};
  const output = Buffer.from('done\n');
  const tasks = {
    imageOf: () => 'sha256:image',
    limits: { memory_mb: 512, pids: 64, cpus: 1 },
    standing: async () => [],
    warm({ task }: { task: string }) {
      warmed.push(task);
      return warm;
    },
    retire: async () => {},
    adopt: async () => ({ end: 'unknown', why: 'it has no trace of a start' }),
    async run(_: unknown, id: string, script: Script) {
      runs.push({ id, script });
      await turn;
      const status = { how: 'exit', number: 0, size: 5, left: 0, memory: 0, processes: 0 };
      const bytes = { size: output.length, sha256: sha256(output), bytes: output, read: () => [output] };
      return { end: 'done', status, output: bytes };
    },
    async trial({ workspace }: { workspace: string }, _: string, script: Script, stands: () => boolean) {
      await copying();
      if (!stands()) throw new SandboxError('nothing was run');
      tried.push(`${workspace.slice(0, 4)} ${Buffer.from(script.input)}`);
      const status = { how: 'exit', number: 2, size: 5, left: 0, memory: 0, processes: 0 };
      const bytes = { size: output.length, sha256: sha256(output), bytes: output, read: () => [output] };
      return { outcome: { end: 'done', status, output: bytes }, end: 'done\n', did: 'adds: a\n' };
    },
    servers: {
      async call(id: string, _: unknown, { params }: CallArgs, pin: Server) {
        called.push(`${pin.id} ${JSON.stringify(params)}`);
        if (params['text'] === 'late') return { end: 'changed', why: 'it differs' };
        return { end: 'answered', result: { content: [{ type: 'text', text: `by ${id}` }] } };
      },
    },
    screen: () => screen(),
    terminal: (_: unknown, id: string, __: unknown, onOpen: () => void) => stays(id, onOpen),
    stopped: (id: string) => stopped.delete(id),
    terminals: {
      screen: async (id: string) => `screen of ${id}`,
      async type(id: string, bytes: Uint8Array) {
        if (String(bytes) === '') throw new Error('no engine');
        typed.push(`${id} ${Buffer.from(bytes)}`);
      },
      async wait(id: string) {
        if (typed.at(-1)?.includes('exit')) throw new Error('it is gone');
        return `screen of ${id}, later`;
      },
    },
    async kill(_: unknown, id: string) {
      const end = ends.get(id);
      ends.delete(id);
      if (end) end();
      else stopped.add(id);
    },
    async drop({ task }: { task: string }) {
      dropped.push(task);
    },
    close() {},
  } as unknown as Tasks;
  const executor = startExecutor({ ledger, tasks, name: 'one', log: pino({ level: 'silent' }) });
  await executor.ready;
  put(enrol);
  const kinds = (id: string) => memory.entries.filter((e) => e.action === id).map((e) => e.kind);
  return {
    runs,
    /** By which pin a tool server was called, with what. */
    called,
    /** What went into which terminal. */
    typed,
    warmed,
    /** What was run in which copy. */
    tried,
    /** Whose container was asked to delete a copy of an output. */
    dropped,
    /** What the executor wanted to write, whatever the ledger made of it. */
    asked,
    /** Copies take until the function that this returns is called. */
    holdCopies() {
      const { promise, resolve } = Promise.withResolvers<void>();
      copying = () => promise;
      return resolve;
    },
    /** Containers take until the function that this returns is called. */
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      warm = promise;
      return resolve;
    },
    /** What runs goes on until the function that this returns is called. */
    goOn() {
      const { promise, resolve } = Promise.withResolvers<void>();
      turn = promise;
      return resolve;
    },
    screens(next: typeof screen) {
      screen = next;
    },
    /** Done while the executor's next entry of that kind is on its way. */
    before(kind: string, what: () => void) {
      meanwhile = (now) => {
        if (now !== kind) return;
        meanwhile = () => {};
        what();
      };
    },
    kinds,
    tell: (entry: Entry) => tell(entry),
    entries: memory.entries,
    all: (wanted: readonly Wanted[]) => wanted.map(put),
    over: (id: string) => until(`${id} has run`, () => kinds(id).includes('succeeded')),
    stop: () => executor.stop(),
  };
}
const toApproval = (action: Action): Wanted[] => wayOf(action, 'signed').slice(0, 3);
const lease = (args: object): Action =>
  makeAction({ kind: 'lease', args, task: 'granting', ...where } as Asked, defaultPolicy);

test('a control action has nothing to run: no container is made for it and nothing claims it', async () => {
  const s = await scene();
  const grant = lease({ of: 'read_file', path: '', uses: 1, seconds: 60 });
  s.all(controlWay(grant).slice(0, -1));
  const bash = { ...someAction(), task: 'granting' } as Action;
  s.all(toApproval(bash)); // in the same task, so its turn comes after whatever the grant had in hand
  await s.over(bash.id);
  assert.deepEqual(s.kinds(grant.id), ['requested', 'posted', 'approved']);
  assert.deepEqual(
    s.runs.map((r) => r.id),
    [bash.id],
  );
  assert.equal(s.warmed.length, 2, 'for the card and for the run of the other one');
  await s.stop();
});

test('attack-42 a claim of the process before, which reaches the ledger after this one has begun, is taken up and not run; the twin runs', async () => {
  const s = await scene();
  const body = (action: Action) => ({ digest: digestOf(action), executor: 'one', image: 'sha256:image' });
  const late = (action: Action): Wanted => ({
    author: 'executor',
    kind: 'claimed',
    action: action.id,
    body: body(action),
  });
  const [first, second, twin] = ['a', 'b', 'c'].map((task) => ({ ...someAction(), task }) as Action) as [
    Action,
    Action,
    Action,
  ];
  // Before this process asks for its own, and while it does.
  s.all([...toApproval(first), late(first)]);
  s.before('claimed', () => s.all([late(second)]));
  s.all(toApproval(second));
  for (const { id } of [first, second]) {
    await until('it is told', () => s.kinds(id).at(-1) === 'unknown');
    assert.deepEqual(s.kinds(id), ['requested', 'posted', 'approved', 'claimed', 'unknown']);
  }
  s.all(toApproval(twin));
  await s.over(twin.id);
  assert.deepEqual(
    s.runs.map(({ id }) => id),
    [twin.id],
  );
  await s.stop();
});

test('what runs in a container of its own makes none for its task: neither by its card nor by its end', async () => {
  const s = await scene();
  const asked = { kind: 'push_look', args: { branch: '' }, task: 'task1', ...where } as Asked;
  const look = makeAction(asked, defaultPolicy);
  s.all(toApproval(look));
  await s.over(look.id);
  const twin = { ...someAction(), task: 'task1' } as Action;
  s.all(toApproval(twin));
  await s.over(twin.id);
  await s.stop();
  assert.deepEqual([s.warmed, s.dropped], [[look.id, 'task1', 'task1'], ['task1']]);
});

test('a call of a tool server runs once, by the pin that stands, in no container of its task’s and with no snapshot; what is another by then is not called', async () => {
  const s = await scene();
  const pinning = makeAction(pinAsked({ kind: 'server_pin', args: pin }, 'work'), defaultPolicy);
  s.all(controlWay(pinning));
  const call = (text: string) => {
    const asked = pinAsked({ kind: 'mcp', args: callOf('say', { text }) }, 'work');
    return makeAction({ ...asked, requester: 'brain' } as Asked, defaultPolicy);
  };
  const [first, late] = [call('a'), call('late')];
  s.all(toApproval(first));
  await s.over(first.id);
  s.all(toApproval(late));
  await until('it is over', () => s.kinds(late.id).includes('failed'));
  const ended = s.entries
    .filter((e) => ['succeeded', 'failed'].includes(e.kind))
    .map((e) => JSON.parse(e.body));
  assert.deepEqual(
    ended.map(({ exit, output, reason }) => [exit, output, reason]),
    [
      [0, JSON.stringify({ content: [{ type: 'text', text: `by ${first.id}` }] }), undefined],
      [null, 'it differs\n', reasons.changed],
    ],
  );
  assert.deepEqual(s.called, [`${pinning.id} {"text":"a"}`, `${pinning.id} {"text":"late"}`]);
  assert.deepEqual([s.warmed, s.dropped, s.runs], [[], [], []]);
  await s.stop();
});

test('attack-64 what waits in this workspace is tried, and waits on; what is elsewhere, begun, no command or no change of a file is not; the twin, approved, runs', async () => {
  const s = await scene();
  const made = (kind: string, args: object, workspace = 'work') =>
    makeAction({ kind, args, ...where, task: 'task1', workspace } as unknown as Asked, defaultPolicy);
  const waits = { ...someAction(), task: 'task1' } as Action;
  const elsewhere = { ...someAction(), id: 'elsewhere000000', workspace: 'other', task: 'task2' } as Action;
  const undo = made('undo', { number: 1, difference: 'x' });
  for (const action of [waits, elsewhere, undo]) s.all(toApproval(action).slice(0, 2));
  const tries = async (number: number, kind: string) => {
    const one = made('try', { number });
    s.all(toApproval(one));
    await until(kind, () => s.kinds(one.id).includes(kind));
    return String(JSON.parse(s.entries.findLast((e) => e.kind === kind)?.body ?? '').output);
  };
  const told = '#1 in a copy of the workspace: exit 2\nadds: a\nit prints:\ndone\n';
  assert.equal(await tries(1, 'succeeded'), told);
  for (const number of [2, 3, 4, 99])
    assert.match(
      await tries(number, 'failed'),
      /no command and no change of a file that waits here; nothing was run/,
    );
  assert.deepEqual([s.tried, s.kinds(waits.id)], [['try. echo hello'], ['requested', 'posted']]);
  assert.deepEqual(s.runs, []);
  const later = { ...someAction(), id: 'later0000000000', task: 'task1' } as Action;
  s.all(toApproval(later).slice(0, 2));
  const copied = s.holdCopies();
  const number = s.entries.filter((e) => e.kind === 'requested').length;
  const late = tries(number, 'failed');
  await until('it is claimed', () => s.kinds(s.entries.at(-1)?.action ?? '').includes('running'));
  s.all([
    {
      author: 'bot',
      kind: 'denied',
      action: later.id,
      body: { digest: digestOf(later), grade: 'plain', by: owner.user, reason: '❌' },
    },
  ]);
  copied();
  assert.match(await late, /nothing was run/, 'it was denied while its copy was made');
  assert.equal(s.tried.length, 1);
  const end = s.goOn();
  s.all(toApproval(waits).slice(2));
  await until('it runs', () => s.runs.length === 1);
  assert.match(await tries(1, 'failed'), /nothing was run/);
  end();
  await s.over(waits.id);
  await s.stop();
});

test('a screen is read beside what runs in its task, where another read waits; one that cannot be read says so', async () => {
  const s = await scene();
  const asked = (kind: 'screen' | 'list', args: object) =>
    makeAction({ kind, args, task: 'task1', ...where } as Asked, defaultPolicy);
  const end = s.goOn();
  const runs = { ...someAction(), task: 'task1' } as Action;
  s.all(toApproval(runs));
  await until('it runs', () => s.runs.length === 1);
  const [list, looks] = [asked('list', { path: '.' }), asked('screen', {})];
  s.all(toApproval(list));
  s.all(toApproval(looks));
  await s.over(looks.id);
  assert.equal(JSON.parse(s.entries.at(-1)?.body ?? '').output, 'as it stands\n');
  s.screens(() => Promise.reject(new Error('no engine')));
  const late = asked('screen', {});
  s.all(toApproval(late));
  await until('it failed', () => s.kinds(late.id).includes('failed'));
  assert.match(s.entries.at(-1)?.body ?? '', /the screen could not be read: no engine/);
  assert.deepEqual([s.kinds(runs.id).at(-1), s.kinds(list.id).at(-1)], ['running', 'approved']);
  end();
  await s.over(list.id);
  await s.stop();
});

test('attack-34 a terminal goes on beside what runs, is typed into by its number in its own task alone, and ends by a stop', async () => {
  const s = await scene();
  const wait = { until: '', quiet: 1, seconds: 9 };
  const made = (kind: string, args: object, task = 'task1', workspace = 'work') =>
    makeAction({ kind, args, ...where, task, workspace } as unknown as Asked, defaultPolicy);
  const open = made('terminal_open', { script: 'sh', cwd: '.', seconds: 60 });
  s.all(toApproval(open));
  await until('it is open', () => JSON.parse(s.entries.at(-1)?.body ?? '').open === true);
  const runs = { ...someAction(), task: 'task1' } as Action;
  s.all(toApproval(runs));
  await s.over(runs.id);
  const send = (number: number, task?: string, workspace?: string) =>
    made('terminal_send', { number, text: 'é;', enter: true, ...wait }, task, workspace);
  const genuine = send(1);
  s.all(toApproval(genuine));
  await s.over(genuine.id);
  assert.equal(JSON.parse(s.entries.at(-1)?.body ?? '').output, `screen of ${open.id}, later`);
  for (const wrong of [send(2), send(1, 'task2', 'other'), send(1, 'task1', 'other')]) {
    s.all(toApproval(wrong));
    await until('it failed', () => s.kinds(wrong.id).includes('failed'));
    assert.match(s.entries.at(-1)?.body ?? '', /no terminal #\d in this task; nothing was typed/);
  }
  assert.deepEqual(s.typed, [`${open.id} é;\r`]);
  const says = (text: string, enter: boolean) => made('terminal_send', { number: 1, text, enter, ...wait });
  const [lost, last, long] = [says('', false), says('exit', true), says('x'.repeat(2001), false)];
  for (const [one, kind, words] of [
    [lost, 'unknown', /ended meanwhile.*no engine/],
    [last, 'succeeded', /the terminal ended meanwhile/],
    [long, 'failed', /more than 2,000 bytes.*nothing was typed/],
  ] as const) {
    s.all(toApproval(one));
    await until(kind, () => s.kinds(one.id).includes(kind));
    assert.match(s.entries.at(-1)?.body ?? '', words);
  }
  assert.equal(s.typed.splice(1).length, 1);
  s.all([{ author: 'bot', kind: 'stop', action: open.id, body: {} }]);
  await until('it is over', () => s.kinds(open.id).includes('killed'));
  const late = send(1);
  s.all(toApproval(late));
  await until('it failed', () => s.kinds(late.id).includes('failed'));
  assert.equal(s.typed.length, 1);
  await s.stop();
});

test('what a card leased besides is given between the claim and the result; where it can’t be, the action runs all the same', async () => {
  for (const [uses, given] of [
    [3, ['lease.granted']],
    [2, []],
  ] as const) {
    const s = await scene();
    const set = (most: number): Wanted[] => {
      const reads = { uses: most, seconds: 60 };
      const policy = { ...defaultPolicy, read: { ...(defaultPolicy['read'] as Term), reads } };
      const ask = { kind: 'policy', args: { policy }, task: 'setting', ...where } as const;
      return controlWay(makeAction(ask, defaultPolicy));
    };
    s.all(set(3));
    const { policy } = JSON.parse(s.entries.findLast((e) => e.kind === 'applied')?.body ?? '').args;
    const action = withReads(someAction(), policy);
    const release = s.hold();
    s.all(toApproval(action));
    s.all(set(uses)); // fewer than the card says: none, then
    release();
    await s.over(action.id);
    const kinds = s.kinds(action.id).filter((kind) => kind !== 'running');
    assert.deepEqual(kinds, ['requested', 'posted', 'approved', 'claimed', ...given, 'succeeded']);
    assert.ok(s.asked.includes(`lease.granted ${action.id}`));
    await s.stop();
  }
});

test('what a lease covers runs without an answer, and as what was answered does', async () => {
  const s = await scene();
  const read = (): Action =>
    makeAction(
      { kind: 'read_file', args: { path: 'a', offset: 0, limit: 1 }, task: 'reading', ...where },
      defaultPolicy,
    );
  const grant = lease({ of: 'read_file', path: '', uses: 1, seconds: 60 });
  s.all(controlWay(grant));
  const [leased, answered] = [read(), read()];
  const digest = digestOf(leased);
  s.all([
    { author: 'bot', kind: 'requested', action: leased.id, body: leased },
    { author: 'bot', kind: 'leased', action: leased.id, body: { digest, lease: grant.id, use: 1 } },
    ...toApproval(answered),
  ]);
  await s.over(leased.id);
  await s.over(answered.id);
  const operation = (id: string) =>
    Buffer.from(s.runs.find((r) => r.id === id)?.script.input ?? '').toString('latin1');
  assert.match(operation(leased.id), /read/);
  assert.equal(operation(leased.id), operation(answered.id));
  await s.stop();
});

test('what waits for its grace is not begun before', async () => {
  const s = await scene();
  const waiting = makeAction({ ...someAction() } as Asked, aPolicy({ grade: 'signed', grace: 500 }));
  s.all(toApproval(waiting));
  const other = someAction();
  s.all(toApproval(other));
  await s.over(other.id);
  assert.deepEqual(s.kinds(waiting.id), ['requested', 'posted', 'approved']);
  await s.stop();
});

test('a grace that the policy made longer after the card is waited for, and looked after ever more seldom', async () => {
  const s = await scene();
  const action = someAction();
  const [requested, posted, approved] = toApproval(action);
  const exec = { ...(defaultPolicy['exec'] as Term), grace: 2 };
  const ask = {
    kind: 'policy',
    args: { policy: { ...defaultPolicy, exec } },
    task: 'setting',
    ...where,
  } as const;
  s.all([requested, posted, ...controlWay(makeAction(ask, defaultPolicy)), approved] as Wanted[]);
  await s.over(action.id);
  const at = (kind: string) =>
    Date.parse(s.entries.find((e) => e.action === action.id && e.kind === kind)?.at ?? '');
  assert.ok(at('claimed') - at('approved') >= 2000);
  assert.deepEqual(
    s.asked.filter((what) => what.startsWith('claimed')),
    [`claimed ${action.id}`],
  );
  assert.ok(s.warmed.length < 10, `${s.warmed.length} looks`);
  await s.stop();
});

/** A chain that goes on as it should, by somebody who may not. */
function forged(head: Entry): Entry {
  const { hash: prev, ...rest } = head;
  const entry = {
    ...rest,
    id: 'forged000000000',
    seq: head.seq + 1,
    prev,
    author: 'bot',
    kind: 'thawed',
    action: '',
  };
  return { ...entry, hash: sha256(hashed(entry)) };
}

test('what the chain forbids by the time the container is there is not even asked of the ledger', async () => {
  const ends: [string, (s: Awaited<ReturnType<typeof scene>>) => void, boolean][] = [
    ['nothing', () => {}, true],
    ['a freeze', (s) => s.all([{ author: 'operator', kind: 'frozen', body: {} }]), false],
    [
      'a revocation',
      (s) => s.all([{ author: 'operator', kind: 'identity.revoked', body: { user: '@owner:home' } }]),
      false,
    ],
    ['a forged entry', (s) => s.tell(forged(s.entries.at(-1) as Entry)), false],
  ];
  for (const [what, happens, claims] of ends) {
    const s = await scene();
    const release = s.hold();
    const action = someAction();
    s.all(toApproval(action));
    happens(s);
    release();
    await s.stop(); // when all that was in hand is done
    assert.equal(s.asked.includes(`claimed ${action.id}`), claims, what);
    assert.equal(s.runs.length, claims ? 1 : 0, what);
  }
});

test('attack-40 where the ledger took what it had to refuse, nothing is claimed any more', async () => {
  const s = await scene();
  const good = someAction();
  s.all(toApproval(good));
  await s.over(good.id);
  const head = s.entries.at(-1);
  assert.ok(head);
  s.tell(forged(head));
  assert.match(s.entries.at(-1)?.body ?? '', /which claims nothing any more/);
  const next = someAction();
  s.all(toApproval(next));
  await s.stop(); // when all that was in hand is done
  assert.deepEqual(s.kinds(next.id), ['requested', 'posted', 'approved']);
  assert.equal(s.runs.length, 1);
});

test('attack-32 a ledger that puts another script, directory, variable or limit under an approved digest has nothing run; as it was approved it runs, once', async () => {
  for (const change of [
    { script: 'echo hello ' },
    { cwd: 'src' },
    { env: { BASH_ENV: 'x' } },
    { timeout: 61 },
    undefined,
  ]) {
    const s = await scene();
    const action = someAction();
    const stands = change ? { ...action, args: { ...action.args, ...change } } : action;
    const [requested, ...more] = toApproval(action);
    let head = s.entries.at(-1) as Entry;
    for (const { author, kind, body } of [{ ...requested, body: stands } as Wanted, ...more]) {
      const { hash, ...before } = head;
      const id = kind === 'requested' ? action.id : newId();
      const at = new Date().toISOString();
      const next = { id, seq: before.seq + 1, prev: hash, at, author, kind, action: action.id };
      head = { ...before, ...next, body: canonical(body), hash: '' };
      head.hash = sha256(hashed(head));
      s.tell(head);
    }
    await s.stop(); // when all that was in hand is done
    assert.equal(s.asked.includes(`claimed ${action.id}`), change === undefined, JSON.stringify(change));
    assert.equal(s.asked.includes('alarm '), change !== undefined);
    assert.deepEqual(s.runs, []);
  }
  const twin = await scene();
  const action = someAction();
  twin.all(toApproval(action));
  await twin.over(action.id);
  await twin.stop();
  assert.equal(twin.runs.length, 1);
  const { script } = twin.runs[0] ?? {};
  assert.equal(Buffer.from(script?.input ?? '').toString(), 'echo hello');
  assert.deepEqual([script?.cwd, script?.timeout], ['/workspace', 60]);
});
