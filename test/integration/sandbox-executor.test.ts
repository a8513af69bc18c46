/** The executor with a real ledger and real containers: what it runs, what it doesn't, and how often. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, afterEach, before, test } from 'node:test';
import { pino } from 'pino';
import type { Term } from '../../ledger/rules/policy.cjs';
import {
  type Action,
  type Args,
  digestOf,
  type Kind,
  makeAction,
  newId,
  sha256,
} from '../../ledger/src/action.ts';
import { type Entry, type Ledger, LedgerError } from '../../ledger/src/client.ts';
import { type Executor, startExecutor } from '../../sandbox/src/executor.ts';
import { makeTasks } from '../../sandbox/src/tasks.ts';
import { startLedger, type TestLedger } from '../harness/ledger.ts';
import { aPolicy } from '../harness/ledger-chain.ts';
import { lifeOf } from '../harness/life.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

const owner = '@owner:test';
const finals = ['succeeded', 'failed', 'killed', 'unknown', 'expired', 'denied'];
const quiet = pino({ level: process.env['LOG'] ?? 'silent' });
let box: Sandbox;
let server: TestLedger;
let bot: Ledger;
let operator: Ledger;
let running: Executor[] = [];

before(async () => {
  [box, server] = await Promise.all([startSandbox(), startLedger()]);
  bot = await server.connect('bot');
  operator = await server.connect('operator');
  await enrol();
});
/** Executors as processes of their own: what a test that failed left running would hold the runner's output open. */
const processes: ChildProcess[] = [];
afterEach(stopExecutors);
afterEach(() => {
  for (const child of processes.splice(0)) child.kill('SIGKILL');
});
after(async () => {
  await stopExecutors();
  await box?.stop();
  await server?.stop();
});

const enrol = () =>
  operator.append({
    kind: 'identity.enrolled',
    body: { user: owner, master: 'm', device: 'D', ed25519: 'e', curve25519: 'c' },
  });

async function startOne(
  name = 'one',
  over: Partial<Ledger> = {},
  tasks = makeTasks(box.docker, box.place),
): Promise<Executor> {
  const executor = startExecutor({
    ledger: { ...(await server.connect('executor')), ...over },
    tasks,
    name,
    log: quiet,
  });
  running.push(executor);
  await executor.ready;
  return executor;
}
async function stopExecutors(): Promise<void> {
  const stopping = running;
  running = [];
  await Promise.all(stopping.map((e) => e.stop()));
}

type Asking = { clocks?: Partial<Action>; task?: string; workspace?: string };
async function post<K extends Kind>(
  kind: K,
  args: Args[K],
  o: Asking = {},
  file?: Uint8Array,
): Promise<Action> {
  const workspace = o.workspace ?? box.name.workspace;
  const asked = { kind, args, workspace, task: o.task ?? box.name.task, requester: '@owner:test' as const };
  const clocks = { decide_within: 60, execute_within: 60, ...o.clocks } as Partial<Term>;
  const action = makeAction(asked as Parameters<typeof makeAction>[0], aPolicy(clocks));
  const digest = digestOf(action);
  const transcript = file && { transcript: () => [file] };
  await bot.append({ kind: 'requested', action: action.id, body: action, ...transcript });
  await bot.append({
    kind: 'posted',
    action: action.id,
    body: { digest, room: '!r', event: '$e', form: 'chip' },
  });
  return action;
}
const bash = (script: string, o?: Asking & { timeout?: number }) =>
  post('bash', { script, cwd: '', env: {}, timeout: o?.timeout ?? 30 }, o);

async function approve(action: Action): Promise<Action> {
  const evidence = { user: owner, device: 'D', event: '$v', form: 'chip' };
  const body = { digest: digestOf(action), grade: 'sealed', evidence };
  await bot.append({ kind: 'approved', action: action.id, body });
  return action;
}

type Result = {
  exit: number | null;
  signal: string | null;
  bytes: number;
  sha256: string;
  output?: string;
  reason?: string;
};
async function over(action: Action): Promise<{ kind: string; body: Result; entry: Entry; kinds: string[] }> {
  const story = await until(`${action.id} is over`, async () => {
    const entries = await bot.story(action.id);
    return entries.some((e) => finals.includes(e.kind)) && entries;
  });
  const entry = story.find((e) => finals.includes(e.kind)) as Entry;
  return { kind: entry.kind, body: JSON.parse(entry.body), entry, kinds: lifeOf(story) };
}
const lines = async (file: string) => (await box.beside('sh', '-c', `wc -l < /workspace/${file}`)).trim();

test('an approved action runs, and its entries tell how it ended', async () => {
  await startOne();
  const good = await over(await approve(await bash('echo hello; echo oops >&2')));
  assert.deepEqual(good.kinds, ['requested', 'posted', 'approved', 'claimed', 'running', 'succeeded']);
  assert.equal(good.body.output, 'hello\noops\n');
  assert.equal(good.body.sha256, sha256('hello\noops\n'));
  assert.deepEqual([good.body.exit, good.body.signal, good.body.bytes], [0, null, 11]);
  const bad = await over(await approve(await bash('exit 3')));
  assert.deepEqual([bad.kind, bad.body.exit], ['failed', 3]);
  const cut = await over(await approve(await bash('kill -SEGV $$')));
  assert.deepEqual([cut.kind, cut.body.exit, cut.body.signal], ['killed', null, 'SIGSEGV']);
});

test('attack-32 between its card, its yes and its claim nothing else can stand in the place of an action; it runs to the letter, once', async () => {
  await box.beside('install', '-d', '-o', 'agent', '-g', 'agent', '/workspace/a b');
  const args = {
    script: 'echo "$MINE $PWD"; echo x >> /workspace/times',
    cwd: 'a b',
    env: { MINE: '$(id)' },
    timeout: 30,
  };
  const action = await post('bash', args);
  const others = [
    { script: `${args.script}\n` },
    { cwd: 'a' },
    { env: { ...args.env, BASH_ENV: '/workspace/x' } },
    { env: {} },
    { timeout: 31 },
  ].map((over) => ({ ...action, args: { ...args, ...over } }) as Action);
  const refused = (code: string, of: Promise<unknown>) => assert.rejects(of, { code });
  const inPlace = async (other: Action) => {
    const one = { kind: 'requested', action: other.id, body: other };
    await refused('lifecycle', bot.append({ ...one, id: newId() }));
    await assert.rejects(bot.append(one), LedgerError, 'under the very id that it has');
  };
  for (const other of others) {
    await inPlace(other);
    await refused('digest', approve(other));
  }
  await approve(action);
  // No executor is there yet: whoever has the ledger's word for the bot has all the time there is.
  await Promise.all(others.map(inPlace));
  await startOne();
  const { kind, body, kinds } = await over(action);
  assert.deepEqual([kind, body.output], ['succeeded', '$(id) /workspace/a b\n']);
  assert.equal(kinds.filter((one) => one === 'claimed').length, 1);
  assert.equal(await lines('times'), '1');
});

test('output that is long or no text is the entry’s file, byte for byte', async () => {
  await startOne();
  for (const [script, bytes, isFile] of [
    ['printf "\\357\\273\\277x\\0y"', 6, false],
    ['head -c 4096 /dev/zero', 4096, false],
    ['head -c 4097 /dev/zero', 4097, true],
    ['printf "\\377"', 1, true],
    ['head -c 20000000 /dev/urandom', 20_000_000, true],
  ] as const) {
    const { body, entry } = await over(await approve(await bash(script)));
    assert.equal(body.bytes, bytes, script);
    assert.equal(body.output === undefined, isFile, script);
    const pieces = isFile ? await Array.fromAsync(bot.transcript(entry)) : [Buffer.from(body.output ?? '')];
    const content = Buffer.concat(pieces);
    assert.equal(content.length, bytes);
    assert.equal(sha256(content), body.sha256, script);
  }
});

test('a file that came with its request is written where it is the one that the action names, else nothing is', async () => {
  const bytes = randomBytes(32 << 20);
  const asked = () =>
    post('put_file', { path: 'up/large', sha256: sha256(bytes), size: bytes.length }, {}, bytes);
  const other = Buffer.from(bytes);
  other[1] = Number(bytes[1]) ^ 1;
  for (const served of [other, bytes.subarray(1), Buffer.concat([bytes, Buffer.from('x')])]) {
    await startOne('one', { transcript: () => Readable.from([served]) });
    const { kind, body } = await over(await approve(await asked()));
    assert.equal(kind, 'failed');
    assert.match(body.output ?? '', /not the one that the action names; nothing was run/);
    await stopExecutors();
  }
  assert.match(await box.beside('ls', '/workspace/up'), /No such file/);
  await startOne();
  const { kind, body } = await over(await approve(await asked()));
  assert.deepEqual([kind, body.output], ['succeeded', 'wrote 33554432 bytes to /workspace/up/large\n']);
  const there = await box.beside('sha256sum', '/workspace/up/large');
  assert.equal(there.slice(0, 64), sha256(bytes));
  await box.beside('rm', '-r', '/workspace/up');
});

test('files are written, edited and read by approved actions', async () => {
  await startOne();
  await over(await approve(await post('write_file', { path: 'a/b.txt', content: 'one\ntwo\n' })));
  await over(await approve(await post('edit_file', { path: 'a/b.txt', old: 'two', new: 'zwei' })));
  const read = await over(await approve(await post('read_file', { path: 'a/b.txt', offset: 1, limit: 5 })));
  assert.deepEqual([read.kind, read.body.output], ['succeeded', 'zwei\n']);
  const out = await over(
    await approve(await post('read_file', { path: '../etc/passwd', offset: 0, limit: 0 })),
  );
  assert.equal(out.kind, 'failed');
  assert.match(out.body.output ?? '', /contains "\.\."; nothing was run/);
});

test('live output is seen before the result', async () => {
  await startOne();
  let seen = '';
  const leave = await bot.live.subscribe((_, chunk) => {
    seen += Buffer.from(chunk).toString();
  });
  const action = await approve(await bash('echo early; until [ -e /workspace/go ]; do sleep 0.02; done'));
  await until('live output', () => seen.includes('early'));
  assert.ok(!(await bot.story(action.id)).some((e) => finals.includes(e.kind)));
  await box.root('sh', '-c', 'true');
  await box.tasks.kill(box.name, newId()); // of something else: no effect
  await bot.append({ kind: 'stop', action: action.id, body: {} });
  const end = await over(action);
  assert.deepEqual([end.kind, end.body.reason, end.body.output], ['killed', 'stopped', 'early\n']);
  await leave();
});

test('what is denied, expired, frozen or revoked before the claim never runs; its twin does', async () => {
  const script = 'echo x >> never';
  const [denied, late] = await Promise.all([bash(script), bash(script, { clocks: { execute_within: 1 } })]);
  for (const action of [denied, late]) await approve(action);
  await bot.append({
    kind: 'denied',
    action: denied.id,
    body: { digest: digestOf(denied), grade: 'plain', by: owner },
  });
  await until(
    'the clock of the late one',
    async () => Date.now() > Date.parse((await bot.story(late.id)).at(-1)?.at ?? '') + 1100,
  );
  const frozen = await approve(await bash(script, { clocks: { execute_within: 3 } }));
  await operator.append({ kind: 'frozen', body: { reason: 'test' } });
  await operator.append({ kind: 'thawed', body: { reason: 'test' } });
  const revoked = await approve(await bash(script, { clocks: { execute_within: 3 } }));
  await operator.append({ kind: 'identity.revoked', body: { user: owner } });
  await startOne();
  for (const action of [late, frozen, revoked]) {
    const end = await over(action);
    assert.deepEqual(end.kinds, ['requested', 'posted', 'approved', 'expired']);
  }
  await enrol();
  // Asked for after the enrolment: a tap on a card from before would count for nothing.
  assert.equal((await over(await approve(await bash('true')))).kind, 'succeeded');
  assert.equal((await bot.story(denied.id)).at(-1)?.kind, 'denied');
  assert.match(await lines('never'), /cannot open|No such file/);
});

test('a freeze ends what runs, also where the executor was away when it came', async () => {
  await startOne();
  const first = await approve(await bash('echo up; sleep 600', { timeout: 900 }));
  await until('it to run', async () => (await bot.story(first.id)).some((e) => e.kind === 'running'));
  await operator.append({ kind: 'frozen', body: { reason: 'test' } });
  const end = await over(first);
  assert.deepEqual([end.kind, end.body.reason], ['killed', 'stopped']);
  await operator.append({ kind: 'thawed', body: { reason: 'test' } });
  const second = await approve(await bash('echo up; sleep 600', { timeout: 900 }));
  await until('it to run', async () => (await bot.story(second.id)).some((e) => e.kind === 'running'));
  await stopExecutors();
  await operator.append({ kind: 'frozen', body: { reason: 'test' } });
  await operator.append({ kind: 'thawed', body: { reason: 'test' } });
  await startOne();
  assert.equal((await over(second)).kind, 'killed');
  assert.equal((await over(await approve(await bash('true')))).kind, 'succeeded');
});

test('a container stays beside that of another task, and is not taken away while it runs; taken away it is made again, and what it wrote is in the ledger', async () => {
  const tasks = makeTasks(box.docker, box.place);
  await startOne('one', {}, tasks);
  const workspace = newId();
  const [old, next] = [newId(), newId()].map((task) => ({ task, workspace }));
  const standing = async () => (await tasks.standing()).map(({ task }) => task);
  const stores = async () => (await box.docker.listVolumes()).Volumes.map((v) => v.Name).join(' ');
  const go = 'until [ -e /workspace/over ]; do sleep 0.02; done; rm /workspace/over; seq 10000';
  const long = await approve(await bash(go, old));
  await until('it to run', async () => (await bot.story(long.id)).some((e) => e.kind === 'running'));
  assert.equal((await over(await approve(await bash('true', next)))).kind, 'succeeded');
  assert.ok(old && next);
  await tasks.retire(old, true);
  assert.ok((await standing()).includes(old.task), 'it runs');
  assert.equal((await over(await approve(await bash('touch over', next)))).kind, 'succeeded');
  const end = await over(long);
  assert.ok((await standing()).includes(old.task), 'it is needed for an hour more');
  await tasks.retire(old, true);
  assert.ok(!(await standing()).includes(old.task));
  await until('its copies to go', async () => !(await stores()).includes(`-out-${old.task}`));
  assert.deepEqual(
    [end.kind, (await Array.fromAsync(bot.transcript(end.entry))).length > 0],
    ['succeeded', true],
  );
  assert.ok((await standing()).includes(next.task), 'the other one');
  const late = await over(await approve(await bash('echo back; ls /workspace | head -1', old)));
  assert.match(late.body.output ?? '', /^back\n/);
});

test('a no while a grace runs ends it and nothing else; what nobody undid begins when it is over', async () => {
  await startOne();
  const clocks = { grace: 1 };
  const [undone, kept] = await Promise.all([
    bash('echo x >> undone', { clocks }),
    bash('echo x >> kept', { clocks }),
  ]);
  await approve(undone);
  await bot.append({
    kind: 'denied',
    action: undone.id,
    body: { digest: digestOf(undone), grade: 'plain', by: owner },
  });
  const approved = await approve(kept);
  const end = await over(approved);
  assert.equal(end.kind, 'succeeded');
  const at = (kind: string) =>
    bot.story(kept.id).then((story) => Date.parse(story.find((e) => e.kind === kind)?.at ?? ''));
  assert.ok((await at('claimed')) - (await at('approved')) >= 1000);
  assert.match(await lines('undone'), /cannot open|No such file/);
  // The executor is still there, after the moment at which the denied one would have begun.
  assert.equal((await over(await approve(await bash('true')))).kind, 'succeeded');
});

test('two executors race for every action and each runs once', async () => {
  await Promise.all([startOne('one'), startOne('two')]);
  const actions = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      bash(`echo ${i} >> race`, { task: i % 2 ? box.name.task : newId() }),
    ),
  );
  await Promise.all(actions.map(approve));
  for (const action of actions) {
    const end = await over(action);
    assert.equal(end.kind, 'succeeded');
    assert.equal(end.kinds.filter((k) => k === 'claimed').length, 1);
  }
  assert.equal(await lines('race'), '12');
});

async function startProcess(
  own: Record<string, string> = {},
): Promise<{ child: ChildProcess; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'executor-'));
  const { project, images, limits, git } = box.place;
  const ledger = { url: server.url, password: server.passwords.executor };
  await writeFile(
    join(folder, 'executor.json'),
    JSON.stringify({ project, ledger, task_images: { ...images, ...own }, limits, git }),
  );
  const main = join(import.meta.dirname, '../../sandbox/src/main.ts');
  const child = spawn(process.execPath, [main, join(folder, 'executor.json')], {
    stdio: ['ignore', process.env['LOG'] ? 'inherit' : 'ignore', 'inherit'],
    env: { ...process.env, TMPDIR: folder, EXECUTOR_STATE: folder },
  });
  processes.push(child);
  return { child, folder };
}

test('an executor killed mid-run takes its action up again: complete, and run once', async () => {
  const first = await startProcess();
  const script = 'echo run >> once; for i in $(seq 1 300); do echo $i; sleep 0.01; done';
  const action = await approve(await bash(script));
  await until('the entry "running"', async () =>
    (await bot.story(action.id)).some((e) => e.kind === 'running'),
  );
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  const second = await startProcess();
  const end = await over(action);
  assert.equal(end.kind, 'succeeded');
  assert.equal(end.body.output, `${Array.from({ length: 300 }, (_, i) => i + 1).join('\n')}\n`);
  assert.equal(await lines('once'), '1');
  second.child.kill('SIGTERM');
  assert.deepEqual(await once(second.child, 'exit'), [0, null]);
  for (const { folder } of [first, second]) await rm(folder, { recursive: true });
});

test('an action says by its id which image it runs in: that of its workspace, wherever the name points later', async () => {
  const name = `pocketcoder/test:${box.place.project}`;
  const blank = await box.docker.createContainer({ Image: String(box.place.images['']) });
  const made = async (changes: string): Promise<string> => {
    await blank.commit({ repo: 'pocketcoder/test', tag: box.place.project, changes });
    return (await box.docker.getImage(name).inspect()).Id;
  };
  const { Image: usual } = await blank.inspect();
  const own = await made('LABEL which=own');
  const { child, folder } = await startProcess({ shop: name });
  const ran = async (o: Asking) => {
    const action = await approve(await bash('true', { task: newId(), ...o }));
    assert.equal((await over(action)).kind, 'succeeded');
    const claimed = (await bot.story(action.id)).find((e) => e.kind === 'claimed');
    const container = box.docker.getContainer(`${box.place.project}-task-${action.task}`);
    assert.equal(JSON.parse(claimed?.body ?? '').image, (await container.inspect()).Image);
    return (await container.inspect()).Image;
  };
  assert.equal(await ran({}), usual);
  const moved = await made('LABEL which=moved');
  assert.notEqual(moved, own);
  assert.equal(await ran({ workspace: 'shop' }), own);
  child.kill('SIGTERM');
  await once(child, 'exit');
  await blank.remove();
  const filters = { label: [`org.pocketcoder=${box.place.project}`] };
  for (const { Id } of await box.docker.listContainers({ all: true, filters }))
    await box.docker.getContainer(Id).remove({ force: true });
  for (const id of [own, moved]) await box.docker.getImage(id).remove();
  await rm(folder, { recursive: true });
});

test('a claim without a start becomes unknown after a restart, and is not run', async () => {
  const action = await approve(await bash('echo x >> claimed-only', { clocks: { execute_within: 60 } }));
  const executor = await server.connect('executor');
  await executor.append({
    kind: 'claimed',
    action: action.id,
    body: { digest: digestOf(action), executor: 'one' },
  });
  await startOne('two'); // another's claim is left alone
  assert.equal((await over(await approve(await bash('true')))).kind, 'succeeded');
  assert.equal((await bot.story(action.id)).at(-1)?.kind, 'claimed');
  await startOne('one');
  const end = await over(action);
  assert.deepEqual(
    [end.kind, end.body.reason],
    ['unknown', 'it was claimed, but its container has no trace of a start'],
  );
  assert.match(await lines('claimed-only'), /cannot open|No such file/);
});

test('a ledger that is killed mid-run gets the result when it is back', async () => {
  await startOne();
  const action = await approve(await bash('echo go; sleep 1; echo done'));
  await until('the entry "running"', async () =>
    (await bot.story(action.id)).some((e) => e.kind === 'running'),
  );
  await server.kill();
  await server.restart();
  const end = await over(action);
  assert.deepEqual([end.kind, end.body.output], ['succeeded', 'go\ndone\n']);
});

test('the service says what is wrong and exits with 1', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'executor-'));
  const main = join(import.meta.dirname, '../../sandbox/src/main.ts');
  const ledger = { url: server.url, password: server.passwords.executor };
  const limits = { memory_mb: 512, pids: 128, cpus: 1 };
  const good = { project: 'p', ledger, task_images: { '': 'x' }, limits, git: { name: 'n', email: 'e' } };
  const faults = [
    ['missing', undefined, {}, /cannot read .*ENOENT.*run the set-up again/],
    ['json', '{', {}, /cannot read .*JSON/],
    ['limits', JSON.stringify({ ...good, limits: {} }), {}, /limits\.memory_mb.* must be at least 64/],
    [
      'docker',
      JSON.stringify(good),
      { DOCKER_HOST: 'unix:///nowhere.sock' },
      /Docker does not answer .*start it/,
    ],
  ] as const;
  for (const [name, text, env, message] of faults) {
    const file = join(folder, name);
    if (text) await writeFile(file, text);
    const child = spawn(process.execPath, [main, file], {
      env: { ...process.env, TMPDIR: folder, EXECUTOR_STATE: folder, ...env },
    });
    let said = '';
    child.stdout.on('data', (d) => {
      said += d;
    });
    assert.deepEqual(await once(child, 'exit'), [1, null], name);
    assert.match(said, message);
  }
  await rm(folder, { recursive: true });
});
