/** An instance on a homeserver that is there already: a real Synapse outside of it, reached over the engine's bridge. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { stringify } from 'yaml';
import { findEngine } from '../../console/engine/engine.ts';
import type { Existing } from '../../console/instance/settings-file.ts';
import { projectOf } from '../../console/instance/state.ts';
import { bash, known, reached } from '../connection/inside.ts';
import { approve, askAndSee, endsWith, fileOf, hears, sees } from '../harness/answers.ts';
import { type Account, type Homeserver, startHomeserver } from '../harness/homeserver.ts';
import { bridgeAddress, type Instance, launch, type Ran, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import type { Phone } from '../phone/types.ts';

const { docker } = findEngine();
let server: Homeserver;
let bot: Account;
let owner: Account;
let existing: Existing;
let instance: Instance;
let phone: Phone;

before(async () => {
  server = await startHomeserver(await bridgeAddress());
  bot = await server.register('bot.of.mine');
  owner = await server.register('me');
  existing = { url: server.url, bot: bot.user, owner: owner.user, password: bot.password };
});
after(async () => {
  await phone?.close();
  await instance?.destroy();
  await server?.stop();
});

/** Starts with these settings in a directory of their own, and shows that nothing came of it. */
async function refused(homeserver: Existing): Promise<Ran> {
  const home = mkdtempSync(join(tmpdir(), 'pocketcoder-fault-'));
  try {
    writeFileSync(join(home, 'pocketcoder.yaml'), stringify({ homeserver }));
    const ran = await launch(['start', '-d'], { env: { POCKETCODER_HOME: home } });
    assert.deepEqual(readdirSync(home), ['pocketcoder.yaml']);
    const filters = { label: [`com.docker.compose.project=${projectOf(home)}`] };
    assert.deepEqual(await docker.listContainers({ all: true, filters }), []);
    assert.ok(homeserver.password && !(ran.out + ran.err).includes(homeserver.password));
    return ran;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
const login = async (password: string) => {
  const identifier = { type: 'm.id.user', user: bot.user };
  const body = JSON.stringify({ type: 'm.login.password', identifier, password });
  return fetch(`${server.url}/_matrix/client/v3/login`, { method: 'POST', body });
};

test('a wrong password is told, and nothing is started', async () => {
  const ran = await refused({ ...existing, password: 'not-the-password' });
  assert.match(
    ran.err,
    /refuses the sign-in of @bot\.of\.mine:pocket\.test \(M_FORBIDDEN\).*Nothing was started/,
  );
  assert.equal(ran.code, 78);
});

test('a server with another name than the ids is told, and no session is left behind there', async () => {
  const ran = await refused({ ...existing, bot: '@bot.of.mine:other.test', owner: '@me:other.test' });
  assert.match(
    ran.err,
    /is another one: its bot\.of\.mine is "@bot\.of\.mine:pocket\.test".*Nothing was started/,
  );
  assert.equal(ran.code, 78);
  const { access_token } = (await (await login(bot.password)).json()) as { access_token: string };
  const headers = { authorization: `Bearer ${access_token}` };
  const answer = await fetch(`${server.url}/_matrix/client/v3/devices`, { headers });
  const { devices } = (await answer.json()) as { devices: { display_name: string | null }[] };
  assert.ok(devices.length > 0); // this one's own
  assert.deepEqual(
    devices.filter((device) => device.display_name?.includes('set-up')),
    [],
  );
  await fetch(`${server.url}/_matrix/client/v3/logout`, { method: 'POST', headers });
});

test('what is no homeserver, and what is not there, is told', async () => {
  const page = createServer((_req, res) => res.end('<h1>Welcome</h1>'));
  await new Promise<void>((resolve) => page.listen(0, new URL(server.url).hostname, resolve));
  const url = `http://${new URL(server.url).hostname}:${(page.address() as AddressInfo).port}`;
  const ran = await refused({ ...existing, url });
  assert.match(ran.err, /What answers at .* is no Matrix homeserver.*Nothing was started/);
  assert.equal(ran.code, 78);
  await new Promise((resolve) => page.close(resolve));
  const gone = await refused({ ...existing, url });
  assert.match(gone.err, /cannot be reached: .*ECONNREFUSED.*Nothing was started/);
  assert.equal(gone.code, 69);
});

test('a phone of the owner pairs, approves and reads, a large output as a file', async () => {
  instance = await startInstance({ overrides: { homeserver: existing } });
  assert.deepEqual([instance.address, instance.owner.user, instance.bot], [server.url, owner.user, bot.user]);
  assert.equal('accounts' in instance.seconds, false, 'no account is made');
  phone = await pairedPhone({ address: server.url, ...owner, home: instance.home });
  await sees(phone, 'Paired.');
  const card = await askAndSee(phone, '!run seq 1 20000');
  await approve(phone, card);
  await endsWith(phone, card, 'exit 0', 30);
  const file = await fileOf(phone, server.url, 'output-1.txt');
  assert.equal(file.toString(), Array.from({ length: 20000 }, (_, i) => `${i + 1}\n`).join(''));
});

test('no homeserver of ours runs, and the bot has no way out but the proxy to that one', async () => {
  const filters = { label: [`com.docker.compose.project=${instance.project}`] };
  const all = await docker.listContainers({ filters });
  assert.deepEqual(all.map((one) => one.Labels['com.docker.compose.service']).sort(), [
    'bot',
    'executor',
    'homeserver-proxy',
    'ledger',
  ]);
  const place = new URL(server.url).host;
  const world = ['1.1.1.1:443', '8.8.8.8:53', '169.254.169.254:80'];
  const [theBot, proxy] = [instance.container('bot'), instance.container('homeserver-proxy')];
  const open = await reached(theBot, ['homeserver:8008', 'ledger:8090', place, ...world]);
  assert.deepEqual(open, ['homeserver:8008', 'ledger:8090']);
  assert.deepEqual(await known(theBot, ['homeserver', 'deb.debian.org']), ['homeserver']);
  assert.deepEqual(await reached(proxy, [place]), [place]); // the twin: the same try from where the way is

  const { NetworkSettings } = await docker.getContainer(proxy).inspect();
  const of = (network: string) => NetworkSettings.Networks[`${instance.project}_${network}`]?.IPAddress;
  const own = [`${of('matrix')}:8008`, `${of('front')}:8008`, '127.0.0.1:8008'];
  assert.deepEqual(await reached(proxy, own), [`${of('matrix')}:8008`], 'it listens on the bot’s side alone');
});

test('attack-44 the bot’s password is in no inspect, log, process list or variable, and kept for its owner alone', async () => {
  const filters = { label: [`com.docker.compose.project=${instance.project}`] };
  for (const { Id, Names } of await docker.listContainers({ filters })) {
    const container = docker.getContainer(Id);
    const log = String(await container.logs({ stdout: true, stderr: true, follow: false }));
    const seen = JSON.stringify([
      await container.inspect(),
      await container.top({ ps_args: 'axww -o pid,args' }),
    ]);
    assert.equal((seen + log).includes(bot.password), false, Names[0]);
  }
  assert.equal(readFileSync(join(instance.home, 'compose.env'), 'utf8').includes(bot.password), false);
  for (const name of ['secrets.json', 'pocketcoder.yaml']) {
    assert.equal(readFileSync(join(instance.home, name), 'utf8').includes(bot.password), true, name); // the twin
    assert.equal(statSync(join(instance.home, name)).mode & 0o777, 0o600, name);
  }
  const { out } = await bash(instance.container('bot'), 'stat -c %a /run/pocketcoder/bot.json');
  assert.equal(out, '400');
});

test('a second start needs no password, and keeps room and session', async () => {
  await instance.stop();
  const { password: _, ...without } = existing;
  writeFileSync(join(instance.home, 'pocketcoder.yaml'), stringify({ homeserver: without }));
  const again = await instance.run(['start', '-d', '--json']);
  assert.equal(again.code, 0, again.out);
  assert.equal(again.events.find(({ event }) => event === 'ready')?.['room'], instance.room);
  await approve(phone, await askAndSee(phone, '!run echo "$((6 * 7)) again"'));
  await sees(phone, '42 again', 30);
});

test('doctor phone looks at that server: without TLS it stands in a phone’s way', async () => {
  const { code, events } = await instance.run(['doctor', 'phone', '--json']);
  const checks = events.filter(({ event }) => event === 'check');
  assert.deepEqual(
    checks.map(({ check, level }) => [check, level]),
    [
      ['address', 'ok'],
      ['certificate', 'fail'],
    ],
  );
  assert.match(String(checks[1]?.['what']), /plain HTTP/);
  assert.equal(code, 1);
});

test('an instance cannot be moved to another account or server, and its bot’s account serves no second one', async () => {
  writeFileSync(join(instance.home, 'pocketcoder.yaml'), 'owner: me\n');
  const moved = await instance.run(['start', '-d']);
  assert.match(
    moved.err,
    /can never be changed|homeserver\.bot is "not set", but this instance was made with/,
  );
  assert.equal(moved.code, 78);
  const ran = await refused(existing);
  assert.match(ran.err, /has a cross-signing identity already.*Nothing was started/);
  assert.equal(ran.code, 78);
});

test('a homeserver that is down is told by start', async () => {
  writeFileSync(join(instance.home, 'pocketcoder.yaml'), stringify({ homeserver: existing }));
  await server.halt();
  const ran = await instance.run(['start', '-d']);
  assert.match(ran.err, /cannot be reached: .*Nothing was started/);
  assert.equal(ran.code, 69);
  await server.resume();
});

test('restored on a server that went on: the bot knows that the ledger once went further, and waits for a person', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'pocketcoder-restored-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'all.age');
  const ran = await instance.run(['backup', file], 'of a test\n');
  assert.equal(ran.code, 0, ran.err);
  const lost = await askAndSee(phone, '!run echo "$((6 * 7)) after the backup"');
  await approve(phone, lost);
  await endsWith(phone, lost, 'exit 0', 30);
  const { room, bot: user } = instance;
  await instance.destroy();

  const home = join(dir, 'home');
  const env = { POCKETCODER_HOME: home };
  const restored = await launch(['restore', file], { env, input: 'of a test\n' });
  assert.equal(restored.code, 0, restored.err);
  instance = await startInstance({ home });
  assert.deepEqual([instance.room, instance.bot], [room, user]);
  const told = await sees(phone, 'knows the ledger up to', 60);
  const [, then, now] = /⛓ (\d+) [0-9a-f]{12}, but .*⛓ (\d+) [0-9a-f]{12}/.exec(told) ?? [];
  assert.ok(then && now, told);
  await sees(phone, 'Restored from a backup');
  assert.equal((await instance.run(['thaw'])).code, 0);
  await hears(phone, '!run echo no', 'Not asked: this room knows the ledger up to');
  await hears(phone, '!resume', 'This room is as it was made');
  await approve(phone, await askAndSee(phone, '!run echo "$((6 * 7)) resumed"'));
  await sees(phone, '42 resumed', 60);
});
