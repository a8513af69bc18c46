/**
 * Who reaches whom. Every try is made by the same program inside the container in question, and each container's own open
 * ways are the proof that this program would have found the others open.
 */
import assert from 'node:assert/strict';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import { findEngine } from '../../console/engine/engine.ts';
import { until } from '../harness/wait.ts';
import { bash, fingerprints, get, known, type Place, reached, thisMachine, unixSocket } from './inside.ts';
import { type Scene, type Service, services, startScene } from './scene.ts';
import { arrows, loopback, names, ports, toMachine, toWorld } from './ways.ts';

const { docker } = findEngine();

let scene: Scene;
let listener: Server;
/** Where each service listens, on each network it is on. */
const places = new Map<Place, Service>();
/** What each of these places answers to its own service's container. */
const answers = new Map<Place, string>();
/** A program of this machine that listens on all of its addresses. */
let machine: Place[];

before(async () => {
  scene = await startScene();
  for (const service of services) {
    const { NetworkSettings } = await docker.getContainer(scene.containers[service]).inspect();
    const port = ports[service];
    if (!port) continue;
    const own = Object.values(NetworkSettings.Networks).map(({ IPAddress }) => `${IPAddress}:${port}`);
    for (const place of own) places.set(place, service);
    for (const [place, print] of await fingerprints(scene.containers[service], own))
      answers.set(place, print);
  }
  listener = createServer((socket) => socket.end()).listen(0, '0.0.0.0');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const own = Object.values(networkInterfaces()).flatMap((i) => i ?? []);
  machine = own.filter((i) => i.family === 'IPv4' && !i.internal).map((i) => `${i.address}:${port}`);
});
after(async () => {
  listener?.close();
  await scene?.destroy();
});

/**
 * Which places are open to a service. Whoever reaches the world may be let through to any address by the world's own
 * machinery, so for those it counts who answers.
 */
async function openTo(service: Service, tried: readonly Place[]): Promise<Place[]> {
  const open = await reached(scene.containers[service], tried);
  if (!toWorld.includes(service)) return open;
  const prints = await fingerprints(scene.containers[service], open);
  return open.filter((place) => !places.has(place) || prints.get(place) === answers.get(place));
}
const servicesAt = (open: readonly Place[]): Service[] =>
  services.filter((service) => open.some((place) => places.get(place) === service));
const othersThan = (service: Service): Place[] =>
  [...places.keys()].filter((place) => places.get(place) !== service);

test('a task of the brain went all the way: every arrow of the design carries', () => {
  // brain → model proxy → model, brain → gateway with its token, bot → ledger and homeserver, executor → ledger and Docker.
  assert.match(scene.said, /42 from uid 65525/);
  const { model } = scene.instance;
  assert.ok(model?.seen.some(({ key, tools }) => key === 'test-key' && tools.length > 0));
});

for (const service of services)
  test(`${service} reaches ${arrows[service].join(', ') || 'no other service'}, at every address there is`, async () => {
    const open = await openTo(service, [
      ...othersThan(service),
      ...machine,
      `127.0.0.1:${ports[service] ?? 1}`,
    ]);
    assert.deepEqual(
      servicesAt(open),
      services.filter((one) => arrows[service].includes(one)),
      'services',
    );
    assert.equal(
      open.some((place) => machine.includes(place)),
      toMachine.includes(service),
      'this machine',
    );
    // The twin where nothing else is open: itself.
    assert.equal(open.includes(`127.0.0.1:${ports[service]}`), loopback.includes(service), 'itself');
  });

test('the world and its names are open to homeserver and proxies alone', async (t) => {
  const name = 'deb.debian.org'; // what images are made from is reachable, or there would be none
  const world = await lookup(name, { family: 4 }).then(
    ({ address }) => address,
    () => undefined,
  );
  if (!world) return t.skip('this machine itself reaches no world');
  await Promise.all(
    services.map(async (service) => {
      const container = scene.containers[service];
      const may = toWorld.includes(service);
      const far = [`${world}:80`, ...(may ? [] : ['1.1.1.1:443', '8.8.8.8:53', '169.254.169.254:80'])];
      assert.deepEqual(await reached(container, far), may ? far : [], service);
      assert.deepEqual(await known(container, [name]), may ? [name] : [], `${service}: names`);
    }),
  );
});

test('each service knows the names of its own networks only', async () => {
  await Promise.all(
    services.map(async (service) => {
      const all = [
        ...services.filter((other) => other !== service),
        'gateway',
        'model-proxy',
        'transcription-proxy',
      ];
      assert.deepEqual(await known(scene.containers[service], all), names[service], service);
    }),
  );
});

test('the name of a part that is down is given up in seconds, so that no look-up of another one waits long', async () => {
  // Those that reach the world ask its resolver, as long as that takes.
  const inner = services.filter((service) => !toWorld.includes(service));
  await Promise.all(
    inner.map(async (service) => {
      const { out } = await bash(scene.containers[service], 'timeout 8 getent hosts gone; echo $?');
      assert.equal(out, '2', `${service}: not found, where 124 would be still waiting`);
    }),
  );
});

test('IPv6 is no way round: nobody has an address of it but loopback', async () => {
  for (const service of services) {
    const { out } = await bash(scene.containers[service], 'cat /proc/net/if_inet6; cut -f1 /proc/net/route');
    assert.match(out, /eth0/, service); // the twin: the same look finds IPv4
    assert.doesNotMatch(out, /^(?!0{31}1 )[0-9a-f]{32} /m, service);
  }
});

test('a task’s container reaches nothing at all', async () => {
  const { task } = scene.containers;
  const serve =
    'import socket; s = socket.create_server(("127.0.0.1", 7000)); [s.accept() for _ in range(2)]';
  const own = bash(task, `python3 -c '${serve}'`);
  const twin = '127.0.0.1:7000';
  await until('its own listener', async () => (await reached(task, [twin])).length > 0);
  const open = await reached(task, [...places.keys(), ...machine, '1.1.1.1:443', twin]);
  assert.deepEqual(open, [twin]);
  await own;
  assert.equal((await bash(task, 'cut -d: -f1 -s /proc/net/dev | tr -d " "')).out, 'lo');
  assert.deepEqual(await known(task, ['ledger', 'localhost']), ['localhost']);
});

test('the gateway answers nobody without a task’s token, and no other name', async () => {
  const { brain } = scene.containers;
  assert.match(await get(brain, 'gateway', 8080, '/mcp/any'), /^HTTP\/1\.1 401 /);
  assert.match(await get(brain, 'bot', 8080, '/mcp/any'), /^HTTP\/1\.1 403 /);
});

test('the brain answers nobody without its password, the model proxy included', async () => {
  for (const from of ['bot', 'model'] as const)
    assert.match(await get(scene.containers[from], 'brain', 4096, '/config'), /^HTTP\/1\.1 401 /, from);
});

test('the executor listens nowhere', async () => {
  // Listening sockets but those of the engine's own resolver (127.0.0.11).
  const listening = async (service: Service) => {
    const { out } = await bash(scene.containers[service], 'cat /proc/net/tcp /proc/net/tcp6');
    const rows = out.split('\n').map((row) => row.trim().split(/\s+/));
    return rows
      .filter((row) => row[3] === '0A' && !row[1]?.startsWith('0B00007F'))
      .map((row) => Number.parseInt(row[1]?.split(':')[1] ?? '', 16));
  };
  assert.deepEqual(await listening('executor'), []);
  assert.deepEqual(await listening('ledger'), [8090]);
});

test('Docker’s socket is the executor’s alone', async () => {
  const socket = '/var/run/docker.sock';
  assert.equal(await unixSocket(scene.containers.executor, socket), 'connected');
  assert.equal(await unixSocket(scene.containers.bot, '/var/lib/pocketcoder/console.sock'), 'connected');
  for (const service of services) {
    const { out } = await bash(
      scene.containers[service],
      'find / -type s 2> /dev/null; grep -o docker.sock /proc/self/mountinfo | sort -u',
    );
    const own = { bot: '/var/lib/pocketcoder/console.sock', executor: 'docker.sock' };
    assert.equal(out, service in own ? own[service as keyof typeof own] : '', service);
    if (service !== 'executor')
      assert.match(await unixSocket(scene.containers[service], socket), /No such file/, service);
  }
  assert.match(await unixSocket(scene.containers.task, socket), /No such file/);
});

test('this machine reaches the two ports it publishes, and neither bot, executor nor brain', async () => {
  const { ports: published } = scene.instance.secrets;
  const prints = await fingerprints(thisMachine, [
    ...places.keys(),
    `127.0.0.1:${published.homeserver}`,
    `127.0.0.1:${published.ledger}`,
  ]);
  const answerOf = (service: Service) =>
    answers.get([...places].find(([, one]) => one === service)?.[0] ?? '');
  for (const service of ['homeserver', 'ledger'] as const)
    assert.equal(prints.get(`127.0.0.1:${published[service]}`), answerOf(service), service);
  const open = servicesAt([...places.keys()].filter((place) => prints.get(place) === answers.get(place)));
  assert.deepEqual(
    open.filter((service) => service === 'bot' || service === 'brain'),
    [],
  );
});
