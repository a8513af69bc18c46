/** A running instance with one thing made to fail after the other: `doctor` names it and what to do; done, all is well again. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { findEngine } from '../../console/engine/engine.ts';
import { checkout } from '../../console/instance/paths.ts';
import { writeServiceFiles } from '../../console/instance/volumes.ts';
import { type Instance, launch, type Ran, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';

const { docker } = findEngine();
let instance: Instance;

before(async () => {
  instance = await startInstance({ model: 'scripted' });
  const { address, home, owner } = instance;
  await (await pairedPhone({ address, home, ...owner })).close();
});
after(() => instance?.destroy());

type Row = { check: string; level: string; what: string; fix?: string };
const rowsOf = ({ events }: Ran): Row[] =>
  events.filter(({ event }) => event === 'check') as unknown as Row[];
const container = (service: string) => docker.getContainer(instance.container(service));

/** A container's own health check comes every ten seconds. */
async function allIsWell(): Promise<void> {
  await until(
    'doctor to find nothing',
    async () => {
      const ran = await instance.run(['doctor', '--json']);
      const off = rowsOf(ran).filter(
        ({ level, check }) => level !== 'ok' && !['compose', 'backup'].includes(check),
      );
      if (ran.code === 0 && off.length === 0) return true;
      throw new Error(JSON.stringify(off));
    },
    { seconds: 90, every: 1000 },
  );
}

/** Waits until doctor finds it, and returns what to do. */
const finds = (check: string, what: RegExp): Promise<string> =>
  until(
    `doctor to find ${what}`,
    async () => {
      const ran = await instance.run(['doctor', '--json']);
      const row = rowsOf(ran).find((r) => r.level === 'fail' && r.check === check && what.test(r.what));
      if (!row) throw new Error(JSON.stringify(rowsOf(ran).filter(({ level }) => level !== 'ok')));
      assert.equal(ran.code, 1);
      return row.fix ?? '';
    },
    { seconds: 60, every: 500 },
  );

test('where all is well every check is ok, and the exit code is 0', async () => {
  await allIsWell();
  const rows = rowsOf(await instance.run(['doctor', '--json']));
  const seen = new Set(rows.map(({ check }) => check));
  for (const check of [
    'permissions',
    'docker',
    'part',
    'port',
    'clock',
    'room left',
    'chain',
    'devices',
    'bot',
    'model',
    'homeserver',
    'backup',
  ])
    assert.ok(seen.has(check), check);
  assert.equal(rows.filter(({ check }) => check === 'part').length, 6);
  const [homeserver] = rows.filter(({ check }) => check === 'homeserver');
  assert.match(homeserver?.what ?? '', /^Synapse 1\.\d+\.\d+ has none of the holes known on \d{4}-/);
});

test('secrets that others can read: the fix is the command itself', async () => {
  const path = join(instance.home, 'secrets.json');
  chmodSync(path, 0o644);
  const fix = await finds('permissions', /secrets\.json is open to others \(0644\)/);
  execFileSync('sh', ['-c', fix]);
  await allIsWell();
});

test('a key that the model refuses, and a model that is away', async () => {
  const { model } = instance;
  assert.ok(model);
  model.mode = 'refuse-key';
  assert.match(await finds('model', /refuses our key \(401\)/), /pocketcoder\.yaml/);
  model.mode = 'down';
  assert.match(await finds('model', /cannot be reached/), /model\.url/);
  model.mode = 'ok';
  const asked = model.seen.filter(({ path }) => path.endsWith('/models'));
  assert.ok(
    asked.length > 0 && asked.every(({ key, messages }) => key === 'test-key' && messages.length === 0),
  );
  await allIsWell();
});

test('settings with a mistake are named with their line', async () => {
  const path = join(instance.home, 'pocketcoder.yaml');
  const before = readFileSync(path, 'utf8');
  writeFileSync(path, `${before}singing: true\n`);
  await finds('settings', /line \d+: there is no setting "singing"/);
  writeFileSync(path, before);
  await allIsWell();
});

test('a ledger that is stopped, and whose port another program has taken meanwhile', async () => {
  await container('ledger').stop();
  const server = createServer();
  server.listen(Number(new URL(instance.ledgerUrl).port), '127.0.0.1');
  try {
    assert.match(await finds('part', /ledger does not run/), /start -d/);
    assert.match(
      await finds('port', new RegExp(`taken by node.* \\(process ${process.pid}\\)`)),
      /end that program/,
    );
  } finally {
    server.close();
  }
  await finds('bot', /does not hear of the ledger/);
  assert.equal((await instance.run(['start', '-d'])).code, 0);
  await allIsWell();
});

test('an executor that ends again and again is seen to, with its reason, by doctor and by status', async () => {
  const { project } = instance;
  const { Config } = await container('executor').inspect();
  const ledger = { url: 'http://ledger:8090', password: 'not-the-password-of-the-executor' };
  const limits = { memory_mb: 512, pids: 256, cpus: 2 };
  const content = JSON.stringify({
    project,
    ledger,
    task_images: { '': Config.Image },
    limits,
    git: { name: 'n', email: 'e' },
  });
  const { out } = await instance.run(['logs', 'executor']);
  assert.match(out, /executor +ready /);
  const file = { service: 'executor', name: 'executor.json', uid: 0, content };
  await writeServiceFiles(docker, project, Config.Image, [file]);
  await container('executor').restart();
  assert.match(
    await finds('part', /executor .*restarted \d+ times.*refused the password of executor/),
    /logs executor/,
  );
  const status = await instance.run(['status']);
  assert.match(status.out, /executor +.*, restarted \d+ times/);
  await docker.getContainer(instance.container('executor')).remove({ force: true });
  assert.equal((await instance.run(['start', '-d'])).code, 0);
  await allIsWell();
});

test('a frozen instance and one without its container', async () => {
  await instance.run(['freeze']);
  const frozen = rowsOf(await instance.run(['doctor', '--json'])).find(
    ({ what }) => what === 'everything is frozen',
  );
  assert.deepEqual([frozen?.level, frozen?.fix], ['warn', './pocketcoder thaw']);
  await instance.run(['thaw']);
  await container('brain').remove({ force: true });
  assert.equal(await finds('part', /^brain is not there$/), './pocketcoder start -d');
  assert.equal((await instance.run(['start', '-d'])).code, 0);
  await allIsWell();
});

test('logs: one part or all, as objects or for people, as far back as is asked for', async () => {
  const all = await instance.run(['logs', '--json', '--since', '1h']);
  assert.equal(all.code, 0, all.err);
  const parts = new Set(all.events.map(({ part }) => part));
  assert.ok(parts.has('bot') && parts.has('executor'), [...parts].join());
  const times = all.events.map(({ at }) => String(at));
  assert.deepEqual(times, times.toSorted());
  const bot = await instance.run(['logs', 'bot', '--json']);
  assert.ok(bot.events.every(({ part }) => part === 'bot'));
  assert.ok(bot.events.some(({ line }) => (line as { msg?: string }).msg === 'ready'));
  const nobody = await instance.run(['logs', 'nobody']);
  assert.equal(nobody.code, 64);
  assert.match(nobody.err, /There is no part "nobody"\. The parts are: homeserver, ledger/);
  for (const since of ['', '10', '10 m', 'yesterday', '-5m', '5m --tail']) {
    const ran = await instance.run(['logs', `--since=${since}`]);
    assert.deepEqual([ran.code, /--since takes a time such as/.test(ran.err)], [64, true], since);
  }
  assert.equal((await instance.run(['logs', 'bot', '--since', '1d'])).code, 0);
  const followed = await instance.run(['logs', '-f', '--action', '1']);
  assert.deepEqual([followed.code, /not of an action/.test(followed.err)], [64, true]);
});

test('logs -f shows what comes, also after the part was restarted', async () => {
  const env = { ...process.env, POCKETCODER_HOME: instance.home };
  const args = ['logs', 'executor', '-f', '--since', '1s', '--json'];
  const child = spawn(join(checkout, 'pocketcoder'), args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const seen: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => seen.push(line));
  const saying = (word: string) => seen.filter((line) => line.includes(`"msg":"${word}"`)).length;
  try {
    for (const times of [1, 2]) {
      await container('executor').restart();
      await until(`"ready" for the ${times}. time`, () => saying('ready') === times, { seconds: 30 });
    }
    assert.equal(new Set(seen).size, seen.length, 'no line twice');
  } finally {
    child.kill();
  }
});

test('doctor without an engine, without rights, and where nothing was ever started', async () => {
  const home = mkdtempSync(join(tmpdir(), 'pocketcoder-doctor-'));
  try {
    chmodSync(home, 0o755);
    const env = { POCKETCODER_HOME: home };
    const nothing = await launch(['doctor', '--json'], { env });
    assert.equal(nothing.code, 0, nothing.out);
    assert.match(JSON.stringify(rowsOf(nothing)), /nothing was ever started/);
    const away = await launch(['doctor'], { env: { ...env, DOCKER_HOST: 'unix:///nowhere/docker.sock' } });
    assert.equal(away.code, 1);
    assert.match(away.out, /FAIL {2}docker .*no Docker engine answers at unix:\/\/\/nowhere.*\n +→ start it/);
    if (process.getuid?.() !== 0) return;
    const denied = await launch(['doctor'], { env, as: { uid: 65534, gid: 65534 } });
    assert.match(denied.out, /FAIL {2}docker .*may not be opened\n +→ sudo usermod -aG docker/);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
