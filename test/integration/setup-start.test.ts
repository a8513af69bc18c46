/** A whole start and a second one, what a service going down means, and two instances side by side. */
import assert from 'node:assert/strict';
import { appendFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findEngine } from '../../console/engine/engine.ts';
import { freeBlock } from '../../console/instance/subnets.ts';
import { type Instance, startInstance } from '../harness/instance.ts';

const { docker } = findEngine();
let instance: Instance;

before(async () => {
  instance = await startInstance();
});
after(async () => {
  await instance?.destroy();
});

const login = async (user: string, password: string): Promise<number> => {
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password };
  const url = `${instance.address}/_matrix/client/v3/login`;
  return (await fetch(url, { method: 'POST', body: JSON.stringify(body) })).status;
};

test('the printed account signs in, and no other way in is open', async () => {
  assert.equal(await login(instance.owner.user, instance.owner.password), 200);
  assert.equal(await login(instance.owner.user, 'another'), 403);
  const register = (body: object) =>
    fetch(`${instance.address}/_matrix/client/v3/register`, { method: 'POST', body: JSON.stringify(body) });
  assert.equal((await register({ username: 'stranger', password: 'x' })).status, 403);
  const guest = await fetch(`${instance.address}/_matrix/client/v3/register?kind=guest`, {
    method: 'POST',
    body: '{}',
  });
  assert.equal(guest.status, 403);
  for (const path of ['/_matrix/federation/v1/version', '/_matrix/key/v2/server'])
    assert.equal((await fetch(instance.address + path)).status, 404);
});

test('secrets are for their owner alone', () => {
  assert.equal(statSync(join(instance.home, 'secrets.json')).mode & 0o777, 0o600);
});

test('nothing listens beyond the loopback address, and nothing of this machine is mounted but the socket', async () => {
  const all = await docker.listContainers({
    filters: { label: [`com.docker.compose.project=${instance.project}`] },
  });
  assert.deepEqual(all.map((one) => one.Labels['com.docker.compose.service']).sort(), [
    'bot',
    'executor',
    'homeserver',
    'ledger',
  ]);
  for (const { Id } of all) {
    const { HostConfig, Mounts, Config } = await docker.getContainer(Id).inspect();
    const service = Config.Labels['com.docker.compose.service'];
    for (const bindings of Object.values(HostConfig.PortBindings ?? {}) as { HostIp: string }[][])
      for (const { HostIp } of bindings) assert.equal(HostIp, '127.0.0.1', service);
    const binds = Mounts.filter(({ Type }) => Type === 'bind').map(({ Destination }) => Destination);
    assert.deepEqual(binds, service === 'executor' ? ['/var/run/docker.sock'] : [], service);
    assert.equal(HostConfig.ReadonlyRootfs, true, service);
    assert.deepEqual(HostConfig.CapDrop, ['ALL'], service);
    assert.ok(HostConfig.SecurityOpt?.includes('no-new-privileges:true'), service);
  }
});

test('a second start builds nothing, is up in 20 s, and keeps accounts, room and ports', async () => {
  await instance.stop();
  const from = Date.now();
  const again = await instance.run(['start', '-d', '--json']);
  const seconds = (Date.now() - from) / 1000;
  assert.equal(again.code, 0, again.out);
  assert.ok(seconds <= 20, `${seconds} s`);
  const ready = again.events.find(({ event }) => event === 'ready') ?? {};
  assert.equal(ready['address'], instance.address);
  assert.equal(ready['room'], instance.room);
  assert.equal('password' in ready, false, 'the password is shown once');
  assert.equal(again.out.includes('building'), false);
  assert.equal(await login(instance.owner.user, instance.owner.password), 200);
});

test('a homeserver that went down is told by status and brought back by start', async () => {
  await docker.getContainer(instance.container('homeserver')).stop();
  const status = await instance.run(['status', '--json']);
  assert.equal(status.code, 69);
  assert.match(String(status.events.at(-1)?.['message']), /Not up: homeserver\. \.\/pocketcoder start -d/);
  const again = await instance.run(['start', '-d', '--json']);
  assert.equal(again.code, 0, again.out);
  assert.equal((await instance.run(['status'])).code, 0);
});

test('a start moves what runs to the addresses that the settings name, and keeps accounts and room', async () => {
  const networks = async (project?: string) =>
    (await docker.listNetworks({ filters: { name: project ? [`${project}_`] : [] } })).flatMap(({ IPAM }) =>
      (IPAM?.Config ?? []).map(({ Subnet = '' }) => Subnet),
    );
  const block = freeBlock(['10.0.0.0/8', '192.168.0.0/16', ...(await networks())]);
  appendFileSync(join(instance.home, 'pocketcoder.yaml'), `subnet: ${block}.0/24\n`);
  const again = await instance.run(['start', '-d', '--json']);
  assert.equal(again.code, 0, again.out);
  assert.equal(again.events.find(({ event }) => event === 'ready')?.['room'], instance.room);
  assert.equal(await login(instance.owner.user, instance.owner.password), 200);
  const moved = await networks(instance.project);
  assert.ok(moved.length > 3 && moved.every((subnet) => subnet.startsWith(`${block}.`)), moved.join());
});

test('a second instance runs beside the first, with ports and accounts of its own', async () => {
  const other = await startInstance({ overrides: { server_name: 'other.example', owner: 'ada' } });
  try {
    assert.notEqual(other.address, instance.address);
    assert.equal(other.owner.user, '@ada:other.example');
    assert.equal(await login(instance.owner.user, instance.owner.password), 200);
  } finally {
    await other.destroy();
  }
});
