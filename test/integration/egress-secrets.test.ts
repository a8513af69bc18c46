/** What a host is shown in the task's place, by the real proxy: to whom, by which header, and that nothing of it comes back. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { makeRepositories } from '../harness/git-backend.ts';
import type { Serve } from '../harness/origin.ts';
import { type Leases, startLeases } from '../harness/proxy.ts';
import { asks, get, host, rule, statusOf } from '../harness/tunnel.ts';

const repositories = makeRepositories('mine.git');
const value = 'ghp_0123456789abcdefSECRET';
const basic = `Basic ${Buffer.from(`x-access-token:${value}`).toString('base64')}`;
/** What the origin was shown with each request: method, host, path, and the header, however often it came. */
const shown: string[] = [];
/** How the origin says what it was shown. */
let answer: (req: IncomingMessage, res: ServerResponse, said: string) => void;

const serve: Serve = (req, res, body) => {
  const headers = req.headersDistinct['authorization'] ?? [];
  shown.push([req.method, req.headers.host, req.url, ...headers].join(' '));
  if (answer) answer(req, res, headers.join());
  else if (headers.join() === basic) repositories.serve(req, res, body);
  else {
    res.writeHead(401, { 'www-authenticate': 'Basic realm="x"' });
    res.end();
  }
};

let leases: Leases;
before(async () => {
  leases = await startLeases(serve);
});
afterEach(() => leases?.end());
after(async () => {
  repositories.remove();
  await leases?.stop();
});

const secrets = { MINE: { host, user: 'x-access-token', value } };
const fetches = { ...rule, class: 'git-fetch', path: '/mine.git', secret: 'MINE' };
const refs = '/mine.git/info/refs?service=git-upload-pack';
const advertised = { 'content-type': 'application/x-git-upload-pack-advertisement' };
function answers(by?: typeof answer): void {
  shown.length = 0;
  answer = by as typeof answer;
}
/** In the clear, as its header has it, or a part of either. */
const holds = (text: string) => [value, basic.slice(10, 40)].some((part) => text.includes(part));

test('git fetches and pushes where it is let in by a secret that its container does not hold; without one it is not', async () => {
  answers();
  const task = await leases.idle('none');
  const make =
    'rm -rf w && git init -q -b main w && cd w && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first && ' +
    `git remote add o https://${host}/mine.git`;
  const bare = await leases.open({ rules: [{ ...fetches, class: 'git-push', secret: '' }] }, {}, task);
  assert.match(await leases.runs(task, bare, `${make} && git push -q o main`), /could not read Username/);
  bare.release();
  const proxy = await leases.open({ rules: [{ ...fetches, class: 'git-push' }], secrets }, {}, task);
  assert.equal(await leases.runs(task, proxy, `${make} && git push -q o main`), '');
  const look = `git clone -q https://${host}/mine.git c && git -C c log --format=%s; git -C c config -l; env; cat /proc/[0-9]*/environ`;
  const seen = await leases.runs(task, proxy, look);
  assert.match(seen, /^first\n/);
  assert.ok(!holds(seen) && shown.some(holds));
  proxy.release();
});

test('attack-59 a host that says what it was shown says it to nobody; the twin, an answer of git’s, comes through', async () => {
  const proxy = await leases.open({ rules: [fetches], secrets });
  const echoes: Record<string, typeof answer> = {
    '401': (_, res, said) => res.writeHead(401, { 'www-authenticate': said }).end(said),
    '500': (_, res, said) => res.writeHead(500, { 'content-type': 'text/html' }).end(`<p>${said}</p>`),
    '200 of another kind': (_, res, said) => res.writeHead(200, { 'content-type': 'text/plain' }).end(said),
    'a kind with more': (_, res, said) =>
      res.writeHead(200, { 'content-type': `${advertised['content-type']}; ${said}` }).end(),
    'a coding': (_, res, said) => res.writeHead(200, { ...advertised, 'content-encoding': said }).end(),
    'a redirect': (_, res, said) => res.writeHead(302, { location: `https://other.test/${said}` }).end(),
    'a status line': (_, res, said) => res.writeHead(404, said).end(),
    'no http': (_, res, said) => res.socket?.end(`HTTP/1.1 ${said}\r\n\r\n`),
  };
  for (const [name, by] of Object.entries(echoes)) {
    answers(by);
    const text = await asks(proxy, get(refs));
    assert.match(text, /^HTTP\/1\.1 502 /, name);
    assert.ok(shown.length === 1 && holds(shown.join()) && !holds(text), `${name}: ${text}`);
  }
  // Beside an answer that is git's: headers, what comes ahead of it and after it.
  answers((_, res, said) => {
    res.writeEarlyHints({ link: `<https://a.test/${said.slice(6)}>; rel=preload` });
    res.writeHead(200, { ...advertised, 'x-said': said, 'set-cookie': said, trailer: 'x-last' });
    res.addTrailers({ 'x-last': said });
    res.end('what git reads');
  });
  const text = await asks(proxy, get(refs));
  assert.match(text, /^HTTP\/1\.1 200 .*what git reads/s);
  assert.ok(holds(shown.join()) && !holds(text) && !/x-said|cookie|x-last/i.test(text), text);
  assert.ok(!holds(JSON.stringify(proxy.lines)));
});

test('attack-59 it goes to its host alone, with what its rule names, and in place of what the task put there; the twin is shown it', async () => {
  // The origin's certificate is for this name as well.
  const another = leases.origin.names.machine;
  const rules = [
    { ...rule, class: 'any', path: '/open' },
    { ...rule, class: 'any', path: '/named', secret: 'MINE' },
    { ...fetches, host: another },
    fetches,
    { ...rule, path: '/packages', secret: 'MINE' },
  ];
  // One of the lease's rules names another host's: the executor would have refused it, and the proxy does by itself.
  const ExtraHosts = [host, another].map((name) => `${name}:${leases.origin.address}`);
  const proxy = await leases.open({ rules, secrets }, { ExtraHosts });
  answers((_, res) => res.writeHead(200, advertised).end());
  const own = 'Authorization: Basic dGFzazo=\n';
  for (const path of ['/open', '/named', '/open/mine.git/info/refs?service=git-upload-pack'])
    assert.equal(await statusOf(proxy, get(path, own)), '200');
  const other = { tunnel: `${another}:443`, name: another };
  assert.equal(await statusOf(proxy, get(refs, own).replace(host, another), other), '200');
  for (const text of [
    get(refs.replace('upload', 'receive')),
    get('/mine.git/HEAD'),
    get(refs, '', 'TRACE'),
    get(`${refs}&x`),
  ])
    assert.equal(await statusOf(proxy, text), '403', text);
  assert.ok(shown.length > 0 && shown.every((one) => !holds(one)), shown.join('\n'));
  answers((_, res) => res.writeHead(200, advertised).end());
  for (const more of [own, `${own}authorization: Bearer x\n`, 'Connection: authorization\n'])
    assert.equal(await statusOf(proxy, get(refs, more)), '200');
  assert.deepEqual(new Set(shown), new Set([`GET ${host} ${refs} ${basic}`]));
  assert.equal(await statusOf(proxy, get('/packages/x', own)), '200');
  assert.equal(shown.at(-1), `GET ${host} /packages/x Bearer ${value}`);
});

test('attack-59 an origin whose certificate is nobody’s is shown nothing, nor where a redirect leads; the twin is', async () => {
  answers((_, res) => res.writeHead(302, { location: `https://other.test${refs}` }).end());
  const believes = await leases.open({ rules: [fetches], secrets, roots: '' });
  assert.match(await asks(believes, get(refs)), /502 .*is not who it says/s);
  assert.deepEqual(shown, []);
  believes.release();
  const rules = [fetches, { ...rule, host: 'other.test' }];
  const proxy = await leases.open({ rules, secrets });
  assert.match(await asks(proxy, get(refs)), /answered 302 to the secret MINE/);
  assert.deepEqual(shown, [`GET ${host} ${refs} ${basic}`]);
});
