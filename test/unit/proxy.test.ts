/** The one way out of a closed network: one host, the key put in where there is one, nothing else let through. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { makeProxy } from '../../config/proxy/proxy.ts';
import { until } from '../harness/wait.ts';

const seen: { url: string; headers: http.IncomingHttpHeaders; body: string }[] = [];
let open = 0;
let other = 0;
const upstream = http.createServer(async (req, res) => {
  open++;
  res.once('close', () => open--);
  let body = '';
  for await (const chunk of req) body += chunk;
  seen.push({ url: req.url ?? '', headers: req.headers, body });
  if (req.url === '/v1/away')
    return res.writeHead(307, { location: `http://127.0.0.1:${portOf(stranger)}/` }).end();
  if (req.url === '/v1/stream') {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    return res.write('data: one\n\n');
  }
  return res.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
});
const stranger = http.createServer((_req, res) => {
  other++;
  res.end('reached');
});
let proxy: http.Server;
const portOf = (s: net.Server) => (s.address() as AddressInfo).port;
const listen = async (s: net.Server) => {
  s.listen(0, '127.0.0.1');
  await once(s, 'listening');
};

before(async () => {
  await listen(upstream);
  await listen(stranger);
  proxy = makeProxy({
    upstream: `http://127.0.0.1:${portOf(upstream)}/v1`,
    secret: { placeholder: 'HOLDER', key: '$&key' },
  });
  await listen(proxy);
});
after(() => {
  for (const s of [proxy, upstream, stranger]) {
    s?.close();
    s?.closeAllConnections();
  }
});

const url = (path: string) => `http://127.0.0.1:${portOf(proxy)}${path}`;
/** Sends bytes as they are and returns the first line of the answer, or '' where the connection was ended. */
const raw = (text: string) =>
  new Promise<string>((resolve) => {
    let got = '';
    const socket = net.connect(portOf(proxy), '127.0.0.1', () => socket.end(text));
    socket.on('data', (d) => (got += d));
    socket.on('error', () => {});
    socket.on('close', () => resolve(got.split('\r\n')[0] ?? ''));
  });

test('a request goes on below the base path, with its body, and the key wherever the placeholder stood', async () => {
  const answer = await fetch(url('/chat/completions?a=b'), {
    method: 'POST',
    body: '{"HOLDER":1}',
    headers: { authorization: 'Bearer HOLDER', 'x-api-key': 'HOLDER', 'x-goog-api-key': 'HOLDER' },
  });
  assert.deepEqual(await answer.json(), { ok: true });
  const last = seen.at(-1);
  assert.equal(last?.url, '/v1/chat/completions?a=b');
  assert.equal(last?.body, '{"HOLDER":1}');
  assert.equal(last?.headers.authorization, 'Bearer $&key');
  assert.equal(last?.headers['x-api-key'], '$&key');
  assert.equal(last?.headers['x-goog-api-key'], '$&key');
  assert.equal(last?.headers.host, `127.0.0.1:${portOf(upstream)}`);
});

test('a stream passes as it comes, and ends upstream when the client goes', async () => {
  const gone = new AbortController();
  const answer = await fetch(url('/stream'), { signal: gone.signal });
  const { value } = (await answer.body?.getReader().read()) ?? {};
  assert.equal(new TextDecoder().decode(value), 'data: one\n\n');
  gone.abort();
  await until('upstream is let go', () => open === 0);
});

test('it cannot be led to another host', async () => {
  const port = portOf(stranger);
  const before = seen.length;
  const end = 'Host: x\r\nConnection: close\r\n\r\n';
  assert.match(await raw(`GET http://127.0.0.1:${port}/ HTTP/1.1\r\n${end}`), /400/);
  assert.match(await raw(`GET //127.0.0.1:${port}/ HTTP/1.1\r\n${end}`), /400/);
  assert.match(await raw(`GET @127.0.0.1:${port}/ HTTP/1.1\r\n${end}`), /400|^$/);
  assert.equal(await raw(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n${end}`), '');
  assert.equal(
    await raw(`GET / HTTP/1.1\r\nUpgrade: websocket\r\nHost: x\r\nConnection: Upgrade\r\n\r\n`),
    '',
  );
  assert.match(await raw(`GET /../admin HTTP/1.1\r\n${end}`), /400/);
  assert.match(await raw(`GET /a/%2e%2E/admin HTTP/1.1\r\n${end}`), /400/);
  assert.match(await raw(`GET /..%2fadmin HTTP/1.1\r\n${end}`), /400/);
  assert.match(await raw(`GET /a%2F%2e.%5cadmin HTTP/1.1\r\n${end}`), /400/);
  assert.equal(seen.length, before);
  await fetch(url('/x'), { headers: { 'x-forwarded-host': `127.0.0.1:${port}` } });
  assert.equal(seen.length, before + 1);
  assert.equal(other, 0);
});

test('an encoded slash goes on as it is, as Matrix has it in ids; without a secret no header is touched', async () => {
  const plain = makeProxy({ upstream: `http://127.0.0.1:${portOf(upstream)}` });
  await listen(plain);
  const id = '/_matrix/client/v3/rooms/%21a%2Fb%3Ax/state/m.room.canonical_alias/%40a%2F..b%3Ax';
  const headers = { authorization: 'Bearer HOLDER' };
  await fetch(`http://127.0.0.1:${portOf(plain)}${id}?since=a%2F..%2Fb`, { headers });
  plain.close();
  plain.closeAllConnections();
  const last = seen.at(-1);
  assert.equal(last?.url, `${id}?since=a%2F..%2Fb`);
  assert.equal(last?.headers.authorization, 'Bearer HOLDER');
});

test('a redirect is not followed and not passed on', async () => {
  const answer = await fetch(url('/away'));
  assert.equal(answer.status, 502);
  assert.equal(((await answer.json()) as { error: { code: string } }).error.code, 'redirect');
  assert.equal(other, 0);
});

test('several addresses: each name leads to its own with its own key, and no way leads from one to another', async () => {
  const secretOf = (key: string) => ({ secret: { placeholder: 'HOLDER', key } });
  const here = `http://127.0.0.1:${portOf(upstream)}`;
  const models = makeProxy({
    ways: {
      one: { upstream: `${here}/v1`, routes: ['POST /chat', 'GET /models'], ...secretOf('key-1') },
      two: { upstream: `${here}/v2?api-version=3`, routes: ['POST /other'], ...secretOf('key-2') },
    },
  });
  await listen(models);
  const at = `http://127.0.0.1:${portOf(models)}`;
  const headers = { authorization: 'Bearer HOLDER' };
  // The attack: what is of one asked by the name of the other, names that are none, and ways out of a name.
  const before = seen.length;
  for (const path of [
    ...['/two/chat', '/one/other', '/one/../two/other', '/one/%2e%2e/two/other', '/one/..%2ftwo/other'],
    ...['/chat', '/', '/one', '/one?x', '//one/chat', '/ONE/chat', '/three/chat', '/constructor/chat'],
    ...['/__proto__/chat', '/one//two/other', '/one/chat/../../two/other', '/on%65/chat'],
  ]) {
    const first = await new Promise<string>((resolve) => {
      let got = '';
      const socket = net.connect(portOf(models), '127.0.0.1');
      socket.end(`POST ${path} HTTP/1.1\r\nHost: two\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      socket.on('data', (d) => (got += d)).on('close', () => resolve(got.split('\r\n')[0] ?? ''));
    });
    assert.match(first, / (400|403) /, path);
  }
  assert.equal(seen.length, before);
  // The twin: each where it belongs, one after the other on one connection.
  for (const [path, url, key] of [
    ['/one/chat', '/v1/chat', 'key-1'],
    ['/two/other', '/v2/other?api-version=3', 'key-2'],
    ['/one/chat?a=/two/', '/v1/chat?a=/two/', 'key-1'],
  ] as const) {
    const answer = await fetch(at + path, { method: 'POST', headers, body: 'x' });
    assert.equal(answer.status, 200);
    assert.equal(seen.at(-1)?.url, url);
    assert.equal(seen.at(-1)?.headers.authorization, `Bearer ${key}`);
  }
  models.close();
  models.closeAllConnections();
});

test('an upstream that is not there is a clear 502', async () => {
  const nobody = net.createServer();
  await listen(nobody);
  const port = portOf(nobody);
  nobody.close();
  const lonely = makeProxy({ upstream: `http://127.0.0.1:${port}/v1` });
  await listen(lonely);
  const answer = await fetch(`http://127.0.0.1:${portOf(lonely)}/x`);
  lonely.close();
  lonely.closeAllConnections();
  assert.equal(answer.status, 502);
  const { error } = (await answer.json()) as { error: { code: string; message: string } };
  assert.equal(error.code, 'unreachable');
  assert.match(error.message, /cannot be reached/);
});

test('an address that is no http is refused at once', () => {
  assert.throws(() => makeProxy({ upstream: 'file:///etc' }), /http:\/\//);
});
