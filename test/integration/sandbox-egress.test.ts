/**
 * The executor's part of a network lease, with real containers and a stand-in for the proxy (test/harness/egress): how the way is
 * made, who has it, and each of its ends.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { pino } from 'pino';
import { tarOf } from '../../console/engine/build-context.ts';
import { finished } from '../../console/engine/engine.ts';
import { defaultPolicy } from '../../ledger/rules/policy.cjs';
import { type Action, type Asked, digestOf, makeAction, newId } from '../../ledger/src/action.ts';
import type { Lease } from '../../sandbox/src/egress.ts';
import { startExecutor } from '../../sandbox/src/executor.ts';
import { makeTasks, type Tasks } from '../../sandbox/src/tasks.ts';
import { startLedger } from '../harness/ledger.ts';
import { bashScript, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

let box: Sandbox;
let image: string;
let tasks: Tasks;
const opened: string[] = [];
before(async () => {
  box = await startSandbox();
  image = `pocketcoder-test/egress:${newId()}`;
  const file = (name: string) => ({
    name,
    mode: 0o644,
    content: readFileSync(new URL(`../harness/egress/${name}`, import.meta.url)),
  });
  const tar = tarOf([file('Dockerfile'), file('stand-in.py')]);
  const options = { t: image, dockerfile: 'Dockerfile', buildargs: { TASK: box.place.image } };
  await finished(box.docker, await box.docker.buildImage(tar, options), () => {});
  tasks = makeTasks(box.docker, { ...box.place, egress: { image } });
});
/** Of a test that failed midway. */
afterEach(() => Promise.all(opened.splice(0).map((id) => tasks.kill(name(), id))));
after(async () => {
  tasks?.close();
  await tasks?.sweep();
  await box?.stop();
  await box?.docker.getImage(image).remove({ force: true });
});

const rule = { host: 'example.org', port: 443, class: 'read', path: '/' } as const;
const args = { rules: [rule], up: 1e6, down: 1e6, seconds: 60 };
const name = () => box.name;
const bash = async (script: string, of = tasks, env = {}) =>
  ran(await of.run(name(), newId(), bashScript(script, { env }), () => {}));

/** Opens one and waits until it is there. */
async function open(of = tasks, over: object = {}): Promise<{ id: string; over: Promise<Lease> }> {
  const id = newId();
  opened.push(id);
  let lease: Promise<Lease> | undefined;
  await new Promise<void>((resolve, reject) => {
    lease = of.lease(name(), id, { ...args, ...over }, resolve);
    lease.catch(reject);
  });
  assert.ok(lease);
  return { id, over: lease };
}
const proxies = async () => {
  const filters = { label: [`org.pocketcoder.egress=${box.place.project}`] };
  return (await box.docker.listContainers({ all: true, filters })).length;
};
/** What a script gets by the way that its environment names. */
const reach = 'exec 3<>/dev/tcp/127.0.0.1/$(printenv HTTPS_PROXY | cut -d: -f3) && cat <&3';

test('a script has the way, the CA and a variable for each tool, and still no network; what its action names goes first', async () => {
  const before = await bash('printenv HTTPS_PROXY || echo none; cat /proc/net/dev | grep -c :');
  assert.equal(before.text, 'none\n1\n');
  const lease = await open();
  assert.equal((await bash(reach)).text, 'from outside\n');
  const seen = await bash(
    'for n in NODE_EXTRA_CA_CERTS SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO CARGO_HTTP_CAINFO; do cat "$(printenv $n)"; done; ' +
      'echo "$NODE_USE_ENV_PROXY $GOPROXY"; [ "$https_proxy" = "$HTTPS_PROXY" ] && grep -c : /proc/net/dev; (: > /dev/tcp/192.0.2.1/443) 2>&1 | grep -om1 unreachable',
  );
  assert.equal(
    seen.text,
    `${'the CA of this lease\n'.repeat(7)}1 https://proxy.golang.org\n1\nunreachable\n`,
  );
  assert.equal((await bash('echo "$HTTPS_PROXY"', tasks, { HTTPS_PROXY: 'mine' })).text, 'mine\n');
  await tasks.kill(name(), lease.id);
  assert.deepEqual(await lease.over, { up: 10, down: 13, refused: [], why: 'stopped' });
  assert.equal((await bash('printenv HTTPS_PROXY || echo none')).text, 'none\n');
  assert.equal(await proxies(), 0);
});

test('attack-38 a script cannot plant another CA or way for a later one; the twin: root did place it', async () => {
  const lease = await open();
  const planted = await bash(
    '(echo x > /run/egress.pem) || echo no; rm -f /run/egress.pem || echo no; mv /run/egress.pem /tmp/y || echo no; ln -sf /tmp/z /run/egress.pem || echo no; ' +
      'for f in .bashrc .profile .bash_profile; do echo "export HTTPS_PROXY=http://127.0.0.1:1" > ~/$f; done',
  );
  assert.equal(planted.text.match(/^no$/gm)?.length, 4, planted.text);
  assert.equal((await bash('cat $CURL_CA_BUNDLE')).text, 'the CA of this lease\n');
  assert.equal((await bash(reach)).text, 'from outside\n');
  await tasks.kill(name(), lease.id);
  await lease.over;
});

test('attack-38 a way that is over opens no more, not for what still runs either; the twin had it', async () => {
  const lease = await open();
  let heard = '';
  const script = `(${reach}); until ! (${reach}) > /dev/null 2>&1; do sleep 0.05; done; echo closed`;
  const looking = tasks.run(name(), newId(), bashScript(script), (bytes) => {
    heard += Buffer.from(bytes);
  });
  await until('it has the way', () => heard === 'from outside\n');
  await tasks.kill(name(), lease.id);
  assert.equal(ran(await looking).text, 'from outside\nclosed\n');
});

test('attack-38 a task has one lease: a further one takes its place, and it ends by its time', async () => {
  const short = await open(tasks, { rules: [{ ...rule, host: 'short.test' }] });
  assert.equal((await short.over).why, 'its time was over');
  const [one, two] = [await open(), await open()];
  assert.equal((await one.over).why, 'another lease of its task took its place');
  assert.equal((await bash(reach)).text, 'from outside\n');
  await tasks.kill(name(), two.id);
  assert.equal((await two.over).why, 'stopped');
});

test('it ends with its task’s container, and with its proxy', async () => {
  const lease = await open();
  await box.docker.getContainer(`${box.place.project}-task-${name().task}`).kill();
  assert.equal((await lease.over).why, 'its task’s container ended');
  await tasks.warm(name());
  const next = await open();
  const [proxy] = await box.docker.listContainers({
    filters: { name: [`${box.place.project}-egress-${next.id}`] },
  });
  await box.docker.getContainer(String(proxy?.Id)).kill();
  assert.equal((await next.over).why, 'its proxy ended');
  assert.equal((await bash('printenv HTTPS_PROXY || echo none')).text, 'none\n');
});

test('attack-38 one that was stopped before it was open never opens, and one without an image neither', async () => {
  const id = newId();
  await tasks.kill(name(), id);
  await assert.rejects(tasks.lease(name(), id, args, assert.fail), /stopped before/);
  await assert.rejects(box.tasks.lease(name(), newId(), args, assert.fail), /no image/);
  assert.equal(await proxies(), 0);
});

test('what an executor that is gone left is taken away by the next one', async () => {
  const before = makeTasks(box.docker, { ...box.place, egress: { image } });
  const lease = await open(before);
  const over = assert.rejects(lease.over);
  assert.equal(await proxies(), 1);
  await tasks.sweep();
  await over.catch(() => {});
  before.close();
  await until('it is gone', async () => (await proxies()) === 0);
});

test('attack-38 an executor that is killed leaves nobody a way; the twin had it while it lived', async () => {
  const place = { ...box.place, egress: { image } };
  const file = new URL('../harness/egress/holder.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [file, JSON.stringify({ place, name: name(), args })]);
  try {
    await once(child.stdout, 'data');
    const live = async () =>
      (
        await box.docker.listContainers({
          filters: { label: [`org.pocketcoder.egress=${box.place.project}`] },
        })
      ).length;
    assert.equal(await live(), 1);
    child.kill('SIGKILL');
    await until('its proxy is over', async () => (await live()) === 0, { seconds: 10 });
  } finally {
    child.kill('SIGKILL');
    await tasks.sweep();
  }
});

const quiet = pino({ level: process.env['LOG'] ?? 'silent' });
const finals = ['succeeded', 'failed', 'killed', 'unknown'];

/** A ledger with an enrolled owner, and an executor that goes by it. */
async function scene() {
  const server = await startLedger();
  const bot = await server.connect('bot');
  const operator = await server.connect('operator');
  const keys = { user: '@owner:test', master: 'm', device: 'D', ed25519: 'e', curve25519: 'c' };
  await operator.append({ kind: 'identity.enrolled', body: keys });
  const start = async (of = makeTasks(box.docker, { ...box.place, egress: { image } })) => {
    const executor = startExecutor({
      ...{ ledger: await server.connect('executor'), tasks: of, name: 'one', log: quiet },
    });
    await executor.ready;
    return executor;
  };
  async function asks(kind: 'egress' | 'bash', what: object, task = name().task): Promise<Action> {
    const { workspace } = name();
    const asked = { kind, args: what, workspace, task, requester: 'brain' } as Asked;
    const action = makeAction(asked, defaultPolicy, 'signed');
    const put = (entry: string, body: object) => bot.append({ kind: entry, action: action.id, body });
    await put('requested', action);
    await put('posted', { digest: digestOf(action), room: '!r', event: '$e', form: 'poll' });
    return action;
  }
  const approve = (action: Action) => {
    const evidence = { user: keys.user, device: 'D', event: `$${action.id}`, form: 'poll' };
    const body = { digest: digestOf(action), grade: 'signed', evidence };
    return bot.append({ kind: 'approved', action: action.id, body });
  };
  const said = (action: Action, ...kinds: string[]) =>
    until(`${kinds} of ${action.kind}`, async () =>
      (await bot.story(action.id)).find((e) => kinds.includes(e.kind)),
    );
  const lease = async (task?: string) => {
    const action = await asks('egress', args, task);
    await approve(action);
    assert.equal(JSON.parse((await said(action, 'running')).body).open, true);
    return action;
  };
  const over = async (action: Action) => {
    const { kind, body } = await said(action, ...finals);
    const { reason, up, down } = JSON.parse(body) as { reason?: string; up?: number; down?: number };
    return [kind, reason, up, down];
  };
  const runs = async (script: string) => {
    const action = await asks('bash', { script, cwd: '', env: {}, timeout: 30 });
    await approve(action);
    return String(JSON.parse((await said(action, ...finals)).body).output);
  };
  const stopped = ['killed', 'stopped'];
  return { ...{ server, bot, operator, start, asks, approve, said, lease, over, runs, stopped } };
}

test('attack-38 nothing is opened that nobody approved; approved, scripts have it beside them, and its outcome says what went', async () => {
  const s = await scene();
  const executor = await s.start();
  try {
    // The ledger's own engine judges by the same rules.
    for (const host of ['127.0.0.1', 'Example.org', 'example.org.', '0x7f.1'])
      await assert.rejects(s.asks('egress', { ...args, rules: [{ ...rule, host }] }), /body_invalid/);
    const action = await s.asks('egress', args);
    assert.equal(await s.runs('printenv HTTPS_PROXY || echo none'), 'none\n');
    assert.equal(await proxies(), 0);
    await s.approve(action);
    await s.said(action, 'running');
    assert.equal(await s.runs(reach), 'from outside\n');
    await s.bot.append({ kind: 'stop', action: action.id, body: { by: '@owner:test' } });
    assert.deepEqual(await s.over(action), [...s.stopped, 10, 13]);
    assert.equal(await s.runs('printenv HTTPS_PROXY || echo none'), 'none\n');
  } finally {
    await executor.stop();
    await s.server.stop();
  }
});

test('attack-38 a freeze, the next task of its workspace and the executor’s end each end it, and nothing of it stands after them', async () => {
  const s = await scene();
  let executor = await s.start();
  try {
    const first = await s.lease();
    const next = newId();
    await s.asks('bash', { script: 'true', cwd: '', env: {}, timeout: 9 }, next);
    assert.deepEqual((await s.over(first)).slice(0, 2), s.stopped);
    // Nor does one open that is approved for the task before.
    const late = await s.asks('egress', args);
    await s.approve(late);
    assert.equal((await s.over(late))[0], 'failed');
    assert.equal((await s.said(late, 'running')).body.includes('open'), false);
    assert.equal(await proxies(), 0);
    const second = await s.lease(next);
    await executor.stop();
    assert.equal(await proxies(), 0);
    executor = await s.start();
    const [kind, reason] = await s.over(second);
    assert.deepEqual([kind, /restarted/.test(String(reason))], ['killed', true]);
    const third = await s.lease(next);
    await s.operator.append({ kind: 'frozen', body: {} });
    assert.deepEqual((await s.over(third)).slice(0, 2), s.stopped);
    await until('it is gone', async () => (await proxies()) === 0);
  } finally {
    await executor.stop();
    await s.server.stop();
  }
});
