/** What `doctor` makes of what it saw: one thing off at a time finds exactly that, and all well finds nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { checks, judged } from '../../console/care/doctor.ts';
import { type Part, type Scene, softwareAt } from '../../console/care/doctor-scene.ts';
import { holesOf } from '../../console/care/holes.ts';
import type { Instance } from '../../console/instance/instance.ts';
import { checkout } from '../../console/instance/paths.ts';
import { hashed } from '../../ledger/rules/judge.cjs';
import { sha256 } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';

const gibi = 2 ** 30;
const ago = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
const part = (name: string): Part => ({
  ...{ name, id: name, running: true, status: 'Up 2 hours (healthy)', health: 'healthy' },
  ...{ restarts: 0, oom: false, complaint: '' },
});

function chain(...kinds: [kind: string, author: string, body?: object, at?: string][]): Entry[] {
  const entries: Entry[] = [];
  for (const [kind, author, body = {}, at = '2026-01-01T00:00:00.000Z'] of kinds) {
    const prev = entries.at(-1)?.hash ?? '';
    const seq = entries.length + 1;
    const entry = { id: `e${seq}`, seq, prev, at, author, kind, action: '', body: JSON.stringify(body) };
    entries.push({ ...entry, hash: sha256(hashed(entry)), transcript: '' });
  }
  return entries;
}
const enrolment = ['identity.enrolled', 'operator', { user: '@o:x', device: 'D', master: 'm' }] as const;

/** An instance with everything in order. */
function scene(): Scene {
  const entries = chain(['workspace.created', 'bot'], [...enrolment]);
  const model = { provider: 'openai-compatible', name: 'm', url: 'http://x', key: 'k' };
  return {
    home: '/home/o/.pocketcoder',
    modes: { '.': 0o700, 'secrets.json': 0o600, 'pocketcoder.yaml': 0o600 },
    free: 9 * gibi,
    instance: { settings: { model } } as unknown as Instance,
    engine: { host: 'unix:///s', by: '', is: 'up', version: '20.10.24', api: '1.41' },
    compose: 'plugin',
    base: true,
    parts: ['homeserver', 'ledger', 'bot', 'executor', 'brain', 'model'].map(part),
    leases: 1,
    ports: [],
    answers: [{ service: 'ledger', url: 'http://l', ok: true }],
    clocks: { engine: 0, ledger: 400 },
    disks: { ledger: 9 * gibi, bot: 9 * gibi },
    ledger: { newest: entries, control: entries, pins: { bot: entries[1] as Entry } },
    bot: {
      ...{ event: 'status', homeserver: 'up', ledger: 'up', executor: 'up', brain: 'up' },
      ...{ device: 'PC1', signed: true, troubles: [], space: '' },
    },
    models: { model: { status: 200, text: '{"data":[{"id":"m"}]}' } },
    last: { backup: { at: ago(13.9), file: '/b/1.age' }, drill: { at: ago(13.8), file: '/b/1.age' } },
    homeserver: { name: 'Synapse', version: '1.163.2' },
  };
}
const daily = { folder: '/b', to: 'age1x', every: 'day' } as const;
const off = (s: Scene) => judged(s).filter(({ level }) => level !== 'ok');

test('where all is well every check says so, and none is left out', () => {
  const found = judged(scene());
  assert.deepEqual(off(scene()), []);
  assert.deepEqual(
    [...new Set(found.map(({ check }) => check))],
    checks.map(({ name }) => name),
  );
});

type Fault = {
  name: string;
  change(s: Scene): void;
  level: 'warn' | 'fail';
  check: string;
  what: RegExp;
  fix: RegExp;
};
const partOf = (s: Scene, name: string): Part => s.parts.find((one) => one.name === name) ?? part(name);
const faults: Fault[] = [
  {
    name: 'settings that cannot be read',
    change: (s) =>
      Object.assign(s, { fault: 'p.yaml, line 3: there is no setting "x". Nothing was started' }),
    ...{
      level: 'fail',
      check: 'settings',
      what: /^p\.yaml, line 3: there is no setting "x"$/,
      fix: /correct/,
    },
  },
  ...[0o644, 0o640, 0o606].map(
    (mode): Fault => ({
      name: `secrets with mode 0${mode.toString(8)}`,
      change(s) {
        s.modes['secrets.json'] = mode;
      },
      ...{
        level: 'fail',
        check: 'permissions',
        what: /open to others/,
        fix: /^chmod 600 \S+\/secrets\.json$/,
      },
    }),
  ),
  {
    name: 'a lease of the network whose executor is gone',
    change(s) {
      s.parts = s.parts.filter(({ name }) => name !== 'executor');
    },
    ...{ level: 'warn', check: 'network', what: /^1 lease of it open, and no executor/, fix: /start -d$/ },
  },
  {
    name: 'a model’s key that others can read',
    change(s) {
      s.modes['pocketcoder.yaml'] = 0o644;
    },
    ...{
      level: 'fail',
      check: 'permissions',
      what: /yaml is open/,
      fix: /^chmod 600 \S+\/pocketcoder\.yaml$/,
    },
  },
  {
    name: 'a state directory that others can write',
    change(s) {
      s.modes['.'] = 0o777;
    },
    ...{ level: 'fail', check: 'permissions', what: /open to others \(0777\)/, fix: /^chmod 700/ },
  },
  {
    name: 'a disk that is nearly full',
    change: (s) => Object.assign(s, { free: 20 * 2 ** 20 }),
    ...{ level: 'fail', check: 'disk', what: /^20 MiB free/, fix: /make room/ },
  },
  {
    name: 'a service’s disk that fills up',
    change(s) {
      s.disks['bot'] = gibi / 2;
    },
    ...{ level: 'warn', check: 'room left', what: /512 MiB free for the bot/, fix: /soon/ },
  },
  {
    name: 'a socket that may not be opened',
    change(s) {
      s.engine.is = 'denied';
    },
    ...{ level: 'fail', check: 'docker', what: /may not be opened/, fix: /usermod -aG docker/ },
  },
  {
    name: 'an engine of old',
    change(s) {
      s.engine.api = '1.40';
    },
    ...{ level: 'warn', check: 'docker', what: /older/, fix: /20\.10/ },
  },
  {
    name: 'an engine on which nothing of it runs',
    change: (s) => Object.assign(s.engine, { refusal: 'What answers is Podman' }),
    ...{ level: 'fail', check: 'docker', what: /^What answers is Podman$/, fix: /start -d$/ },
  },
  {
    name: 'a limit that the kernel does not have',
    change: (s) => Object.assign(s.engine, { lacks: ['No cpu cfs quota support: tasks go without'] }),
    ...{ level: 'warn', check: 'docker', what: /^No cpu cfs quota/, fix: /care\.md/ },
  },
  {
    name: 'a service that is not there',
    change(s) {
      s.parts[1] = { name: 'ledger', restarts: 0, oom: false, complaint: '' };
    },
    ...{ level: 'fail', check: 'part', what: /^ledger is not there$/, fix: /start -d/ },
  },
  {
    name: 'a service that ends again and again',
    change: (s) =>
      Object.assign(partOf(s, 'bot'), {
        running: false,
        status: 'Restarting (1) 3 s ago',
        restarts: 7,
        complaint: 'no key',
      }),
    ...{
      level: 'fail',
      check: 'part',
      what: /again and again .*restarted 7 times\): no key$/,
      fix: /logs bot/,
    },
  },
  {
    name: 'a service without memory',
    change: (s) => Object.assign(partOf(s, 'brain'), { oom: true }),
    ...{ level: 'fail', check: 'part', what: /ran out of the memory/, fix: /logs brain/ },
  },
  {
    name: 'a service that is not ready',
    change: (s) => Object.assign(partOf(s, 'brain'), { health: 'unhealthy' }),
    ...{ level: 'fail', check: 'part', what: /runs but is not ready/, fix: /logs brain/ },
  },
  {
    name: 'a service that was restarted',
    change: (s) => Object.assign(partOf(s, 'brain'), { restarts: 2 }),
    ...{ level: 'warn', check: 'part', what: /restarted 2 times/, fix: /logs brain/ },
  },
  {
    name: 'a port that another program has',
    change: (s) =>
      s.ports.push({ service: 'ledger', setting: 'ledger', port: 8090, holder: 'nc (process 7)' }),
    ...{
      level: 'fail',
      check: 'port',
      what: /8090.*ledger.*taken by nc \(process 7\)/,
      fix: /ports: \{ ledger: … \}/,
    },
  },
  {
    name: 'a service that gives no answer',
    change(s) {
      s.answers[0] = { service: 'ledger', url: 'http://l', ok: false };
    },
    ...{ level: 'fail', check: 'port', what: /does not answer at http:\/\/l/, fix: /status/ },
  },
  {
    name: 'a clock that is off',
    change(s) {
      s.clocks['engine'] = -90_000;
    },
    ...{ level: 'fail', check: 'clock', what: /engine's is 90 s behind/, fix: /NTP/ },
  },
  {
    name: 'a ledger’s clock that went back',
    change(s) {
      s.ledger = {
        newest: chain(['frozen', 'bot', {}, '2999-01-01T00:00:00.000Z']),
        control: chain([...enrolment]),
        pins: {},
      };
    },
    ...{ level: 'fail', check: 'chain', what: /clock went back/, fix: /set the clock/ },
  },
  {
    name: 'an entry that was changed',
    change: (s) => {
      const newest = chain(['frozen', 'bot'], ['thawed', 'operator']).map((e, i) =>
        i === 1 ? { ...e, body: '{"x":1}' } : e,
      );
      s.ledger = { newest, control: chain([...enrolment]), pins: {} };
    },
    ...{ level: 'fail', check: 'chain', what: /entry 2 is not as it was written/, fix: /audit/ },
  },
  ...[3, 2].map((seq) => ({
    name: `a ledger without entry ${seq} as the executor saw it`,
    change(s: Scene) {
      const newest = chain(['frozen', 'bot'], ['thawed', 'operator']);
      const pins = { executor: { seq, hash: 'another' } };
      s.ledger = { newest, control: chain([...enrolment]), pins };
    },
    ...({ level: 'fail', check: 'chain' } as const),
    ...{ what: /does not have entry \d as the executor saw it, so nothing is/, fix: /stop, then repin/ },
  })),
  {
    name: 'an executor that stopped believing the ledger',
    change(s) {
      s.ledger = {
        newest: chain(['alarm', 'executor', { reason: 'why' }]),
        control: chain([...enrolment]),
        pins: {},
      };
    },
    ...{ level: 'fail', check: 'chain', what: /claims nothing.*why/, fix: /audit/ },
  },
  {
    name: 'no enrolled device',
    change(s) {
      s.ledger = { newest: [], control: [], pins: {} };
    },
    ...{ level: 'warn', check: 'devices', what: /none may approve/, fix: /pair$/ },
  },
  {
    name: 'everything frozen',
    change(s) {
      s.ledger = { newest: [], control: chain([...enrolment], ['frozen', 'operator']), pins: {} };
    },
    ...{ level: 'warn', check: 'devices', what: /frozen/, fix: /thaw$/ },
  },
  {
    name: 'a bot whose console does not answer',
    change(s) {
      s.bot = { fault: 'The bot is not up' };
    },
    ...{ level: 'fail', check: 'bot', what: /The bot is not up/, fix: /logs bot/ },
  },
  {
    name: 'a bot whose device is not signed',
    change: (s) => Object.assign(s.bot ?? {}, { signed: false }),
    ...{ level: 'fail', check: 'bot', what: /PC1 is not signed/, fix: /logs bot/ },
  },
  {
    name: 'an executor nobody hears of',
    change: (s) => Object.assign(s.bot ?? {}, { executor: 'down' }),
    ...{ level: 'fail', check: 'bot', what: /does not hear of the executor/, fix: /logs executor/ },
  },
  {
    name: 'a room that is not as it was made',
    change: (s) => Object.assign(s.bot ?? {}, { troubles: [['!r', 'somebody is there']] }),
    ...{ level: 'fail', check: 'bot', what: /^somebody is there$/, fix: /!resume/ },
  },
  ...[400, 401, 403].map(
    (status): Fault => ({
      name: `a key that is refused with ${status}`,
      change(s) {
        s.models = { model: { status, text: '' } };
      },
      ...{ level: 'fail', check: 'model', what: /refuses our key/, fix: /pocketcoder\.yaml/ },
    }),
  ),
  {
    name: 'a model that cannot be reached',
    change(s) {
      s.models = { model: { status: 502, text: '' } };
    },
    ...{ level: 'fail', check: 'model', what: /cannot be reached/, fix: /model\.url/ },
  },
  {
    name: 'the only one of several models, by where it stands',
    change(s) {
      const own = s.instance?.settings.model;
      s.instance = { settings: { models: { own } } } as unknown as Instance;
      s.models = { own: { status: 502, text: '' } };
    },
    ...{ level: 'fail', check: 'model', what: /cannot be reached/, fix: /models\.own\.url/ },
  },
  {
    name: 'an address without a list of models',
    change(s) {
      s.models = { model: { status: 404, text: '' } };
    },
    ...{ level: 'warn', check: 'model', what: /the key was not tried/, fix: /pocketcoder\.yaml/ },
  },
  {
    name: 'a name that the model’s address does not know',
    change(s) {
      s.models = { model: { status: 200, text: '{"data":[{"id":"mm-2"}]}' } };
    },
    ...{ level: 'warn', check: 'model', what: /lists no "m"/, fix: /pocketcoder\.yaml/ },
  },
];

faults.push(
  {
    name: 'no backup at all',
    change: (s) => Object.assign(s, { last: {} }),
    ...{ level: 'warn', check: 'backup', what: /^none was made here$/, fix: /backup FILE, or by a timer/ },
  },
  {
    name: 'a newest backup of more than two weeks ago',
    change: (s) => Object.assign(s.last, { backup: { at: ago(15.1), file: '/b/1.age' } }),
    ...{
      level: 'warn',
      check: 'backup',
      what: /^newest backup: 15 days old \(\/b\/1\.age\)$/,
      fix: /backup/,
    },
  },
  {
    name: 'a daily backup that was not made for three days',
    change(s) {
      Object.assign(s.instance?.settings ?? {}, { backup: daily });
      s.last.backup = { at: ago(3.1), file: '/b/1.age' };
    },
    ...{ level: 'warn', check: 'backup', what: /^newest backup: 3 days old/, fix: /list-timers/ },
  },
  {
    name: 'a drill that failed',
    change: (s) => Object.assign(s.last.drill ?? {}, { why: 'The ledger in it is not whole.' }),
    ...{
      level: 'fail',
      check: 'backup',
      what: /of \/b\/1\.age, failed: The ledger in it/,
      fix: /then \.\/pocketcoder drill$/,
    },
  },
  {
    name: 'a homeserver of ours with known holes',
    change: (s) => Object.assign(s, { homeserver: { name: 'Synapse', version: '1.157.1' } }),
    ...{
      level: 'warn',
      check: 'homeserver',
      what: /^Synapse 1\.157\.1 has known holes: GHSA-\S+ and 10 more$/,
      fix: /upgrade FILE/,
    },
  },
  {
    name: 'an owner’s own homeserver with known holes',
    change(s) {
      Object.assign(s.instance?.settings ?? {}, { homeserver: { url: 'https://m' } });
      s.homeserver = { name: 'Synapse', version: '1.150.0 (b=develop)' };
    },
    ...{
      level: 'warn',
      check: 'homeserver',
      what: /^Synapse 1\.150\.0 .* and 12 more$/,
      fix: /runs it take 1\.157\.2 or newer/,
    },
  },
);

test('a backup is as young as it should be, with a schedule and without, and a drill is no duty', () => {
  for (const [backup, every] of [
    [{ at: ago(13.9), file: '/b' }, undefined],
    [{ at: ago(1.9), file: '/b' }, daily],
    [
      { at: ago(13.9), file: '/b' },
      { ...daily, every: 'week' as const },
    ],
  ] as const) {
    const s = scene();
    Object.assign(s.instance?.settings ?? {}, every && { backup: every });
    s.last = { backup };
    assert.deepEqual(off(s), []);
    assert.match(JSON.stringify(judged(s)), /newest backup: 1?\d days? old.*no drill yet/);
  }
});

test('the releases that mended a hole have it no more, on each line; those before have it', () => {
  const open = ['1.157.1', '1.156.0', '1.152.1', '1.99.0', '1.9.9', '0.34.1'];
  for (const version of open) assert.equal(holesOf(version)?.upTo, '1.157.2', version);
  for (const version of ['1.157.2', '1.158.0', '1.163.2', '1.1000.0', '2.0.0', '1.163.2 (b=x)'])
    assert.equal(holesOf(version), undefined, version);
  const has = (version: string) => holesOf(version)?.ids.includes('GHSA-fh66-fcv5-jjfr');
  assert.deepEqual(['1.138.2', '1.138.3', '1.138.4', '1.139.0', '1.139.1', '1.140.0', '1.137.9'].map(has), [
    true,
    false,
    false,
    true,
    false,
    false,
    true,
  ]);
  assert.deepEqual(
    ['1.157.2rc1', '1.157.2~rc1 (b=x)', '1.158.0rc1', '1.157.2 (b=rc1)'].map(
      (version) => holesOf(version)?.upTo,
    ),
    ['1.157.2', '1.157.2', undefined, undefined],
    'a candidate is before its release',
  );
  for (const [name, version] of [
    ['Dendrite', '0.13.0'],
    ...['', '1.157', 'v1.157.1', 'unknown', '1.x.1'].map((version) => ['Synapse', version] as const),
  ] as const) {
    const s = scene();
    s.homeserver = { name, version };
    assert.equal(judged(s).filter(({ check }) => check === 'homeserver').length, 0, `${name} ${version}`);
  }
});

test('of a homeserver a short answer of its own is taken, and no other', async (t) => {
  const answers: Record<string, (response: ServerResponse) => void> = {};
  const server = createServer(({ url = '' }, response) => {
    const [, kind = '', asked] = /^\/(\w+)(\/_.*federation.*)?/.exec(url) ?? [];
    if (asked) response.writeHead(404).end();
    else answers[kind]?.(response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const said = '{"server_version":"1.2.3"}';
  answers['its'] = (response) => response.end(said);
  answers['elsewhere'] = (response) => response.writeHead(302, { location: '/its' }).end();
  answers['long'] = (response) => response.end(said + ' '.repeat(100_000));
  answers['words'] = (response) => response.end('no JSON');
  const at = (kind: string) => softwareAt(`http://127.0.0.1:${port}/${kind}`);
  assert.deepEqual(await at('its'), { name: 'Synapse', version: '1.2.3' });
  for (const kind of ['elsewhere', 'long', 'words']) assert.equal(await at(kind), undefined, kind);
});

test('our own image has none that are listed', () => {
  const pinned = readFileSync(join(checkout, 'config/homeserver/requirements.lock.txt'), 'utf8');
  const [, version = ''] = /^matrix-synapse==(\S+)/m.exec(pinned) ?? [];
  assert.match(version, /^1\./);
  assert.equal(holesOf(version), undefined);
});

for (const { name, change, level, check, what, fix } of faults)
  test(`${name}: found, with what to do, and nothing else is`, () => {
    const s = scene();
    change(s);
    const [found, ...more] = off(s);
    assert.deepEqual(more, []);
    assert.deepEqual([found?.level, found?.check], [level, check]);
    assert.match(found?.what ?? '', what);
    assert.match(found?.fix ?? '', fix);
  });
