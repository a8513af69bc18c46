/**
 * What the proxy of a network lease is asked, by hand: inside a tunnel, in either version of HTTP; where names lead; who the origin is.
 * How an executor makes and holds one is test/integration/sandbox-egress.test.ts.
 */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import type { Serve } from '../harness/origin.ts';
import { type Leases, startLeases } from '../harness/proxy.ts';
import { asks, get, host, readOf, rule, secured, statusOf, tunnelOf } from '../harness/tunnel.ts';

const serve: Serve = (req, res) => {
  if (req.url === '/header') res.setHeader('large', 'x'.repeat(70_000));
  if (req.url === '/last') res.setHeader('connection', 'close');
  res.end('from outside\n');
};

let leases: Leases;
before(async () => {
  leases = await startLeases(serve);
});
afterEach(() => leases?.end());
after(() => leases?.stop());

test('attack-38 what some origin might take for another method or path goes to none; the twin of each does', async () => {
  const proxy = await leases.open({ rules: [{ ...rule, path: '/pkg' }] });
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
  assert.deepEqual(leases.origin.seen, []);
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
  assert.deepEqual(leases.origin.seen, [...taken.map((path) => `GET ${path}`), 'HEAD /pkg']);
});

test('attack-38 tunnel, TLS and request have to name one host, once, in one way; the twin does', async () => {
  const proxy = await leases.open({ rules: [rule, { ...rule, host: 'third.test' }] });
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
  assert.deepEqual(leases.origin.seen, []);
  for (const one of [host, `${host}:443`]) assert.equal(await statusOf(proxy, as(line, one)), '200', one);
  assert.equal(leases.origin.seen.length, 2);
});

test('attack-38 over HTTP/2 it is judged the same; the twin goes through', async () => {
  const proxy = await leases.open({ rules: [{ ...rule, path: '/pkg' }] });
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
    assert.deepEqual(leases.origin.seen, []);
    assert.equal(await statusOf({ ':path': '/pkg' }), 200);
    assert.deepEqual(leases.origin.seen, ['GET /pkg']);
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
  const proxy = await leases.open({ rules });
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
  assert.deepEqual(leases.origin.seen, []);
  const taken = ['GET /a', 'PUT /b/x', 'DELETE /b', 'GET /b', 'POST /c.git/git-upload-pack'];
  for (const one of taken) {
    const [method = '', path = ''] = one.split(' ');
    assert.equal(await statusOf(proxy, get(path, 'Content-Length: 0\n', method)), '200', one);
  }
  assert.deepEqual(leases.origin.seen, taken);
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
  const proxy = await leases.open(
    {
      rules: [rule, { ...rule, host: 'denied.test' }, ...names.map((one) => ({ ...rule, host: one }))],
      denied: ['203.0.113.7/32'],
    },
    {
      ExtraHosts: [
        `${host}:${leases.origin.address}`,
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
  for (const to of ['2130706433:443', '0x7f.1:443', '127.1:443', '[::1]:443', `${leases.origin.address}:443`])
    assert.equal(await statusOf(proxy, get('/small'), { tunnel: to }), '403', to);
  assert.deepEqual(leases.origin.seen, []);
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
    const address = Buffer.from((first ? leases.origin.address : '10.9.9.9').split('.').map(Number));
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address]);
    const header = Buffer.from([...query.subarray(0, 2), 0x84, 0, 0, 1, 0, isAddress ? 1 : 0, 0, 0, 0, 0]);
    server.send(Buffer.concat([header, question, ...(isAddress ? [answer] : [])]), from.port, from.address);
  });
  server.bind(53, leases.origin.address);
  await once(server, 'listening');
  try {
    const proxy = await leases.open({}, { ExtraHosts: [], Dns: [leases.origin.address] });
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
  const proxy = await leases.open({ rules: [rule, { ...rule, host: 'other.test' }] });
  const other = await asks(proxy, get('/small').replace(host, 'other.test'), {
    tunnel: 'other.test:443',
    name: 'other.test',
  });
  assert.match(other, /^HTTP\/1\.1 502 .*certificate is valid for/s);
  const believes = await leases.open({ roots: '' });
  assert.match(await asks(believes, get('/small')), /^HTTP\/1\.1 502 .*unknown authority/s);
  assert.deepEqual(leases.origin.seen, []);
  assert.match(await asks(proxy, get('/small')), /from outside/);
});

test('attack-38 headers that are slow or huge end their own connection alone; the twin is served meanwhile', async () => {
  const proxy = await leases.open();
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
  assert.deepEqual(leases.origin.seen, ['GET /header', 'GET /small']);
  assert.match(await asks(proxy, get('/small')), /from outside/);
});
