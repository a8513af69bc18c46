/** A model's or homeserver's name keeps to where it led at first, whatever is answered for it later. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { makeProxy } from '../../config/proxy/proxy.ts';
import { pinnedLookup, type Resolve } from '../../config/proxy/scope.ts';

const dialler = new URL('../../sandbox/egress/dial.go', import.meta.url);
const portOf = (s: Server) => (s.address() as AddressInfo).port;
let seen: string[] = [];
/** Something of the machine's own, that a name may not be turned to. */
const local = http.createServer((req, res) => {
  seen.push(`${req.url} ${req.headers.authorization}`);
  // Each connection is to be looked up anew.
  res.writeHead(200, { connection: 'close' }).end('here');
});
before(() => once(local.listen(0, '127.0.0.1'), 'listening'));
beforeEach(() => {
  seen = [];
});
after(() => local.close());

const family = (address: string) => ({ address, family: address.includes(':') ? 6 : 4 });
/** A resolver that answers a list of answers, one after the other, the last one for good. */
function answering(...answers: string[][]): Resolve {
  return (_host, _options, done) => {
    const now = answers.length > 1 ? answers.shift() : answers[0];
    done(null, (now ?? []).map(family));
  };
}
/** What the lookup gives, as often as there are answers: addresses, or how it refuses. */
async function given(...answers: string[][]): Promise<string[]> {
  const lookup = pinnedLookup(answering(...answers));
  const got: string[] = [];
  for (const _ of [...answers])
    await new Promise<void>((done) =>
      lookup('model.test', { all: true }, (error, found) => {
        got.push(
          error
            ? error.message
            : [found]
                .flat()
                .map((one) => (typeof one === 'string' ? one : one.address))
                .join(' '),
        );
        done();
      }),
    );
  return got;
}
const gone = (scope: string) =>
  `model.test has no address ${scope} any more, where it had one: not asked. If its place is new, start again.`;

test('attack-83 a name that led outside leads to nothing inside later, by no way to write it', async () => {
  const inside = [
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '198.18.0.1',
    '::1',
    'fd12::1',
    '::ffff:127.0.0.1',
  ];
  for (const one of inside)
    assert.deepEqual(await given(['8.8.8.8'], [one]), ['8.8.8.8', gone('outside')], one);
  assert.deepEqual(await given(['8.8.8.8', '127.0.0.1'], ['127.0.0.1', '9.9.9.9']), ['8.8.8.8', '9.9.9.9']);
});

test('attack-83 a name inside is turned to nothing outside, and none leads to where a cloud keeps its secrets', async () => {
  assert.deepEqual(await given(['192.168.1.5'], ['8.8.8.8']), ['192.168.1.5', gone('inside')]);
  for (const one of [
    '169.254.169.254',
    'fe80::1',
    'fd00:ec2::254',
    '100.100.100.200',
    'fd20:ce::254',
    '0.0.0.0',
    '::',
    '::ffff:169.254.169.254',
    '224.0.0.1',
    '192.0.0.170',
    // What stands for an address of IPv4: compatible, translated, by NAT64, 6to4 and Teredo.
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b:1::a9fe:a9fe',
    '2002:7f00:1::1',
    '2001::1',
    'fec0::1',
  ])
    assert.equal((await given([one]))[0]?.includes('not asked'), true, one);
});

test('attack-83 what no lease of the network takes for an address outside, a name that led outside does not lead to either', async () => {
  const [, listed = ''] = /var inside = prefixes\(([^)]+)\)/.exec(readFileSync(dialler, 'utf8')) ?? [];
  const nets = [...listed.matchAll(/"(.+?)\/\d+"/g)].map(([, net = '']) => net);
  assert.ok(nets.length > 10);
  for (const one of [...nets, '::1', '100::1', '64:ff9b::808:808', '4000::1', 'fe80::1', 'ff02::1'])
    assert.deepEqual(await given(['8.8.8.8'], [one]), ['8.8.8.8', gone('outside')], one);
  for (const one of ['1.1.1.1', '2606:4700::1111', '::ffff:9.9.9.9'])
    assert.deepEqual(await given(['8.8.8.8'], [one]), ['8.8.8.8', one]);
});

test('attack-83 by the proxy: the key stays where it is when the name is turned to the machine', async () => {
  const secret = { placeholder: 'PLACE', key: 'the-key' };
  const headers = { authorization: 'Bearer PLACE' };
  /** A proxy whose name has these answers, its first one asked for and left at once where it is not to be dialled. */
  const ask = async (left: boolean, ...answers: string[][]) => {
    const leaving = new AbortController();
    const resolve = answering(...answers);
    const looked: Resolve = (host, options, done) => {
      resolve(host, options, done);
      if (left) leaving.abort();
    };
    const proxy = makeProxy({ upstream: `http://model.test:${portOf(local)}/v1`, secret }, looked);
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${portOf(proxy)}/chat`;
    if (left) await assert.rejects(fetch(url, { headers, signal: leaving.signal }), { name: 'AbortError' });
    const answer = await fetch(url, { headers });
    const told = `${answer.status} ${await answer.text()}`;
    proxy.close();
    proxy.closeAllConnections();
    return told;
  };
  // TEST-NET-1 (RFC 5737) is outside, and nobody is there.
  const turned = await ask(true, ['192.0.2.1'], ['127.0.0.1']);
  assert.match(turned, /^502 .*model\.test has no address outside any more/);
  assert.deepEqual(seen, []);
  assert.equal(await ask(false, ['127.0.0.1']), '200 here');
  assert.equal(
    await ask(true, ['10.9.9.9'], ['127.0.0.1']),
    '200 here',
    'a model of one’s own may move inside',
  );
  assert.deepEqual(seen, Array(2).fill('/v1/chat Bearer the-key'));
});

test('one address is given where one is asked for, and what the resolver says is passed on', async () => {
  const one = await new Promise((done) =>
    pinnedLookup(answering(['1.2.3.4', '5.6.7.8']))('a', {}, (_error, address, of) => done([address, of])),
  );
  assert.deepEqual(one, ['1.2.3.4', 4]);
  const failing: Resolve = (_h, _o, done) =>
    done(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), []);
  const error = await new Promise<Error | null>((done) => pinnedLookup(failing)('a', {}, done));
  assert.match(error?.message ?? '', /no such name/);
});
