/** One request in is one request on: its framing is the proxy's own, and only what the model needs is served. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { renderModel } from '../../config/brain/render.ts';
import { makeProxy } from '../../config/proxy/proxy.ts';
import { until } from '../harness/wait.ts';

/** What came to the provider, byte for byte, one text a connection. */
const wires: string[] = [];
const requests: { line: string; body: string }[] = [];
const provider = http.createServer(async (req, res) => {
  const line = `${req.method} ${req.url}`;
  if (req.url === '/v1/chat/completions?early') {
    res.writeHead(413, { 'content-type': 'application/json' }).end('{"error":"too large"}');
    return requests.push({ line, body: '(not read)' });
  }
  let body = '';
  for await (const chunk of req) body += chunk;
  requests.push({ line, body });
  if (!body.includes('"stream":true')) return res.end(`answer to ${line}`);
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const word of ['one', 'two']) res.write(`data: ${word}\n\n`);
  return res.end('data: [DONE]\n\n');
});
provider.on('connection', (socket) => {
  const at = wires.push('') - 1;
  socket.on('data', (bytes) => {
    wires[at] = `${wires[at]}${bytes}`;
  });
});
const portOf = (s: net.Server) => (s.address() as AddressInfo).port;
const listen = async (s: net.Server) => {
  s.listen(0, '127.0.0.1');
  await once(s, 'listening');
};

let model: http.Server;
let homeserver: http.Server;
before(async () => {
  await listen(provider);
  const url = `http://127.0.0.1:${portOf(provider)}/v1`;
  model = makeProxy(renderModel({ provider: 'openai-compatible', name: 'm', url, key: 'k' }));
  homeserver = makeProxy({ upstream: url });
  await listen(model);
  await listen(homeserver);
});
after(() => {
  for (const s of [model, homeserver, provider]) {
    s.close();
    s.closeAllConnections();
  }
});

/** Sends these bytes and returns all that came until the proxy ended the connection, or `enough` had come. */
function exchange(to: net.Server, text: string, enough = '\0'): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    const socket = net.connect(portOf(to), '127.0.0.1', () => socket.write(text));
    socket.on('data', (d) => {
      got += d;
      if (got.includes(enough)) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(got));
  });
}

const evil = 'POST /admin/steal HTTP/1.1\r\nHost: elsewhere\r\nContent-Length: 0\r\n\r\n';
const chunked = `${evil.length.toString(16)}\r\n${evil}\r\n0\r\n\r\n`;

for (const [what, head, body] of [
  ['a chunked body', 'Transfer-Encoding: chunked\r\n', chunked],
  ['a body of stated length', `Content-Length: ${evil.length}\r\n`, evil],
] as const)
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS'])
    test(`a ${method} with ${what} is refused, and its body never becomes a request to the provider`, async () => {
      const [wire, seen] = [wires.length, requests.length];
      const answer = await exchange(
        homeserver,
        `${method} /models HTTP/1.1\r\nHost: x\r\n${head}\r\n${body}`,
      );
      assert.match(answer, /^HTTP\/1\.1 400 /);
      assert.match(answer, /\r\nconnection: close\r\n/i);
      assert.equal(answer.split('HTTP/1.1 ').length, 2, 'one answer, then the end');
      // The next client gets the answer to its own request.
      const next = await fetch(`http://127.0.0.1:${portOf(homeserver)}/models`);
      assert.equal(await next.text(), 'answer to GET /v1/models');
      assert.equal(requests.length, seen + 1);
      assert.ok(!wires.slice(wire).join('').includes('steal'));
    });

const post = 'POST /chat/completions HTTP/1.1\r\nHost: x\r\n';
for (const [what, headers] of [
  ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'],
  ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n'],
  ['the same length twice', 'Content-Length: 5\r\nContent-Length: 5\r\n'],
  ['a list of lengths', 'Content-Length: 5, 5\r\n'],
  ['a length that is no number', 'Content-Length: 0x5\r\n'],
  ['a length with a sign', 'Content-Length: +5\r\n'],
  ['a coding besides chunks', 'Transfer-Encoding: gzip, chunked\r\n'],
  ['chunks twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'],
  ['a coding that is none', 'Transfer-Encoding: xchunked\r\n'],
  ['a folded header', 'Transfer-Encoding:\r\n chunked\r\n'],
  ['a blank before the colon', 'Transfer-Encoding : chunked\r\n'],
  ['a bare line feed between headers', 'X: y\nTransfer-Encoding: chunked\r\n'],
] as const)
  test(`a body framed by ${what} goes nowhere`, async () => {
    const seen = requests.length;
    const answer = await exchange(model, `${post}${headers}\r\n5\r\nhello\r\n0\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.equal(requests.length, seen);
  });

test('what the client says of framing and connection is not passed on; the body is, whole, stated or in chunks', async () => {
  for (const body of [
    'Content-Length: 5\r\n\r\nhello',
    'Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  ]) {
    const odd = 'Expect: 100-continue\r\nKeep-Alive: timeout=9\r\nTE: trailers\r\n';
    const answer = await exchange(model, `${post}${odd}${body}`, 'answer to');
    assert.match(answer, /HTTP\/1\.1 200 /);
    assert.deepEqual(requests.at(-1), { line: 'POST /v1/chat/completions', body: 'hello' });
    const wire = wires.findLast((one) => one.includes('hello')) ?? '';
    assert.doesNotMatch(wire, /expect|timeout=9|\nte:|Chunked/);
  }
});

test('after an answer that came before its request’s end neither connection is used again', async () => {
  const wire = wires.length;
  const start = `POST /chat/completions?early HTTP/1.1\r\nHost: x\r\nContent-Length: ${10 + evil.length}\r\n\r\n0123456789`;
  const answer = await exchange(model, start);
  assert.match(answer, /^HTTP\/1\.1 413 /);
  assert.match(answer, /\r\nconnection: close\r\n/i);
  const seen = requests.length;
  const next = await fetch(`http://127.0.0.1:${portOf(model)}/models`);
  assert.equal(await next.text(), 'answer to GET /v1/models');
  assert.equal(requests.length, seen + 1);
  assert.ok(!wires.slice(wire).some((w) => w.includes('0123456789') && w.includes('GET /v1/models')));
});

test('after a whole request both connections go on, and a conversation streams', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (body: string) =>
    new Promise<{ text: string; port: number | undefined }>((resolve, reject) => {
      const options = {
        agent,
        port: portOf(model),
        host: '127.0.0.1',
        method: 'POST',
        path: '/chat/completions',
      };
      const req = http.request(options, async (res) => {
        const port = res.socket.localPort;
        let text = '';
        for await (const chunk of res) text += chunk;
        resolve({ text, port });
      });
      req.on('error', reject);
      req.end(body);
    });
  const first = await ask('{"stream":true}');
  assert.equal(first.text, 'data: one\n\ndata: two\n\ndata: [DONE]\n\n');
  await until('the connection is free', () => Object.keys(agent.freeSockets).length > 0);
  const before = wires.length;
  const second = await ask('{}');
  assert.equal(second.text, 'answer to POST /v1/chat/completions');
  assert.equal(second.port, first.port);
  assert.equal(wires.length, before, 'the provider was asked on a connection that was there');
  agent.destroy();
});

test('a model’s proxy serves what its provider’s conversation takes, and answers one sentence to all else', async () => {
  const at = `http://127.0.0.1:${portOf(provider)}`;
  const paths = [
    '/chat/completions',
    '/messages',
    '/models/gemini-x:streamGenerateContent',
    '/models/gemini-x:generateContent',
    '/models',
    '/files',
    '/chat/completions/',
    '/',
  ];
  const served = async (kind: 'openai-compatible' | 'anthropic' | 'google') => {
    const proxy = makeProxy(renderModel({ provider: kind, name: 'gemini-x', url: at, key: 'k' }));
    await listen(proxy);
    const passed: string[] = [];
    for (const method of ['GET', 'POST', 'DELETE'])
      for (const path of paths) {
        const answer = await fetch(`http://127.0.0.1:${portOf(proxy)}${path}?alt=sse`, { method });
        if (answer.status === 200) passed.push(`${method} ${path}`);
        else assert.match(await answer.text(), /Only what a conversation with the model needs is served\./);
      }
    proxy.close();
    proxy.closeAllConnections();
    return passed;
  };
  assert.deepEqual(await served('openai-compatible'), ['GET /models', 'POST /chat/completions']);
  assert.deepEqual(await served('anthropic'), ['GET /models', 'POST /messages']);
  assert.deepEqual(await served('google'), [
    'GET /models',
    'POST /models/gemini-x:streamGenerateContent',
    'POST /models/gemini-x:generateContent',
  ]);
});
