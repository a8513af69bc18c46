import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { backupFile, serviceFiles } from '../../console/engine/services.ts';
import { Fault } from '../../console/fault.ts';
import { findInstance, openInstance } from '../../console/instance/instance.ts';
import { policyFrom } from '../../console/instance/policy.ts';
import { readSettings } from '../../console/instance/settings-file.ts';
import { newState, readState, writeState } from '../../console/instance/state.ts';
import { certificate } from '../harness/origin.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pocketcoder-unit-'));
  process.env['POCKETCODER_HOME'] = home;
});
afterEach(() => {
  delete process.env['POCKETCODER_HOME'];
  rmSync(home, { recursive: true, force: true });
});

const settings = (text: string) => writeFileSync(join(home, 'pocketcoder.yaml'), text);
const faultOf = (ask: () => unknown): Fault => {
  try {
    ask();
  } catch (error) {
    assert.ok(error instanceof Fault);
    return error;
  }
  throw new assert.AssertionError({ message: 'nothing was thrown' });
};

test('no settings, an empty file and a file of comments all mean the defaults', () => {
  assert.deepEqual(readSettings(home), {});
  for (const text of ['', '# nothing\n']) {
    settings(text);
    assert.deepEqual(readSettings(home), {});
  }
});

const existing = (url: string, bot: string, owner: string) =>
  `homeserver:\n  url: ${url}\n  bot: "${bot}"\n  owner: "${owner}"\n`;

test('with a homeserver that is there already, owner and server come from the ids', () => {
  settings(existing('https://matrix.example.org', '@pc:example.org:8448', '@me:example.org:8448'));
  const { owner, server_name } = readSettings(home);
  assert.deepEqual([owner, server_name], ['me', 'example.org:8448']);
});

const wrong: [string, string, RegExp][] = [
  ['an unknown key', 'a: 1\n', /line 1: there is no setting "a"/],
  [
    'an unknown key below another',
    'ports:\n  ledger: 1\n  web: 2\n',
    /line 3: there is no setting "ports.web"/,
  ],
  ['a port out of range', '\nports: { ledger: 70000 }\n', /line 2: ports.ledger must be <= 65535/],
  ['a list where keys belong', '- a\n', /line 1: the file must be object/],
  [
    'a model without a name',
    'model:\n  provider: google\n',
    /line 1: model must have required property 'name'/,
  ],
  [
    'a model that writes all that it takes',
    '\nmodel: { provider: google, name: g, key: k, context: 8192, output: 8192 }\n',
    /line 2: model\.output \(8192\) must be at most half of model\.context \(8192\)/,
  ],
  [
    'more of an answer than is ever asked for',
    'model:\n  provider: google\n  name: g\n  output: 64000\n',
    /line 4: model\.output must be <= 32000/,
  ],
  ...['localhost:11434', '127.0.0.1:8000', '[::1]:8000', '0.0.0.0:8000'].map(
    (host): [string, string, RegExp] => [
      `a model at ${host}`,
      `model:\n  provider: ollama\n  name: m\n  url: http://${host}/v1\n`,
      /line 4: .* is no address that containers reach.*host\.docker\.internal/,
    ],
  ),
  [
    'a transcription on this machine’s loopback',
    'transcription:\n  name: whisper-1\n  url: http://localhost:8000/v1\n',
    /line 3: http:\/\/localhost:8000\/v1 is no address that containers reach.*host\.docker\.internal/,
  ],
  ['a transcription nowhere', 'transcription: { name: whisper-1 }\n', /line 1: transcription .*'url'/],
  [
    'one model and several',
    'model: { provider: ollama, name: m }\nmodels: { a: { provider: ollama, name: m } }\n',
    /line 1: .*move this one below models/,
  ],
  [
    'a fault in one of several',
    'models:\n  a: { provider: ollama, name: m }\n  b: { provider: azure, name: m, key: k }\n',
    /line 3: models\.b\.url is missing/,
  ],
  ['a name that is none', 'models: { "a/b": { provider: ollama, name: m } }\n', /line 1: .*pattern/],
  [
    'a cap in money of what has no price',
    'model: { provider: ollama, name: m }\nspend: { day: 3 }\n',
    /line 2: spend\.day is money, and model has no price: give it one, or set spend\.day_tokens/,
  ],
  ['no model at all', 'models: {}\n', /line 1: models must NOT have fewer than 1/],
  [
    'an owner of another server',
    existing('https://m.x.org', '@pc:x.org', '@me:y.org'),
    /line 4: .* another server/,
  ],
  [
    'an owner who is the bot',
    existing('https://m.x.org', '@me:x.org', '@me:x.org'),
    /line 4: .* two accounts/,
  ],
  ['a bare name', existing('https://m.x.org', 'pc', '@me:x.org'), /line 3: homeserver.bot must match/],
  ...['http://localhost:8008', 'http://127.0.0.1:8008', 'http://[::1]:8008'].map(
    (url): [string, string, RegExp] => [
      `a homeserver at ${url}`,
      existing(url, '@pc:x.org', '@me:x.org'),
      /line 2: .* containers reach/,
    ],
  ),
  ['an address that is none', existing('http://', '@pc:x.org', '@me:x.org'), /line 2: .* containers reach/],
  [
    'both kinds of owner',
    `owner: me\n${existing('https://m.x.org', '@pc:x.org', '@me:x.org')}`,
    /line 3: .*of ours/,
  ],
  [
    'a way for phones to a homeserver of theirs',
    `${existing('https://m.x.org', '@pc:x.org', '@me:x.org')}reach: { way: lan }\n`,
    /line 5: reach is for a homeserver of ours/,
  ],
  ['a domain without its name', '\nreach: { way: domain }\n', /line 2: a domain needs its name/],
  ['an address as its name', 'reach: { way: domain, address: 10.0.0.1 }\n', /line 1: a domain needs/],
  [
    'a name that would be more than one',
    'reach: { way: lan, address: "a {" }\n',
    /line 1: reach.address must/,
  ],
  ['a way that is none', 'reach: { way: wan }\n', /line 1: reach.way must be one of tailnet, domain/],
  [
    'a time zone that is none',
    '\ntimezone: Europe/Berlim\n',
    /line 2: there is no time zone "Europe\/Berlim": give/,
  ],
  ['an offset for a time zone', 'timezone: "+02:00"\n', /line 1: there is no time zone "\+02:00"/],
  ['a tool that no image is made with', 'sandbox: { image: [ruby] }\n', /line 1: sandbox.image/],
  ['a workspace that cannot be', 'sandbox: { images: { Shop: [go] } }\n', /line 1: sandbox.images/],
  ['addresses of others', 'subnet: 8.8.8.0/24\n', /line 1: subnet must match/],
  ['a block that is larger', '\nsubnet: 10.9.0.0/16\n', /line 2: subnet must match/],
  ['a key given twice', 'owner: a\nowner: b\n', /line [12]: Map keys must be unique/],
];
for (const [name, text, message] of wrong)
  test(`${name} is a configuration fault that names its line`, () => {
    settings(text);
    const fault = faultOf(() => readSettings(home));
    assert.equal(fault.exit, 'config');
    assert.match(fault.message, message);
  });

test('what a task’s image has is a list or a Dockerfile, and no limit of a container', async () => {
  for (const image of [['go', 'build-essential'], 'own/Dockerfile']) {
    settings(`sandbox: { cpus: 1, image: ${JSON.stringify(image)} }\n`);
    const read = readSettings(home);
    assert.deepEqual(read.sandbox, { cpus: 1, image });
    const files = serviceFiles(await openInstance(false), new Map());
    const executor = files.find((f) => f.name === 'executor.json');
    assert.deepEqual(JSON.parse(executor?.content ?? '').limits, { memory_mb: 1024, pids: 512, cpus: 1 });
  }
});

test('figures are told where the settings say so', async () => {
  for (const [text, told] of [
    ['', undefined],
    ['metrics: false\n', undefined],
    ['metrics: true\n', { backup: '/run/pocketcoder/backup.json' }],
  ] as const) {
    settings(text);
    const instance = await openInstance(false);
    const bot = serviceFiles(instance, new Map()).find(({ name }) => name === 'bot.json');
    assert.deepEqual(JSON.parse(bot?.content ?? '').metrics, told);
    assert.deepEqual(backupFile(instance.home).content, '""');
  }
});

test('the way to the model: an authority of its own beside the machine’s, and the machine’s proxies', async () => {
  const { cert } = certificate('m');
  const wayOf = async (url: string) => {
    settings(`model: { provider: openai-compatible, name: m, url: "${url}", ca: own.pem }\n`);
    const file = serviceFiles(await openInstance(false), new Map()).find(({ name }) => name === 'proxy.json');
    return JSON.parse(file?.content ?? '').ways.model;
  };
  const before = { ...process.env };
  for (const name of Object.keys(before)) if (/_proxy$/i.test(name)) delete process.env[name];
  try {
    await assert.rejects(
      wayOf('https://m/v1'),
      /model\.ca: .*own\.pem is no certificate.*Nothing was started/,
    );
    writeFileSync(join(home, 'own.pem'), 'none\n');
    await assert.rejects(wayOf('https://m/v1'), /is no certificate/);
    writeFileSync(join(home, 'own.pem'), cert);
    const direct = await wayOf('https://m/v1?api-version=2');
    assert.ok(direct.ca.endsWith(cert.toString()) && direct.upstream === 'https://m/v1?api-version=2');
    assert.deepEqual(direct.proxies, { no_proxy: 'host.docker.internal,' });
    Object.assign(process.env, { https_proxy: 'http://p:3128', NO_PROXY: '.local' });
    const { proxies } = await wayOf('https://m/v1');
    assert.deepEqual([proxies.HTTPS_PROXY, proxies.https_proxy], ['http://p:3128', 'http://p:3128']);
    assert.equal(proxies.no_proxy, 'host.docker.internal,.local');
    process.env['HTTPS_PROXY'] = process.env['https_proxy'] = 'http://u:secret@127.0.0.1:3128';
    const lost = await wayOf('https://m/v1').then(() => '', String);
    assert.match(lost, /HTTPS_PROXY names this machine's loopback.*Nothing was started/);
    assert.doesNotMatch(lost, /secret/);
  } finally {
    process.env = before;
  }
});

test('several models: each has a way and a key of its own, in the proxy alone; the bot is told which there are', async () => {
  settings(
    'models:\n  fast: { provider: openai, name: gpt-5-mini, key: key-of-fast }\n  own: { provider: ollama, name: "m:8b", pictures: true }\n',
  );
  const files = serviceFiles(await openInstance(false), new Map());
  const named = (name: string) => files.find((file) => file.name === name)?.content ?? '';
  const { ways } = JSON.parse(named('proxy.json'));
  assert.equal(ways.fast.secret.key, 'key-of-fast');
  assert.equal(ways.own.secret.key, '');
  assert.equal(ways.own.upstream, 'http://host.docker.internal:11434/v1');
  const holders = files.filter(({ content }) => content.includes('key-of-fast'));
  assert.deepEqual(
    holders.map(({ service, name }) => `${service} ${name}`),
    ['model proxy.json'],
  );
  const { models } = JSON.parse(named('bot.json')).brain;
  assert.deepEqual(
    models.map(({ name, model, pictures }: Record<string, unknown>) => [name, model, pictures]),
    [
      ['fast', 'gpt-5-mini', false],
      ['own', 'm:8b', true],
    ],
  );
});

test('the reads that a first card leases are as the settings say, each part; no uses are none', () => {
  const rows: [string, object | undefined][] = [
    ['', { uses: 100, seconds: 3600 }],
    ['approvals: { reads: { uses: 7 } }\n', { uses: 7, seconds: 3600 }],
    ['approvals: { reads: { seconds: 60 } }\n', { uses: 100, seconds: 60 }],
    ['approvals: { reads: { uses: 0 } }\n', undefined],
  ];
  for (const [text, reads] of rows) {
    settings(text);
    assert.deepEqual(policyFrom(readSettings(home).approvals)['read']?.reads, reads, text);
  }
  settings('approvals: { reads: { uses: 1001 } }\n');
  assert.match(faultOf(() => readSettings(home)).message, /line 1: approvals.reads.uses must be <= 1000/);
});

test('what accounts hang on cannot be changed by the settings', async () => {
  await openInstance(false);
  for (const text of ['owner: somebody\n', 'server_name: other.example\n']) {
    settings(text);
    assert.match(faultOf(() => findInstance()).message, /can never be changed/);
  }
});

test('an instance is made once and found again, with its secrets and ports', async () => {
  assert.equal(findInstance(), null);
  const made = await openInstance(false);
  const again = await openInstance(false);
  assert.deepEqual(again.state, made.state);
  assert.notEqual(made.state.ports.homeserver, made.state.ports.ledger);
});

test('the time zone is this machine’s at the first start and stays, unless the settings say another', async () => {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const told = (instance: Awaited<ReturnType<typeof openInstance>>) =>
    JSON.parse(serviceFiles(instance, new Map()).find((f) => f.name === 'bot.json')?.content ?? '').timezone;
  const made = await openInstance(false);
  assert.equal(told(made), here);
  writeState(home, { ...made.state, timezone: 'Asia/Tokyo' });
  assert.equal(told(await openInstance(false)), 'Asia/Tokyo', 'another machine zone later changes nothing');
  settings('timezone: America/New_York\n');
  assert.equal(told(await openInstance(false)), 'America/New_York');
});

test('where the timeline’s page is opened reaches the bot as it is set, and only a whole address can be', async () => {
  const told = async () => {
    const files = serviceFiles(await openInstance(false), new Map());
    return JSON.parse(files.find((f) => f.name === 'bot.json')?.content ?? '').timeline;
  };
  assert.equal(await told(), undefined);
  settings('timeline: https://host.example:8443\n');
  assert.equal(await told(), 'https://host.example:8443');
  for (const odd of ['host.example', 'https://host.example/', 'javascript:x', 'https://a@b.example']) {
    settings(`timeline: "${odd}"\n`);
    await assert.rejects(told(), /timeline must match/, odd);
  }
});

test('a port in the settings wins over the remembered one and is remembered in turn', async () => {
  await openInstance(false);
  settings('ports: { ledger: 18090 }\n');
  assert.equal((await openInstance(false)).state.ports.ledger, 18090);
  assert.equal(readState(home)?.ports.ledger, 18090);
});

test('secrets are written for their owner alone, and no two are alike', () => {
  const ports = { homeserver: 1, ledger: 2 };
  const state = newState(home, { server_name: 's', owner: 'o', ports, timezone: 'UTC' });
  writeState(home, state);
  assert.equal(statSync(join(home, 'secrets.json')).mode & 0o777, 0o600);
  const { owner, bot, ledger, brain } = state.passwords;
  const all = [owner, bot, brain, ...Object.values(ledger), ...Object.values(state.homeserver)];
  assert.equal(new Set(all).size, all.length);
  assert.match(owner, /^[a-z1-9]{4}-[a-z1-9]{4}-[a-z1-9]{4}$/);
});
