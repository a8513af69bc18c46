/** The way of the model proxy to its address: the query of that address, an authority of one's own, the proxies of a machine. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { makeProxy, type ProxyOptions } from '../../config/proxy/proxy.ts';
import { certificate } from '../harness/origin.ts';

const { key, cert } = certificate('origin.test');
let seen: string[] = [];
const note: http.RequestListener = (req, res) => {
  seen.push(`origin ${req.url} ${req.headers.host}`);
  res.end('here');
};
const origin = https.createServer({ key, cert }, note);
const plain = http.createServer(note);
/** A proxy of the machine: it knows where origin.test is, which nothing else does. */
const middle = http.createServer((req, res) => {
  seen.push(`${req.method} ${new URL(req.url ?? '').host}`);
  const { pathname, search, host } = new URL(req.url ?? '');
  http.get({ port: portOf(plain), path: pathname + search, headers: { host } }, (answer) => answer.pipe(res));
});
middle.on('connect', (req, socket) => {
  seen.push(`CONNECT ${req.url} ${req.headers['proxy-authorization'] ?? ''}`.trim());
  const onward = net.connect(portOf(origin), '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
  socket.pipe(onward).pipe(socket);
  for (const end of [socket, onward]) end.on('error', () => end.destroy());
});
const portOf = (s: net.Server) => (s.address() as AddressInfo).port;
const servers = [origin, plain, middle];
before(async () => {
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
});
beforeEach(() => {
  seen = [];
});
after(() => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

/** What is answered to a question by that way. */
async function asked(path: string, options: ProxyOptions): Promise<string> {
  const proxy = makeProxy(options).listen(0, '127.0.0.1');
  try {
    await once(proxy, 'listening');
    const answer = await fetch(`http://127.0.0.1:${portOf(proxy)}${path}`);
    return `${answer.status} ${await answer.text()}`;
  } finally {
    proxy.close();
    proxy.closeAllConnections();
  }
}
const by = (more: Record<string, string> = {}) => ({
  HTTPS_PROXY: `http://me:it@127.0.0.1:${portOf(middle)}`,
  HTTP_PROXY: `http://127.0.0.1:${portOf(middle)}`,
  ...more,
});
const ca = cert.toString();

test('the query of the address goes with every request, beside its own', async () => {
  const upstream = `http://127.0.0.1:${portOf(plain)}/v1/?api-version=2&x=?`;
  const routes = ['GET /models'];
  assert.equal(await asked('/models', { upstream, routes }), '200 here');
  assert.equal(await asked('/models?limit=9', { upstream, routes }), '200 here');
  assert.match(await asked('/other?', { upstream, routes }), /^403/);
  const { host } = new URL(upstream);
  assert.deepEqual(seen, [
    `origin /v1/models?api-version=2&x=? ${host}`,
    `origin /v1/models?limit=9&api-version=2&x=? ${host}`,
  ]);
});

test('https goes through the machine’s proxy, and ends at the address alone', async () => {
  const upstream = 'https://origin.test/v1?a=b';
  assert.equal(
    await asked('/models', { upstream, ca, proxies: by({ no_proxy: 'host.docker.internal,' }) }),
    '200 here',
  );
  assert.deepEqual(seen, ['CONNECT origin.test:443 Basic bWU6aXQ=', 'origin /v1/models?a=b origin.test']);
});

test('a certificate of an authority that nobody named is not believed, proxy or not', async () => {
  assert.match(
    await asked('/models', { upstream: 'https://origin.test/', proxies: by() }),
    /^502 .*unreachable/,
  );
  assert.deepEqual(seen, ['CONNECT origin.test:443 Basic bWU6aXQ=']);
});

test('http goes through it as well', async () => {
  assert.equal(await asked('/a?b', { upstream: 'http://origin.test/v1', proxies: by() }), '200 here');
  assert.deepEqual(seen, ['GET origin.test', 'origin /v1/a?b origin.test']);
});

test('what NO_PROXY names is reached without, and without proxies nothing goes to one', async () => {
  const upstream = `https://origin.test:${portOf(origin)}/`;
  for (const proxies of [by({ no_proxy: 'host.docker.internal,.test' }), {}])
    assert.match(await asked('/models', { upstream, ca, proxies }), /^502/); // nothing else knows where it is
  assert.deepEqual(seen, []);
});
