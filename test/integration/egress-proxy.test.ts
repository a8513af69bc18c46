/**
 * The proxy of a network lease, attacked by hand: what it is asked inside a tunnel, where names lead, who the origin is, how much and how
 * long, and how it ends. How an executor makes and holds one is test/integration/sandbox-egress.test.ts.
 */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { after, afterEach, before, test } from 'node:test';
import type Docker from 'dockerode';
import { findEngine } from '../../console/engine/engine.ts';
import { ensureImage } from '../../console/engine/images.ts';
import { newId } from '../../ledger/src/action.ts';
import { makeRepositories } from '../harness/git-backend.ts';
import { type Origin, type Serve, startOrigin } from '../harness/origin.ts';
import {
  asks,
  type LeaseProxy,
  makeProxies,
  type Order,
  readOf,
  secured,
  tunnelOf,
} from '../harness/proxy.ts';
import { removeProject } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

const { docker } = findEngine();
const project = `test-${newId()}`;
let origin: Origin;
let proxies: Awaited<ReturnType<typeof makeProxies>>;
/** A container that has this machine's network, so that attacks are written here. */
let here: Docker.Container;
const opened: LeaseProxy[] = [];

const repositories = makeRepositories('mine.git', 'other.git');
/** What a registry says of a package. */
const packages: Record<string, string> = {
  '/packages/one': JSON.stringify({
    name: 'one',
    'dist-tags': { latest: '1.2.3' },
    versions: { '1.2.3': { name: 'one', version: '1.2.3' } },
  }),
  '/packages/two/': '<a href="/packages/two-4.5.6-py3-none-any.whl">two-4.5.6-py3-none-any.whl</a>',
};
const serve: Serve = (req, res, body) => {
  const url = String(req.url);
  const ready = packages[url];
  if (/^\/\w+\.git\//.test(url) && req.headers['user-agent']?.startsWith('git/'))
    return repositories.serve(req, res, body);
  if (ready)
    return void res.setHeader('content-type', ready[0] === '<' ? 'text/html' : 'application/json').end(ready);
  if (url === '/endless') {
    const timer = setInterval(() => res.write(Buffer.alloc(2000, 'x')), 20);
    res.on('close', () => clearInterval(timer));
  } else if (url === '/header') res.writeHead(200, { large: 'x'.repeat(70_000) }).end();
  else {
    res.setHeader('connection', url === '/last' ? 'close' : 'keep-alive');
    res.end(url === '/large' ? Buffer.alloc(4e6, 'x') : 'from outside\n');
  }
};

async function idle(NetworkMode: string): Promise<Docker.Container> {
  const container = await docker.createContainer({
    ...{ Image: await ensureImage('task'), Entrypoint: ['sleep'], Cmd: ['3600'], User: '1000:1000' },
    Labels: { 'org.pocketcoder': project },
    HostConfig: { NetworkMode, ReadonlyRootfs: true, CapDrop: ['ALL'], Tmpfs: { '/tmp': 'mode=1777' } },
  });
  await container.start();
  return container;
}

before(async () => {
  origin = await startOrigin(docker, project, serve);
  proxies = await makeProxies(docker, project);
  here = await idle('host');
});
afterEach(async () => {
  for (const proxy of opened.splice(0)) proxy.release();
  await proxies.stop();
});
after(async () => {
  repositories.remove();
  await origin?.stop();
  await removeProject(docker, project);
});

const host = 'origin.test';
const rule = { host, port: 443, class: 'read', path: '/' };
async function open(
  order: Partial<Order> = {},
  names: Docker.HostConfig = {},
  task = here,
): Promise<LeaseProxy> {
  origin.seen.length = 0;
  const { address, egress } = origin;
  const known = { ExtraHosts: [`${host}:${address}`, `other.test:${address}`], ...names };
  const trusted = { allowed: [`${address}/32`], roots: egress.roots };
  const proxy = await proxies.start(task, { rules: [rule], ...trusted, ...order }, known);
  opened.push(proxy);
  return proxy;
}
/** A request as text, its lines ended, and the connection over after it. */
const get = (path: string, more = '', method = 'GET') =>
  `${method} ${path} HTTP/1.1\nHost: ${host}\nConnection: close\n${more}\n`;
/** The status that came, or why none did. */
const status = (answer: string) => /^HTTP\/1\.[01] (\d+)/.exec(answer)?.[1] ?? 'none';
const statusOf = async (...of: Parameters<typeof asks>) =>
  status(await asks(...of).catch((error: Error) => error.message));

test('attack-38 what some origin might take for another method or path goes to none; the twin of each does', async () => {
  const proxy = await open({ rules: [{ ...rule, path: '/pkg' }] });
  const refused = [
    get('/pkg', 'X-HTTP-Method-Override:\nX-HTTP-Method-Override: PUT\n'),
    get('/pkg', 'X_HTTP_Method_Override: PUT\n'),
    get('/pkg', 'x-http-method: PUT\n'),
    get('/pkg', 'X-Original-URL: /small\n'),
    get('/pkg', 'X-Rewrite-URL: /small\n'),
    get('/pkg', 'Upgrade:\nUpgrade: websocket\n'),
    ...['/pkg/..', '/pkg/../small', '/pkg/%2E%2e/small', '/pkg/.%2e/small', '/pkg/%2e%2e%2fsmall'].map(
      (path) => get(path),
    ),
    ...['/pkg\\..\\small', '/pkg/%5c..', '/pkg/%252e%252e/small', '/pkg//small', '/pkg;/../small'].map(
      (path) => get(path),
    ),
    ...['/pkg/%c0%ae%c0%ae/small', '/pkg/%e0%80%ae%e0%80%ae/small'].map((path) => get(path)),
    ...['/pk', '/pkgs', '/PKG', '//pkg', '/', '*', '/pkg?_method=DELETE', '/pkg?%5FMETHOD=PUT'].map((path) =>
      get(path),
    ),
    ...['get', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'].map((method) =>
      get('/pkg', '', method),
    ),
    get('/pkg', 'Content-Length: 1\n').concat('x'),
    get('/pkg', 'Transfer-Encoding: chunked\n').concat('1\nx\n0\n\n'),
    get('/pkg', 'Content-Length: 3\nTransfer-Encoding: chunked\n').concat('0\n\n'),
  ];
  for (const text of refused) assert.match(await statusOf(proxy, text), /^40[03]$/, JSON.stringify(text));
  assert.deepEqual(origin.seen, []);
  const taken = [
    '/pkg',
    '/pkg/',
    '/pkg/a',
    '/pkg/a.b',
    '/pkg/%C3%A9%20b',
    '/pkg?method=PUT',
    '/pkg/x?a=/../b',
  ];
  for (const path of taken) assert.equal(await statusOf(proxy, get(path, 'X-Method: PUT\n')), '200', path);
  assert.equal(await statusOf(proxy, get('/pkg', '', 'HEAD')), '200');
  assert.deepEqual(origin.seen, [...taken.map((path) => `GET ${path}`), 'HEAD /pkg']);
});

test('attack-38 tunnel, TLS and request have to name one host, once, in one way; the twin does', async () => {
  const proxy = await open({ rules: [rule, { ...rule, host: 'third.test' }] });
  const as = (line: string, ...hosts: string[]) =>
    `${line}\n${hosts.map((one) => `Host: ${one}\n`).join('')}Connection: close\n\n`;
  const line = 'GET /small HTTP/1.1';
  for (const text of [
    as(line, host, host),
    as(line, host, 'other.test'),
    as(line, 'other.test'),
    as(line, 'third.test'),
    as(line, ''),
    as(line),
    as('GET /small HTTP/1.0'),
    as(line, `${host}:444`),
    as(line, `${host}.`),
    as(line, `user@${host}`),
    as(`GET https://${host}/small HTTP/1.1`, host),
    as('GET https://other.test/small HTTP/1.1', host),
    as('GET http://169.254.169.254/ HTTP/1.1', host),
    as(`CONNECT ${host}:443 HTTP/1.1`, host),
    as('CONNECT 127.0.0.1:22 HTTP/1.1', host),
    as(line, ` ${host}\r x: y`),
  ])
    assert.match(await statusOf(proxy, text), /^40[03]$/, JSON.stringify(text));
  for (const by of [
    { tunnel: 'other.test:443' },
    { tunnel: 'third.test:443' },
    { name: 'other.test' },
    { name: 'third.test' },
    { tunnel: `${host}:22` },
    { tunnel: `${host}:25` },
    { tunnel: `${host}:0443` },
    { tunnel: `${host}.:443` },
    { tunnel: host },
    { name: '' },
  ])
    assert.notEqual(await statusOf(proxy, get('/small'), by), '200', JSON.stringify(by));
  // What is no CONNECT is no way either.
  const conn = net.connect(proxy.port, '127.0.0.1');
  conn.write(`GET http://${host}/small HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  assert.match(await readOf(conn), /^HTTP\/1\.1 403 .*https alone/s);
  assert.deepEqual(origin.seen, []);
  for (const one of [host, `${host}:443`]) assert.equal(await statusOf(proxy, as(line, one)), '200', one);
  assert.equal(origin.seen.length, 2);
});

test('attack-38 over HTTP/2 it is judged the same; the twin goes through', async () => {
  const proxy = await open({ rules: [{ ...rule, path: '/pkg' }] });
  const conn = await secured(proxy, { protocols: ['h2'] });
  const session = http2.connect(`https://${host}`, { createConnection: () => conn });
  /** The status, or 0 where the stream was reset without one. */
  const statusOf = (headers: http2.OutgoingHttpHeaders) =>
    new Promise<number>((resolve) => {
      const stream = session.request(headers).resume();
      stream.once('response', (answer) => resolve(answer[':status'] ?? 0));
      stream.once('error', () => resolve(0)).once('close', () => resolve(0));
    });
  try {
    assert.equal(conn.alpnProtocol, 'h2');
    for (const headers of [
      { ':path': '/small' },
      { ':path': '/pkg/../small' },
      { ':path': '/pkg', ':authority': 'other.test' },
      { ':path': '/pkg', ':method': 'POST' },
      { ':path': '/pkg', 'x-http-method-override': 'PUT' },
      { ':method': 'CONNECT', ':authority': `${host}:443` },
      { ':path': `https://other.test/pkg` },
    ])
      assert.notEqual(await statusOf(headers), 200, JSON.stringify(headers));
    assert.deepEqual(origin.seen, []);
    assert.equal(await statusOf({ ':path': '/pkg' }), 200);
    assert.deepEqual(origin.seen, ['GET /pkg']);
  } finally {
    session.destroy();
  }
});

test('attack-38 of several rules of a host one has to cover a request whole; the twin is covered by either', async () => {
  const rules = [
    { ...rule, path: '/a' },
    { ...rule, class: 'any', path: '/b' },
    { ...rule, class: 'git-fetch', path: '/c.git' },
  ];
  const proxy = await open({ rules });
  const tried = [
    'POST /a',
    'POST /c.git',
    'GET /c.git',
    'POST /c.git/git-receive-pack',
    'GET /d',
    'PUT /b/../a',
  ];
  for (const one of tried) {
    const [method = '', path = ''] = one.split(' ');
    assert.equal(await statusOf(proxy, get(path, 'Content-Length: 0\n', method)), '403', one);
  }
  assert.deepEqual(origin.seen, []);
  const taken = ['GET /a', 'PUT /b/x', 'DELETE /b', 'GET /b', 'POST /c.git/git-upload-pack'];
  for (const one of taken) {
    const [method = '', path = ''] = one.split(' ');
    assert.equal(await statusOf(proxy, get(path, 'Content-Length: 0\n', method)), '200', one);
  }
  assert.deepEqual(origin.seen, taken);
});

test('attack-37 a name that leads to any address of the inside is not dialled, however it is spelt; the twin is', async () => {
  const inside = [
    ...[
      '127.0.0.1',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
    ],
    ...[
      '100.100.100.200',
      '0.0.0.0',
      '192.0.0.192',
      '198.18.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '168.63.129.16',
    ],
    ...[
      '::1',
      '::',
      '::ffff:10.0.0.1',
      '::ffff:127.0.0.1',
      '64:ff9b::a00:1',
      'fe80::1',
      'fc00::1',
      'fd00:ec2::254',
    ],
    ...['ff02::1', '2002:a00:1::', '2001::1'],
  ];
  const names = inside.map((_, n) => `n${n}.test`);
  const proxy = await open(
    {
      rules: [rule, { ...rule, host: 'denied.test' }, ...names.map((one) => ({ ...rule, host: one }))],
      denied: ['203.0.113.7/32'],
    },
    {
      ExtraHosts: [
        `${host}:${origin.address}`,
        'denied.test:203.0.113.7',
        ...inside.map((address, n) => `${names[n]}:${address}`),
      ],
    },
  );
  const asked = (of: string) =>
    asks(proxy, get('/small').replace(host, of), { tunnel: `${of}:443`, name: of });
  for (const [n, name] of [...names, 'denied.test'].entries())
    assert.match(await asked(name), /^HTTP\/1\.1 502 .*leads to an address of the inside/s, inside[n]);
  // An address in a name's place is no rule's.
  for (const to of ['2130706433:443', '0x7f.1:443', '127.1:443', '[::1]:443', `${origin.address}:443`])
    assert.equal(await statusOf(proxy, get('/small'), { tunnel: to }), '403', to);
  assert.deepEqual(origin.seen, []);
  assert.match(await asked(host), /from outside/);
});

test('attack-37 a name that leads elsewhere the next time is dialled where it was judged; the twin is', async () => {
  const asked: string[] = [];
  const server = dgram.createSocket('udp4');
  // The first answer is the origin's address; all further ones lead inside.
  server.on('message', (query, from) => {
    const end = query.indexOf(0, 12) + 5;
    const question = query.subarray(12, end);
    const isAddress = question.readUInt16BE(question.length - 4) === 1;
    const name = question.toString('latin1', 1, 7);
    const first = isAddress && !asked.includes(name);
    if (isAddress) asked.push(name);
    const address = Buffer.from((first ? origin.address : '10.9.9.9').split('.').map(Number));
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address]);
    const header = Buffer.from([...query.subarray(0, 2), 0x84, 0, 0, 1, 0, isAddress ? 1 : 0, 0, 0, 0, 0]);
    server.send(Buffer.concat([header, question, ...(isAddress ? [answer] : [])]), from.port, from.address);
  });
  server.bind(53, origin.address);
  await once(server, 'listening');
  try {
    const proxy = await open({}, { ExtraHosts: [], Dns: [origin.address] });
    assert.match(await asks(proxy, get('/last')), /from outside/);
    assert.deepEqual(asked, ['origin']);
    // It was the last of its connection: a new one is judged by the answer that it goes by.
    assert.match(await asks(proxy, get('/small')), /leads to an address of the inside, 10\.9\.9\.9/);
    // What no rule names is not asked for either.
    assert.equal(
      await statusOf(proxy, get('/small').replace(host, 'secret.test'), {
        tunnel: 'secret.test:443',
        name: 'secret.test',
      }),
      '403',
    );
    assert.equal(asked.includes('secret'), false);
  } finally {
    server.close();
  }
});

test('attack-38 an origin whose certificate is another’s, or nobody’s, gets no request; the twin does', async () => {
  const proxy = await open({ rules: [rule, { ...rule, host: 'other.test' }] });
  const other = await asks(proxy, get('/small').replace(host, 'other.test'), {
    tunnel: 'other.test:443',
    name: 'other.test',
  });
  assert.match(other, /^HTTP\/1\.1 502 .*certificate is valid for/s);
  const believes = await open({ roots: '' });
  assert.match(await asks(believes, get('/small')), /^HTTP\/1\.1 502 .*unknown authority/s);
  assert.deepEqual(origin.seen, []);
  assert.match(await asks(proxy, get('/small')), /from outside/);
});

test('attack-38 headers that are slow or huge end their own connection alone; the twin is served meanwhile', async () => {
  const proxy = await open();
  const slow = await secured(proxy);
  slow.write('GET /small HTTP/1.1\r\nHost: ');
  const dripped = setInterval(() => slow.write('x'), 200);
  const mute = await tunnelOf(proxy);
  const cut = Promise.all([readOf(slow), readOf(mute)]);
  assert.equal(await statusOf(proxy, get('/small', `X: ${'x'.repeat(80_000)}\n`)), '431');
  assert.equal(await statusOf(proxy, get('/header')), '502');
  assert.match(await asks(proxy, get('/small')), /from outside/);
  await cut;
  clearInterval(dripped);
  assert.deepEqual(origin.seen, ['GET /header', 'GET /small']);
  assert.match(await asks(proxy, get('/small')), /from outside/);
});

test('attack-38 bytes either way are what the origin counts, and are cut to the byte whatever carries them; the twin of as many goes through', async () => {
  const proxy = await open({ down: 5_000_000, rules: [{ ...rule, class: 'any' }] });
  origin.bytes();
  assert.equal((await asks(proxy, get('/large'))).length > 4e6, true);
  await asks(proxy, get('/small', `Content-Length: 100000\n`, 'POST').concat('x'.repeat(100_000)));
  await until('a tick', () => proxy.lines.at(-1)?.up ?? 0 > 100_000);
  proxy.release();
  const counted = origin.bytes();
  assert.deepEqual(await proxy.over, { end: 'its executor let go', ...counted });
  assert.ok(counted.up > 100_000 && counted.down > 4e6);
  // Paths, and headers, take from what may go up.
  const little = await open({ up: 20_000 });
  origin.bytes();
  for (let n = 0; n < 40 && little.lines.at(-1)?.end === undefined; n++)
    await asks(little, get(`/${'x'.repeat(500)}`, `X: ${'y'.repeat(500)}\n`)).catch(() => {});
  assert.deepEqual(
    [(await little.over)?.end, (await little.over)?.up],
    ['its bytes up were used up', 20_000],
  );
  assert.equal(origin.bytes().up, 20_000);
  const less = await open({ down: 1_000_000 });
  const several = await Promise.all([1, 2, 3].map(() => asks(less, get('/large'))));
  assert.deepEqual(
    [(await less.over)?.end, (await less.over)?.down],
    ['its bytes down were used up', 1_000_000],
  );
  assert.ok(several.join('').length < 1_000_000);
});

/** What of a stream that never ends has come, until it is over. */
async function streaming(proxy: LeaseProxy): Promise<{ heard(): number; over: Promise<string> }> {
  const conn = await secured(proxy);
  let heard = 0;
  conn.on('data', ({ length }: Buffer) => {
    heard += length;
  });
  const over = readOf(conn);
  conn.write(get('/endless').replaceAll('\n', '\r\n'));
  await until('it flows', () => heard > 10_000);
  return { heard: () => heard, over };
}
const isOver = async (proxy: LeaseProxy) => assert.rejects(tunnelOf(proxy), /ECONNREFUSED/);

test('attack-38 a lease is over at its moment, with its stdin, after 15 s of silence, and by kill -9, and what flowed with it; the twin flowed', async () => {
  const at = Date.now() + 6000;
  const short = await open({ until: new Date(at).toISOString() });
  const flow = await streaming(short);
  await flow.over;
  const late = Date.now() - at;
  assert.ok(late >= 0 && late < 2000, `${late} ms late`);
  assert.equal((await short.over)?.end, 'its time was over');
  await isOver(short);
  const [released, silent, killed] = [await open(), await open(), await open()];
  const flows = await Promise.all([released, silent, killed].map(streaming));
  released.release();
  assert.equal((await released.over)?.end, 'its executor let go');
  await killed.container.kill({ signal: 'SIGKILL' });
  await Promise.all([flows[0]?.over, flows[2]?.over]);
  await Promise.all([isOver(released), isOver(killed)]);
  const since = Date.now();
  silent.silence();
  const before = flows[1]?.heard() ?? 0;
  await flows[1]?.over;
  assert.ok(
    Date.now() - since > 10_000 && (flows[1]?.heard() ?? 0) > before + 100_000,
    'it flowed meanwhile',
  );
  assert.equal((await silent.over)?.end, 'its executor was silent');
  await isOver(silent);
});

/** Runs a script in a container that has no network, with what the tools of a task go by. @returns what it printed, both ways */
async function runs(task: Docker.Container, proxy: LeaseProxy, script: string): Promise<string> {
  const way = `http://127.0.0.1:${proxy.port}`;
  const files = ['NODE_EXTRA_CA_CERTS', 'PIP_CERT', 'CURL_CA_BUNDLE', 'GIT_SSL_CAINFO'];
  const Env = [
    `CA=${proxy.ca}`,
    `HTTPS_PROXY=${way}`,
    `https_proxy=${way}`,
    'HOME=/tmp',
    'GIT_TERMINAL_PROMPT=0',
  ];
  const exec = await task.exec({
    ...{ AttachStdout: true, AttachStderr: true, Tty: true, WorkingDir: '/tmp' },
    Env: [...Env, ...files.map((name) => `${name}=/tmp/ca`)],
    Cmd: ['bash', '-c', `printf %s "$CA" > /tmp/ca; { ${script}; } 2>&1 | cat`],
  });
  return (await text(await exec.start({ Tty: true }))).replaceAll('\r\n', '\n');
}

test('curl, git, npm and pip go by it from a container without a network, and print why something did not', async () => {
  const task = await idle('none');
  const packages = { ...rule, path: '/packages' };
  const fetches = { ...rule, class: 'git-fetch', path: '/mine.git' };
  const proxy = await open({ rules: [packages, fetches] }, {}, task);
  const curl = (more: string) => runs(task, proxy, `curl -sS -w ' by %{http_version}' ${more}`);
  assert.equal(await curl(`https://${host}/packages/x`), 'from outside\n by 2');
  assert.equal(await curl(`--http1.1 https://${host}/packages/x`), 'from outside\n by 1.1');
  const told = /PocketCoder: no lease covers (\S+ \S+)\. The tool `network`/;
  assert.equal(
    told.exec(await curl(`-d x https://${host}/packages/x`))?.[1],
    `POST https://${host}/packages/x`,
  );
  assert.equal(told.exec(await curl('https://other.test/'))?.[1], 'GET https://other.test/');
  const npm = (name: string, at = 'packages') =>
    runs(task, proxy, `npm view ${name} version --registry https://${host}/${at} --cache /tmp/npm`);
  assert.match(await npm('one'), /^1\.2\.3$/m);
  assert.equal(told.exec(await npm('one', 'no'))?.[1], `GET https://${host}/no/one`);
  const versions = await runs(task, proxy, `pip index versions two --index-url https://${host}/packages`);
  assert.match(versions, /^two \(4\.5\.6\)$/m);
  const make =
    'git init -q -b main w && cd w && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first && ' +
    `git remote add o https://${host}`;
  assert.match(await runs(task, proxy, `${make}/mine.git && git push -q o main`), told);
  assert.match(await runs(task, proxy, `git ls-remote https://${host}/other.git`), told);
  assert.equal(
    origin.seen.some((one) => /receive-pack|other\.git/.test(one)),
    false,
  );
  proxy.release();

  const pushes = await open({ rules: [{ ...fetches, class: 'git-push' }] }, {}, task);
  assert.equal(await runs(task, pushes, 'cd w && git push -q o main'), '');
  const fetching = await open({ rules: [fetches] }, {}, task);
  assert.equal(
    await runs(task, fetching, `git clone -q https://${host}/mine.git c && git -C c log --format=%s`),
    'first\n',
  );
  assert.match(
    await runs(task, fetching, 'cat /proc/net/dev | grep -c :; curl -sS --noproxy "*" https://192.0.2.1'),
    /^1\n.*[Cc]ouldn't connect|^1\n.*unreachable|^1\n.*Failed to connect/,
  );
});

test('attack-38 two leases are apart: no task has the other’s way, authority or rules, nor has one that was; the twins have theirs', async () => {
  const [one, two] = [await idle('none'), await idle('none')];
  const first = await open({ rules: [{ ...rule, path: '/one' }] }, {}, one);
  const second = await open({ rules: [{ ...rule, path: '/two' }] }, {}, two);
  origin.seen.length = 0;
  const reach = (path: string) => `curl -sS https://${host}${path} 2>&1`;
  assert.equal(await runs(one, first, reach('/one')), 'from outside\n');
  assert.equal(await runs(two, second, reach('/two')), 'from outside\n');
  assert.match(await runs(one, first, reach('/two')), /no lease covers/);
  assert.match(
    await runs(two, { ...second, port: first.port }, reach('/two')),
    /Failed to connect|Connection refused/,
  );
  assert.match(await runs(one, { ...first, ca: second.ca }, reach('/one')), /certificate/);
  first.release();
  await first.over;
  // A way of its own again, and the one before stays shut.
  const again = await open({ rules: [{ ...rule, path: '/again' }] }, {}, one);
  assert.match(await runs(one, first, reach('/one')), /Failed to connect|Connection refused/);
  assert.match(await runs(one, { ...first, port: again.port }, reach('/again')), /certificate/);
  assert.equal(await runs(one, again, reach('/again')), 'from outside\n');
  assert.deepEqual(origin.seen, ['GET /again']);
});

test('attack-38 a listener is lent once, and none where somebody stands on its port; the twin was lent', async () => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  try {
    const proxy = await open();
    assert.match(await asks(proxy, get('/small')), /from outside/);
    const { port } = taken.address() as net.AddressInfo;
    await assert.rejects(proxies.lend(proxy, here, port), /could not be made/);
    await assert.rejects(proxies.lend(proxy, here, port + 1), /could not be made/);
    assert.match(await asks(proxy, get('/small')), /from outside/);
  } finally {
    taken.close();
  }
});

test('attack-38 a flood of refusals costs who holds the lease little; the twin of them is told', async () => {
  const proxy = await open({ rules: [{ ...rule, path: '/pkg' }] });
  const conn = await secured(proxy);
  const over = readOf(conn);
  const since = Date.now();
  for (let n = 0; n < 2000; n++) conn.write(`GET /${n}${'x'.repeat(1000)} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  conn.write(get('/pkg').replaceAll('\n', '\r\n'));
  assert.match(await over, /from outside/);
  const told = proxy.lines.filter(({ refused }) => refused);
  const most = 10 * (2 + (Date.now() - since) / 1000);
  assert.ok(told.length >= 10 && told.length <= most, `${told.length} of ${most}`);
  assert.ok(told.every((line) => JSON.stringify(line).length < 700));
  assert.match(told[0]?.refused ?? '', /^GET https:\/\/origin\.test\/0x+$/);
});
