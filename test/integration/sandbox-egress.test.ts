/**
 * Leases of the network with real containers, the real proxy and an origin on this machine: how the way is made, who has it, what
 * goes through, and each of its ends.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, afterEach, before, test } from 'node:test';
import { pino } from 'pino';
import { defaultPolicy } from '../../ledger/rules/policy.cjs';
import {
  type Action,
  type Asked,
  digestOf,
  type EgressRule,
  makeAction,
  newId,
} from '../../ledger/src/action.ts';
import type { Lease } from '../../sandbox/src/egress.ts';
import { startExecutor } from '../../sandbox/src/executor.ts';
import { makeTasks, type Tasks } from '../../sandbox/src/tasks.ts';
import { startLedger } from '../harness/ledger.ts';
import { type Origin, startOrigin } from '../harness/origin.ts';
import { bashScript, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

let box: Sandbox;
let origin: Origin;
let tasks: Tasks;
const made = () => makeTasks(origin.docker, { ...box.place, egress: origin.egress });
const opened: string[] = [];
before(async () => {
  box = await startSandbox();
  origin = await startOrigin(box.docker, box.place.project);
  tasks = made();
});
/** Of a test that failed midway. */
afterEach(() => Promise.all(opened.splice(0).map((id) => tasks.kill(name(), id))));
after(async () => {
  tasks?.close();
  await tasks?.sweep();
  await origin?.stop();
  await box?.stop();
});

const rule = { host: 'origin.test', port: 443, class: 'read', path: '/' } as const;
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
/** A request by the way that its environment names, written by hand: what curl does, and what it never would. */
const asks = (host: string, words: string, of: { tunnel?: string; name?: string } = {}) =>
  `printf '%b' '${words.replaceAll('\n', '\\r\\n')}\\r\\nHost: ${host}\\r\\nConnection: close\\r\\n\\r\\n' | timeout 20 openssl s_client -quiet -CAfile "$SSL_CERT_FILE" \
    -verify_return_error -proxy "\${HTTPS_PROXY#http://}" -connect ${of.tunnel ?? `${host}:443`} -servername ${of.name ?? host} 2> /dev/null`;
const reach = `${asks('origin.test', 'GET /small HTTP/1.1')} | grep -a '^from outside'`;

test('a script has the way, the CA and a variable for each tool, and still no network; what its action names goes first', async () => {
  const before = await bash('printenv HTTPS_PROXY || echo none; cat /proc/net/dev | grep -c :');
  assert.equal(before.text, 'none\n1\n');
  origin.bytes();
  const lease = await open();
  assert.equal((await bash(reach)).text, 'from outside\n');
  const seen = await bash(
    'for n in NODE_EXTRA_CA_CERTS SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO CARGO_HTTP_CAINFO; do head -1 "$(printenv $n)"; done; ' +
      'echo "$NODE_USE_ENV_PROXY $GOPROXY"; [ "$https_proxy" = "$HTTPS_PROXY" ] && grep -c : /proc/net/dev; (: > /dev/tcp/192.0.2.1/443) 2>&1 | grep -om1 unreachable',
  );
  assert.equal(
    seen.text,
    `${'-----BEGIN CERTIFICATE-----\n'.repeat(7)}1 https://proxy.golang.org\n1\nunreachable\n`,
  );
  assert.equal((await bash('echo "$HTTPS_PROXY"', tasks, { HTTPS_PROXY: 'mine' })).text, 'mine\n');
  await tasks.kill(name(), lease.id);
  // To the byte what the origin counted.
  assert.deepEqual(await lease.over, { ...origin.bytes(), refused: [], why: 'stopped' });
  assert.equal((await bash('printenv HTTPS_PROXY || echo none')).text, 'none\n');
  assert.equal(await proxies(), 0);
});

test('a terminal that is opened while there is a lease goes by it; the twin, opened without one, knows none', async () => {
  const script = `${reach}; printenv HTTPS_PROXY || echo none`;
  const shown = async () => {
    const { text, why } = await tasks.terminal(name(), newId(), { script, cwd: '.', seconds: 60 }, () => {});
    return `${text.trim().replace(/:\d+$/, '')} ${why}`;
  };
  assert.equal(await shown(), 'none ');
  const lease = await open();
  assert.equal(await shown(), 'from outside\nhttp://127.0.0.1 ');
  await tasks.kill(name(), lease.id);
  await lease.over;
  assert.equal(await shown(), 'none ');
});

test('attack-38 a script cannot plant another CA or way for a later one; the twin: root did place it', async () => {
  const lease = await open();
  const planted = await bash(
    '(echo x > /run/egress.pem) || echo no; rm -f /run/egress.pem || echo no; mv /run/egress.pem /tmp/y || echo no; ln -sf /tmp/z /run/egress.pem || echo no; ' +
      'for f in .bashrc .profile .bash_profile; do echo "export HTTPS_PROXY=http://127.0.0.1:1" > ~/$f; done',
  );
  assert.equal(planted.text.match(/^no$/gm)?.length, 4, planted.text);
  assert.equal((await bash('head -1 $CURL_CA_BUNDLE')).text, '-----BEGIN CERTIFICATE-----\n');
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
  const short = await open(tasks, { seconds: 4 });
  assert.equal((await short.over).why, 'its time was over');
  const [one, two] = [await open(), await open()];
  assert.equal((await one.over).why, 'another lease of its task took its place');
  assert.equal((await bash(reach)).text, 'from outside\n');
  await tasks.kill(name(), two.id);
  assert.equal((await two.over).why, 'stopped');
});

test('attack-38 another task has nothing of it: no variable, no port, no CA; the twin, its own, does', async () => {
  const lease = await open();
  const other = { ...name(), task: newId() };
  const look = bashScript(
    'printenv HTTPS_PROXY || echo none; tail -n +2 /proc/net/tcp | wc -l; ls /run/egress.pem',
  );
  const { text } = ran(await tasks.run(other, newId(), look, () => {}));
  assert.match(text, /^none\n0\nls: cannot access/);
  const own = await bash('tail -n +2 /proc/net/tcp | grep -c " 0A "; ls /run/egress.pem');
  assert.equal(own.text, '1\n/run/egress.pem\n');
  await tasks.kill(name(), lease.id);
  await lease.over;
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

/** What a lease of these rules lets through, by what its origin saw and what the script was told. */
async function tried(rules: EgressRule[], ...requests: string[]): Promise<[seen: string[], told: string]> {
  const lease = await open(tasks, { rules });
  origin.seen.length = 0;
  const { text } = await bash(`{ ${requests.join('\n')}\n} | grep -ao '^PocketCoder: .*'`);
  await tasks.kill(name(), lease.id);
  await lease.over;
  return [[...origin.seen], text];
}

test('attack-37 a name that leads inside, or to this machine by an address of its own, is not dialled; the twin is', async () => {
  const { names } = origin;
  const rules = Object.values(names).map((host) => ({ ...rule, host }));
  const get = 'GET /small HTTP/1.1';
  const [seen, told] = await tried(rules, ...Object.values(names).map((host) => asks(host, get)));
  assert.deepEqual(seen, ['GET /small']);
  assert.equal(told.match(/leads to an address of the inside/g)?.length, 2, told);
  assert.equal(told.includes('the machine itself'), false);
});

test('attack-38 what the card does not name does not go through, however it is asked; the twin does', async () => {
  const o = 'origin.test';
  const get = (path: string, more = '') => asks(o, `GET ${path} HTTP/1.1${more}`);
  const [seen, told] = await tried(
    [{ ...rule, path: '/pkg' }],
    ...['/small', '/pkgs', '/pkg/../small', '/pkg/%2e%2e/small', '/pkg/x%2f..%2fy', '/pkg//x'].map((path) =>
      get(path),
    ),
    ...['\nX-HTTP-Method-Override: PUT', '\nUpgrade: websocket\nConnection: Upgrade'].map((more) =>
      get('/pkg', more),
    ),
    ...['/pkg?_method=PUT', '/pkg?%5fmethod=PUT', 'https://other.test/pkg'].map((path) => get(path)),
    ...['PUT', 'POST', 'DELETE', 'CONNECT'].map((method) => asks(o, `${method} /pkg HTTP/1.1`)),
    get('/pkg', '\nContent-Length: 1'),
    get('/pkg', '\nTransfer-Encoding: chunked').replace('timeout 20', 'timeout 1'), // it ends never
    asks('other.test', 'GET /pkg HTTP/1.1'),
    asks(o, 'GET /pkg HTTP/1.1', { name: 'other.test' }),
    asks('other.test', 'GET /pkg HTTP/1.1', { name: o, tunnel: `${o}:443` }),
    asks(o, 'GET /pkg HTTP/1.1', { tunnel: `${o}:22` }),
    get('/pkg'),
    get('/pkg/a%20b'),
  );
  assert.deepEqual(seen, ['GET /pkg', 'GET /pkg/a%20b'], told);
  assert.match(told, /PocketCoder: no lease covers PUT https:\/\/origin\.test\/pkg\. The tool `network`/);
});

test('attack-38 a repository is fetched and, where the card says so, pushed, and no other; the twin is served', async () => {
  const o = 'origin.test';
  const refs = (repository: string, service: string) =>
    asks(o, `GET /${repository}/info/refs?service=git-${service} HTTP/1.1`);
  const post = (path: string) => asks(o, `POST ${path} HTTP/1.1\nContent-Length: 0`);
  const all = [
    ...[refs('a.git', 'upload-pack'), refs('a.git', 'receive-pack'), refs('b.git', 'upload-pack')],
    ...[post('/a.git/git-upload-pack'), post('/a.git/git-receive-pack'), post('/a.git/git-upload-pack?x')],
    asks(o, 'GET /a.git/HEAD HTTP/1.1'),
  ];
  const repository = { ...rule, path: '/a.git' } as const;
  const fetched = ['GET /a.git/info/refs?service=git-upload-pack', 'POST /a.git/git-upload-pack'];
  assert.deepEqual((await tried([{ ...repository, class: 'git-fetch' }], ...all))[0], fetched);
  const pushed = ['GET /a.git/info/refs?service=git-receive-pack', 'POST /a.git/git-receive-pack'];
  const [both] = await tried([{ ...repository, class: 'git-push' }], ...all);
  assert.deepEqual(both.sort(), [...fetched, ...pushed].sort());
});

test('attack-38 bytes are cut exactly, either way; the twin of as many goes through', async () => {
  const large = asks('origin.test', 'GET /large HTTP/1.1');
  const down = await open(tasks, { down: 1_000_000 });
  const { text } = await bash(`${large} | wc -c`);
  const over = await down.over;
  assert.deepEqual([over.why, over.down], ['its bytes down were used up', 1_000_000]);
  assert.ok(Number(text) < 1_000_000, text);
  origin.bytes();
  const up = await open(tasks, { up: 200_000, rules: [{ ...rule, class: 'any' }] });
  const post = asks('origin.test', 'POST /echo HTTP/1.1\nContent-Length: 400000').replace(
    ' | timeout',
    '; head -c 400000 /dev/zero) | timeout',
  );
  await bash(`(${post} | cat`);
  const cut = await up.over;
  assert.deepEqual([cut.why, cut.up], ['its bytes up were used up', 200_000]);
  // What the proxy's kernel had not sent went with its container: less may arrive, never more.
  const arrived = origin.bytes().up;
  assert.ok(arrived > 0 && arrived <= 200_000, String(arrived));
  const enough = await open(tasks, { down: 5_000_000 });
  assert.ok(Number((await bash(`${large} | wc -c`)).text) > 4_000_000);
  await tasks.kill(name(), enough.id);
  assert.equal((await enough.over).why, 'stopped');
});

test('attack-38 one that was stopped before it was open never opens, and one without an image neither', async () => {
  const id = newId();
  await tasks.kill(name(), id);
  await assert.rejects(tasks.lease(name(), id, args, assert.fail), /stopped before/);
  await assert.rejects(box.tasks.lease(name(), newId(), args, assert.fail), /no image/);
  assert.equal(await proxies(), 0);
});

test('what an executor that is gone left is taken away by the next one', async () => {
  const before = made();
  const lease = await open(before);
  const over = assert.rejects(lease.over);
  assert.equal(await proxies(), 1);
  await tasks.sweep();
  await over.catch(() => {});
  before.close();
  await until('it is gone', async () => (await proxies()) === 0);
});

test('attack-38 an executor that is killed leaves nobody a way; the twin had it while it lived', async () => {
  const place = { ...box.place, egress: origin.egress };
  const file = new URL('../harness/lease-holder.ts', import.meta.url).pathname;
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
  const start = async (of = made()) => {
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
    origin.bytes();
    assert.equal(await s.runs(reach), 'from outside\n');
    await s.bot.append({ kind: 'stop', action: action.id, body: { by: '@owner:test' } });
    const { up, down } = origin.bytes();
    assert.deepEqual(await s.over(action), [...s.stopped, up, down]);
    assert.equal(await s.runs('printenv HTTPS_PROXY || echo none'), 'none\n');
  } finally {
    await executor.stop();
    await s.server.stop();
  }
});

test('attack-38 a freeze, a lost device, a stop and the executor’s end each end it, and nothing of it stands after them; the twin of another task stays open beside it', async () => {
  const s = await scene();
  let executor = await s.start();
  try {
    const first = await s.lease();
    const next = newId();
    const second = await s.lease(next);
    assert.equal(await proxies(), 2);
    assert.equal(await s.runs(reach), 'from outside\n', 'a task that goes on keeps its own');
    await s.bot.append({ kind: 'stop', action: first.id, body: { by: '@owner:test' } });
    assert.deepEqual((await s.over(first)).slice(0, 2), s.stopped);
    await until('that one alone is gone', async () => (await proxies()) === 1);
    assert.equal((await s.bot.story(second.id)).at(-1)?.kind, 'running');
    await executor.stop();
    assert.equal(await proxies(), 0);
    executor = await s.start();
    const [kind, reason] = await s.over(second);
    assert.deepEqual([kind, /restarted/.test(String(reason))], ['killed', true]);
    const third = await s.lease(next);
    await s.operator.append({ kind: 'frozen', body: {} });
    assert.deepEqual((await s.over(third)).slice(0, 2), s.stopped);
    await s.operator.append({ kind: 'thawed', body: {} });
    const fourth = await s.lease(next);
    await s.operator.append({ kind: 'identity.revoked', body: { user: '@owner:test', device: 'D' } });
    assert.deepEqual((await s.over(fourth)).slice(0, 2), s.stopped);
    await until('it is gone', async () => (await proxies()) === 0);
  } finally {
    await executor.stop();
    await s.server.stop();
  }
});
