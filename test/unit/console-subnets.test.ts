/** Which addresses the containers' networks get, beside a VPN's and others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Docker from 'dockerode';
import type { Instance } from '../../console/instance/instance.ts';
import { freeBlock, routesIn, withSubnet } from '../../console/instance/subnets.ts';

/** As Linux 6.18 writes it where a VPN has a table of its own and another one leads all out by two halves. */
const trie = `Id 52:
  |-- 10.0.0.0
     /8 link UNICAST
     /16 universe UNICAST
Main:
  +-- 0.0.0.0/0 2 0 2
     |-- 0.0.0.0
        /0 universe UNICAST
        /1 link UNICAST
     |-- 128.0.0.0
        /1 link UNICAST
     +-- 192.0.2.0/31 1 0 0
        |-- 192.0.2.1
           /32 host LOCAL
`;

test('every table of routes counts; what leads out is no network', () => {
  assert.deepEqual(routesIn(trie), ['10.0.0.0/8', '10.0.0.0/16', '192.0.2.1/32']);
  assert.deepEqual(routesIn(''), []);
});

for (const [taken, block] of [
  [['192.0.2.0/24', 'fd00::/8'], /^10\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+$/],
  [routesIn(trie), /^172\.(1[6-9]|2\d|3[01])\.\d+$/],
  [['10.0.0.0/8', '172.16.0.0/12'], /^192\.168\.\d+$/],
  [['10.64.0.0/10', '172.16.0.0/12', '192.168.0.0/17'], /^192\.168\.(1[3-9]|12[89]|2)\d*$/],
] as const)
  test(`beside ${taken.join(', ')} a block is free`, () => assert.match(freeBlock(taken) ?? '', block));

test('where all are taken none is chosen', () => {
  assert.equal(freeBlock(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']), undefined);
  assert.equal(
    freeBlock(['0.0.0.0/0']),
    undefined,
    'the twin: a default route, were it counted, would take all',
  );
});

test('what was chosen is kept, and nobody is asked', async () => {
  const nobody = new Docker({ socketPath: '/nowhere/docker.sock' });
  const instance = { home: '/nowhere', settings: {}, state: { subnet: '10.70.3' } } as unknown as Instance;
  assert.equal((await withSubnet(nobody, instance)).state.subnet, '10.70.3');
  const same = { ...instance, settings: { subnet: '10.70.3.0/24' } };
  assert.equal((await withSubnet(nobody, same)).state.subnet, '10.70.3');
});
