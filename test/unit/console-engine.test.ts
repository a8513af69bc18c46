/** Which engine is used, which is refused and why, and that none is started beside another. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { engineElsewhere } from '../../console/engine/docker.ts';
import { findEngine } from '../../console/engine/engine.ts';
import { fitnessOf } from '../../console/engine/fitness.ts';
import type { Fault } from '../../console/fault.ts';
import { sha256 } from '../../ledger/src/action.ts';
import { docker, podman, standIn } from '../harness/engine.ts';
import { launch } from '../harness/instance.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'engine-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A directory as Docker's command line keeps it, with these contexts. */
function configuration(currentContext: string, contexts: Record<string, string>): NodeJS.ProcessEnv {
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ auths: {}, currentContext }));
  for (const [Name, Host] of Object.entries(contexts)) {
    const meta = join(dir, 'contexts/meta', sha256(Name));
    mkdirSync(meta, { recursive: true });
    const Endpoints = { docker: { Host, SkipTLSVerify: false } };
    writeFileSync(join(meta, 'meta.json'), JSON.stringify({ Name, Metadata: {}, Endpoints }));
  }
  return { DOCKER_CONFIG: dir };
}
const chosen = (env: NodeJS.ProcessEnv) => {
  const { host, socket, by } = findEngine(env);
  return { host, socket, by };
};

test('the engine is the one that Docker’s own command line goes to', () => {
  const env = configuration('rootless', { rootless: 'unix:///run/user/7/docker.sock', other: 'unix:///o' });
  assert.deepEqual(chosen(env), {
    host: 'unix:///run/user/7/docker.sock',
    socket: '/run/user/7/docker.sock',
    by: 'the docker context "rootless"',
  });
  const other = chosen({ ...env, DOCKER_CONTEXT: 'other' });
  assert.deepEqual([other.host, other.by], ['unix:///o', 'the docker context "other"']);
  assert.equal(chosen({ ...env, DOCKER_CONTEXT: 'default' }).by, '');
  const named = chosen({ ...env, DOCKER_CONTEXT: 'other', DOCKER_HOST: 'unix:///named' });
  assert.deepEqual([named.host, named.by], ['unix:///named', 'DOCKER_HOST']);
});

test('without a context, or with a configuration that cannot be read, it is this machine’s own', () => {
  assert.equal(chosen(configuration('default', {})).by, '');
  writeFileSync(join(dir, 'config.json'), '{ "currentContext": ');
  assert.equal(chosen({ DOCKER_CONFIG: dir }).by, '');
  assert.equal(chosen({ DOCKER_CONFIG: join(dir, 'none') }).by, '');
});

test('Docker Desktop’s engine has its socket at the usual place of its own machine', () => {
  const env = configuration('desktop-linux', {
    'desktop-linux': 'unix:///home/o/.docker/desktop/docker.sock',
  });
  assert.equal(chosen(env).host, 'unix:///home/o/.docker/desktop/docker.sock');
  assert.equal(chosen(env).socket, '/var/run/docker.sock');
});

test('a context of another machine, or one that is not there, is refused by its name', () => {
  for (const [name, where] of [
    ['far', 'ssh://o@far'],
    ['gone', 'a place that cannot be read'],
  ] as const) {
    const env = configuration(name, { far: 'ssh://o@far' });
    assert.throws(
      () => findEngine(env),
      ({ exit, message }: Fault) =>
        exit === 'config' &&
        message.startsWith(`The engine is chosen by the docker context "${name}", which is at ${where}:`),
    );
  }
});

/** What is said of an engine that answers so. */
async function said(version: object, info: object) {
  const path = join(dir, 'd.sock');
  const end = await standIn(path, version, info);
  try {
    return await fitnessOf(findEngine({ DOCKER_HOST: `unix://${path}` }).docker);
  } finally {
    await end();
  }
}

test('an engine that can be worked with is one, whatever else it warns of', async () => {
  const info = {
    SecurityOptions: ['name=seccomp,profile=default', 'name=selinux', 'name=rootless'],
    Warnings: ['WARNING: No swap limit support', 'WARNING: bridge-nf-call-iptables is disabled'],
  };
  const fit = { version: '20.10.24', api: '1.41', refusal: '', lacks: [] };
  assert.deepEqual(await said(docker, info), fit);
  assert.deepEqual(await said(docker, { SecurityOptions: null, Warnings: null }), fit);
});

test('what a kernel cannot limit is said', async () => {
  const Warnings = ['WARNING: No cpu cfs quota support', 'WARNING: No cpu cfs period support'];
  const { refusal, lacks } = await said(docker, { Warnings });
  assert.deepEqual([refusal, lacks], ['', ['WARNING: No cpu cfs quota support: tasks go without']]);
});

test('Podman and mapped users are refused in words', async () => {
  assert.match((await said(podman, {})).refusal, /^What answers is Podman.*start Docker/);
  const mapped = await said(docker, { SecurityOptions: ['name=seccomp,profile=default', 'name=userns'] });
  assert.match(mapped.refusal, /take userns-remap out of \/etc\/docker\/daemon\.json/);
});

test('a start on Podman ends in its first phase, with nothing made but the state', async () => {
  const path = join(dir, 'podman.sock');
  const home = join(dir, 'home');
  const end = await standIn(path, podman);
  try {
    const env = { POCKETCODER_HOME: home, DOCKER_HOST: `unix://${path}` };
    const ran = await launch(['start', '-d'], { env });
    assert.match(ran.err, /What answers is Podman.* by DOCKER_HOST\. Nothing was started\./);
    assert.equal(ran.code, 78);
    assert.deepEqual(readdirSync(home), ['secrets.json']);
  } finally {
    await end();
  }
});

for (const place of [
  'run/user/1000/docker.sock',
  'home/o/.docker/desktop/docker.sock',
  'var/snap/docker/common/run/docker.sock',
])
  test(`an engine that answers at ${place} is seen; one that does not is none`, async () => {
    mkdirSync(join(dir, 'run/user/999'), { recursive: true });
    writeFileSync(join(dir, 'run/user/999/docker.sock'), ''); // what an engine left that is gone
    assert.equal(await engineElsewhere(dir), undefined);
    const end = await standIn(join(dir, place));
    try {
      assert.equal(await engineElsewhere(dir), join(dir, place));
    } finally {
      await end();
    }
  });
