/** The way in by the own network: what a phone that trusts the served root alone can do there, and what nobody can. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import https from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  connect as connectTls,
  createServer as createTlsServer,
  rootCertificates,
  setDefaultCACertificates,
} from 'node:tls';
import { askPush } from '../../console/care/doctor-phone.ts';
import { findEngine } from '../../console/engine/engine.ts';
import { approve, askAndSee, sees } from '../harness/answers.ts';
import { bridgeAddress, type Instance, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import { bash, known, reached } from './inside.ts';

const { docker } = findEngine();
let instance: Instance;
let address: URL;
let page: string;
let root: string;
/** What the launcher said at the end of its first start. */
let ready: Record<string, unknown> = {};

before(async () => {
  const watch = (event: Record<string, unknown>) => {
    if (event['event'] === 'ready') ready = event;
  };
  instance = await startInstance({ overrides: { reach: { way: 'lan' } }, watch });
  address = new URL(instance.address);
  page = String(ready['page']);
  root = await (await fetch(`${page}/root.crt`)).text();
});
after(() => instance?.destroy());

/** The status of one GET whose path goes out to the letter. @param ca the only authorities that are trusted */
const status = (path: string, host = address.host, ca: readonly string[] = [root]): Promise<number> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = address;
    // Node would take the name to ask for from the header.
    const options = {
      hostname,
      port,
      path,
      ca: [...ca],
      headers: { host },
      servername: '',
      agent: false as const,
    };
    const request = https.get(options, (answer) => resolve(answer.resume().statusCode ?? 0));
    request.on('error', reject);
  });

test('the page gives the root whose fingerprint start printed, and its key to nobody', async () => {
  const own = new X509Certificate(root);
  assert.equal(own.ca, true);
  assert.equal(own.fingerprint256, ready['root']);
  const text = await (await fetch(page)).text();
  assert.match(text, /href="\/root\.crt"/);
  assert.match(text, /Certificate Trust Settings/);
  const { host } = new URL(page);
  for (const path of [
    '/root.key',
    '/root.crt/../root.key',
    '/root.crt%2f..%2froot.key',
    '/intermediate.key',
    '/_matrix/client/versions',
  ]) {
    const [hostname, port] = host.split(':');
    const socket = connect(Number(port ?? 80), hostname);
    socket.end(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    assert.match(String(await socket.setEncoding('utf8').toArray()), /^HTTP\/1\.1 404 /, path);
  }
});

test('a phone that trusts that root alone signs in, pairs, approves and reads; one without it is refused', async () => {
  await assert.rejects(status('/_matrix/client/versions', address.host, rootCertificates), {
    code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  });
  await assert.rejects(fetch(`${address.origin}/_matrix/client/versions`));
  setDefaultCACertificates([root]);
  const phone = await pairedPhone({ address: address.origin, home: instance.home, ...instance.owner });
  try {
    await sees(phone, 'Paired.');
    await approve(phone, await askAndSee(phone, '!run echo "$((6 * 7)) by the LAN"'));
    await sees(phone, '42 by the LAN', 30);
  } finally {
    await phone.close();
  }
});

/** The version that a handshake ends with. */
const spoken = (
  port: number,
  host: string,
  version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3',
): Promise<string | null> =>
  new Promise((resolve, reject) => {
    const ciphers = 'ALL@SECLEVEL=0'; // else OpenSSL itself would not offer 1.1
    const versions = { minVersion: version, maxVersion: version };
    const socket = connectTls({ host, port, ciphers, ...versions, rejectUnauthorized: false }, () => {
      resolve(socket.getProtocol());
      socket.destroy();
    });
    socket.on('error', reject);
  });

test('TLS 1.2 and 1.3 are spoken, 1.1 is not', async () => {
  const port = Number(address.port || 443);
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
    assert.equal(await spoken(port, address.hostname, version), version);
  await assert.rejects(spoken(port, address.hostname, 'TLSv1.1'), {
    code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  });
  // The twin: who does speak 1.1 is understood by the same client.
  const anonymous = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', dhparam: 'auto' } as const;
  const old = createTlsServer({ ...anonymous, ciphers: 'ADH-AES256-SHA@SECLEVEL=0' }).listen(0, '127.0.0.1');
  await once(old, 'listening');
  assert.equal(await spoken((old.address() as AddressInfo).port, '127.0.0.1', 'TLSv1.1'), 'TLSv1.1');
  old.close();
});

test('nothing but what a Matrix client asks for goes in, under no other name and by no detour', async () => {
  assert.equal(await status('/_matrix/client/versions'), 200);
  const register = '_synapse/admin/v1/register';
  const inner = `http://127.0.0.1:${instance.secrets.ports.homeserver}/${register}`;
  assert.equal((await fetch(inner)).status, 200); // the twin: it is there, for programs of this machine
  for (const detour of [
    '/',
    '//',
    '/_matrix/../',
    '/_matrix//../',
    '/_matrix/%2e%2e/',
    '/_matrix/..%2f',
    '/_matrix/client/..;/../../',
    '/%5fmatrix/../',
  ])
    assert.notEqual(await status(detour + register), 200, detour);
  // What comes to /_matrix once it is resolved; the homeserver takes it as it came.
  const rooms = '_synapse/admin/v1/rooms/..%2f..%2f..%2f..%2f_matrix%2fx';
  assert.equal((await fetch(`http://127.0.0.1:${instance.secrets.ports.homeserver}/${rooms}`)).status, 401);
  for (const path of [
    `/${rooms}`,
    `/${register}/../../../../_matrix/x`,
    `/${register}/%2e%2e/../../../_matrix/x`,
  ])
    assert.equal(await status(path), 404, path);
  for (const path of ['/', '/health', '/_synapse/client/', '/_Synapse/admin/v1/register'])
    assert.equal(await status(path), 404, path);
  for (const host of ['other.example', 'homeserver:8008', '127.0.0.1'])
    assert.equal(await status('/_matrix/client/versions', host), 421, host);
});

test('the entrance alone listens beyond loopback, at that address, with no more rights and ways than it needs', async () => {
  const filters = { label: [`com.docker.compose.project=${instance.project}`] };
  for (const { Id, Labels } of await docker.listContainers({ filters })) {
    const service = Labels['com.docker.compose.service'];
    const { HostConfig, Mounts } = await docker.getContainer(Id).inspect();
    const bindings = Object.values(HostConfig.PortBindings ?? {}) as { HostIp: string }[][];
    const wanted = service === 'entrance' ? address.hostname : '127.0.0.1';
    for (const { HostIp } of bindings.flat()) assert.equal(HostIp, wanted, service);
    if (service !== 'entrance') continue;
    assert.equal(bindings.length, 2);
    assert.equal(HostConfig.ReadonlyRootfs, true);
    assert.deepEqual(HostConfig.CapDrop, ['ALL']);
    assert.ok(HostConfig.SecurityOpt?.includes('no-new-privileges:true'));
    assert.deepEqual(
      Mounts.filter(({ Type }) => Type === 'bind'),
      [],
    );
  }
  const entrance = instance.container('entrance');
  assert.deepEqual(await known(entrance, ['homeserver', 'bot', 'ledger', 'executor']), ['homeserver']);
  const places: string[] = [];
  for (const [service, port] of [
    ['ledger', 8090],
    ['bot', 8080],
  ] as const) {
    const { NetworkSettings } = await docker.getContainer(instance.container(service)).inspect();
    places.push(...Object.values(NetworkSettings.Networks).map(({ IPAddress }) => `${IPAddress}:${port}`));
  }
  const open = await reached(entrance, ['homeserver:8008', ...places, '1.1.1.1:443', '8.8.8.8:53']);
  assert.deepEqual(open, ['homeserver:8008']);
});

test('homeserver and entrance know the public authorities: those of the push gateway, and of who signs for a domain', async () => {
  for (const service of ['homeserver', 'entrance']) {
    const count = 'grep -c BEGIN /etc/ssl/certs/ca-certificates.crt';
    const { out } = await bash(instance.container(service), count);
    assert.ok(Number(out) > 50, `${service}: ${out}`);
  }
});

test('the link that is shown as a QR code names server and owner, and no password', async () => {
  const { user, password } = instance.owner;
  const link = new URL(String(ready['link']));
  assert.equal(link.origin + link.pathname, 'https://mobile.element.io/element');
  assert.equal(link.searchParams.get('account_provider'), address.host);
  assert.equal(link.searchParams.get('login_hint'), `mxid:${user}`);
  assert.ok(ready['password'] === password && !decodeURIComponent(link.href).includes(password));
});

type Finding = { event: string; check: string; level: string; what: string; fix?: string };
const doctor = async (): Promise<{ code: number | null; findings: Map<string, Finding> }> => {
  const { code, events } = await instance.run(['doctor', 'phone', '--json']);
  const findings = events.filter(({ event }) => event === 'check') as Finding[];
  return { code, findings: new Map(findings.map((one) => [one.check, one])) };
};

test('doctor phone finds all of the way well; with the entrance down it says so, and what to do', async () => {
  const { findings } = await doctor();
  const of = (check: string) => findings.get(check);
  for (const check of [
    'address',
    'root certificate',
    'certificate',
    'versions',
    'sliding sync',
    'login',
    'well-known',
    'administration',
  ])
    assert.equal(of(check)?.level, 'ok', JSON.stringify(of(check)));
  assert.match(of('certificate')?.what ?? '', /← PocketCoder pocketcoder\.local/);
  assert.equal(of('well-known')?.what.replace(/\/$/, ''), address.origin);
  assert.ok(of('push gateway')); // how it stands depends on this machine's network

  await docker.getContainer(instance.container('entrance')).stop();
  const down = await doctor();
  assert.equal(down.code, 1);
  assert.equal(down.findings.get('address')?.level, 'fail');
  assert.match(down.findings.get('address')?.fix ?? '', /pocketcoder status/);
  assert.equal(down.findings.has('versions'), false);
  assert.match((await instance.run(['status'])).err, /Not up: entrance/);
});

test('the push gateway is asked by the homeserver itself', async () => {
  const gateway = createServer((_req, res) => res.writeHead(405).end()).listen(0, await bridgeAddress());
  await once(gateway, 'listening');
  const { address: host, port } = gateway.address() as AddressInfo;
  const url = `http://${host}:${port}/_matrix/push/v1/notify`;
  assert.match(await askPush(docker, instance.project, url), /answers the homeserver/);
  gateway.close();
  await assert.rejects(askPush(docker, instance.project, url), /does not reach .*refused/i);
});

test('taken back, the next start closes it again', async () => {
  writeFileSync(join(instance.home, 'pocketcoder.yaml'), 'reach: { way: later }\napprovals: { quick: 0 }\n');
  const again = await instance.run(['start', '-d', '--json']);
  assert.equal(again.code, 0, again.out);
  const loopback = String(again.events.find(({ event }) => event === 'ready')?.['address']);
  assert.equal(loopback, `http://127.0.0.1:${instance.secrets.ports.homeserver}`);
  assert.equal((await fetch(`${loopback}/_matrix/client/versions`)).status, 200);
  await until('the port to be closed', () =>
    status('/_matrix/client/versions').then(
      () => false,
      () => true,
    ),
  );
  const { code, findings } = await doctor();
  assert.equal(code, 1);
  assert.match(findings.get('address')?.fix ?? '', /set reach/);
});
