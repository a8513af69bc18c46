/** Faults met at the start: each has its message, its exit code, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findEngine } from '../../console/engine/engine.ts';
import { alone } from '../../console/instance/alone.ts';
import { checkout } from '../../console/instance/paths.ts';
import { projectOf } from '../../console/instance/state.ts';
import { launch } from '../harness/instance.ts';

type Fault = {
  name: string;
  files?: Record<string, string>;
  env?: NodeJS.ProcessEnv;
  exit: number;
  message: RegExp;
  /** What the state directory may hold afterwards, besides the files put there. */
  leaves?: string[];
};

const faults: Fault[] = [
  {
    name: 'an unknown setting is named with its line',
    files: { 'pocketcoder.yaml': 'owner: me\napprovals:\n  form: poll\n  frm: chip\n' },
    exit: 78,
    message: /pocketcoder\.yaml, line 4: there is no setting "approvals\.frm"\. Nothing was started/,
  },
  {
    name: 'a value that cannot be is named with its line',
    files: { 'pocketcoder.yaml': 'approvals:\n  form: shout\n' },
    exit: 78,
    message: /line 2: approvals\.form must be one of chip, poll, not "shout"/,
  },
  {
    name: 'a file that is not YAML is named with its line',
    files: { 'pocketcoder.yaml': 'owner: "me\n' },
    exit: 78,
    message: /pocketcoder\.yaml, line \d+: .*Nothing was started/,
  },
  ...['""', '" "', '"*"', '"@me:example.org"', '~'].map((owner) => ({
    name: `an owner of ${owner} is refused`,
    files: { 'pocketcoder.yaml': `owner: ${owner}\n` },
    exit: 78,
    message: /line 1: owner must be one user name/,
  })),
  {
    name: 'a model without the key it needs is named before anything is built',
    files: { 'pocketcoder.yaml': 'owner: me\nmodel: { provider: anthropic, name: m }\n' },
    exit: 78,
    message: /line 2: model\.key is missing: .*"anthropic" needs it\. Nothing was started/,
  },
  {
    name: 'state of a newer release is left alone',
    files: { 'secrets.json': '{"version": 999, "kept": true}\n' },
    exit: 78,
    message: /version 999; this release knows versions up to \d+\. Nothing was started/,
  },
  {
    name: 'state that is no JSON is left alone',
    files: { 'secrets.json': '{"version": ' },
    exit: 78,
    message: /secrets\.json: .*Nothing was started or changed/,
  },
  {
    name: 'an engine that is not there is not replaced',
    env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' },
    exit: 69,
    message: /No Docker engine answers at unix:\/\/\/nowhere\/docker\.sock\. Nothing was started/,
    leaves: ['secrets.json'],
  },
];

/** What the engine has of the instance in a state directory. */
async function inventory(home: string): Promise<number> {
  const { docker } = findEngine();
  const filters = { label: [`com.docker.compose.project=${projectOf(home)}`] };
  const containers = await docker.listContainers({ all: true, filters });
  const networks = await docker.listNetworks({ filters });
  const { Volumes } = await docker.listVolumes({ filters });
  return containers.length + networks.length + (Volumes ?? []).length;
}

for (const fault of faults)
  test(fault.name, async () => {
    const home = mkdtempSync(join(tmpdir(), 'pocketcoder-fault-'));
    try {
      for (const [name, text] of Object.entries(fault.files ?? {})) writeFileSync(join(home, name), text);
      const ran = await launch(['start', '-d'], { env: { POCKETCODER_HOME: home, ...fault.env } });
      assert.match(ran.err, fault.message);
      assert.equal(ran.code, fault.exit);
      for (const [name, text] of Object.entries(fault.files ?? {}))
        assert.equal(readFileSync(join(home, name), 'utf8'), text);
      const left = readdirSync(home).filter((name) => !(name in (fault.files ?? {})));
      assert.deepEqual(left, fault.leaves ?? []);
      assert.equal(await inventory(home), 0);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });

const listen = (server: Server) =>
  new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(address && typeof address === 'object' ? address.port : 0);
    });
  });

test('a taken port is named, with the setting that changes it', async () => {
  const home = mkdtempSync(join(tmpdir(), 'pocketcoder-fault-'));
  const server = createServer();
  try {
    const port = await listen(server);
    writeFileSync(join(home, 'pocketcoder.yaml'), `ports: { ledger: ${port} }\n`);
    const ran = await launch(['start', '-d', '--json'], { env: { POCKETCODER_HOME: home } });
    assert.equal(ran.code, 69);
    const { message, exit } = ran.events.at(-1) ?? {};
    assert.equal(exit, 69);
    assert.match(
      String(message),
      new RegExp(`Port ${port} .* ledger needs, is taken .*ports: \\{ ledger: … \\}`),
    );
    assert.equal(existsSync(join(home, 'compose.env')), false);
    assert.equal(await inventory(home), 0);
  } finally {
    server.close();
    rmSync(home, { recursive: true, force: true });
  }
});

test('a second start on the same directory is told that one is at work, and changes nothing', async () => {
  const home = mkdtempSync(join(tmpdir(), 'pocketcoder-fault-'));
  // An engine that is not there ends a start soon after it got the lock.
  const env = { POCKETCODER_HOME: home, DOCKER_HOST: 'unix:///nowhere/docker.sock' };
  try {
    await alone(home, async () => {
      const ran = await launch(['start', '-d'], { env });
      assert.match(ran.err, /Another \.\/pocketcoder command is at work on .* changed nothing: wait/);
      assert.equal(ran.code, 75);
      assert.deepEqual(readdirSync(home), []);
    });
    assert.equal((await launch(['start', '-d'], { env })).code, 69);
    assert.deepEqual(readdirSync(home), ['secrets.json']);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test('as root no second engine is installed or started beside one that answers elsewhere', {
  skip: process.getuid?.() !== 0,
}, async () => {
  const home = mkdtempSync(join(tmpdir(), 'pocketcoder-fault-'));
  const bin = join(home, 'bin');
  mkdirSync(bin);
  for (const name of ['dockerd', 'apt-get', 'systemctl'])
    writeFileSync(join(bin, name), `#!/bin/sh\necho ${name} >> ${home}/begun\nexit 1\n`, { mode: 0o755 });
  // In namespaces of its own, for the engine of this machine must not be seen, and one that was begun must not harm it.
  const script = `mount -t tmpfs none /run && ip link set lo up
    "$1" --input-type=module -e "import('$2').then(({ standIn }) => standIn('/run/user/1000/docker.sock'))" & engine=$!
    while ! [ -S /run/user/1000/docker.sock ]; do kill -0 $engine || exit 2; done
    [ "$3" = there ] || { kill $engine; wait $engine; }
    ./pocketcoder start -d; code=$?; kill $engine; exit $code`;
  const begin = (is: string) =>
    spawnSync(
      'unshare',
      ['-m', '-n', 'sh', '-c', script, 'sh', process.execPath, join(checkout, 'test/harness/engine.ts'), is],
      {
        ...{ cwd: checkout, encoding: 'utf8', timeout: 120_000 },
        env: { ...process.env, POCKETCODER_HOME: home, PATH: `${bin}:${process.env['PATH']}` },
      },
    );
  try {
    const ran = begin('there');
    assert.match(
      ran.stderr,
      /but one does at \/run\/user\/1000\/docker\.sock\. Nothing was installed or started.*\n {2}DOCKER_HOST=unix:/,
    );
    assert.equal(ran.status, 69);
    assert.equal(existsSync(join(home, 'begun')), false);
    begin('gone');
    assert.match(
      readFileSync(join(home, 'begun'), 'utf8'),
      /dockerd|apt-get/,
      'the twin: alone, one is begun',
    );
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test('a user without rights on the socket is told the exact fix', {
  skip: process.getuid?.() !== 0,
}, async () => {
  const home = mkdtempSync(join(tmpdir(), 'pocketcoder-fault-'));
  try {
    chmodSync(home, 0o777);
    const env = { POCKETCODER_HOME: home };
    const ran = await launch(['start', '-d'], { env, as: { uid: 65534, gid: 65534 } });
    assert.match(
      ran.err,
      /nobody may not open Docker's socket .* Nothing was started\..*\n {2}sudo usermod -aG docker nobody/,
    );
    assert.equal(ran.code, 77);
    assert.deepEqual(readdirSync(home), ['secrets.json']);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test('a state directory that cannot be made is named', async () => {
  const home = mkdtempSync(join(tmpdir(), 'pocketcoder-fault-'));
  try {
    writeFileSync(join(home, 'file'), '');
    const ran = await launch(['start', '-d'], { env: { POCKETCODER_HOME: join(home, 'file', 'state') } });
    assert.match(ran.err, /file.*Nothing was started: set POCKETCODER_HOME/);
    assert.equal(ran.code, 73);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

const usage: [string[], RegExp][] = [
  [['sing'], /There is no command "sing"/],
  [['start', '--loud'], /Unknown option '--loud'/],
  [['stop', '-d'], /stop takes no -d/],
  [['stop', '-f'], /stop takes no -f/],
  [['status', '--since', '1h'], /status takes no --since/],
  [['doctor', 'nurse'], /doctor takes \[phone \| model\]\. Nothing was done/],
  [['systemd', 'sometimes'], /systemd takes \[user\] \[backup \| timer\]\. Nothing was done/],
  [['bench'], /bench takes the name of a measurement/],
  [['device'], /device takes list \| enrol … \| revoke …\. Nothing was done/],
  [['device', 'revoke'], /device takes list \| enrol … \| revoke …\. Nothing was done/],
];
for (const [args, message] of usage)
  test(`pocketcoder ${args.join(' ')} is a usage error`, async () => {
    const ran = await launch(args, { env: { POCKETCODER_HOME: '/nowhere' } });
    assert.match(ran.err, message);
    assert.equal(ran.code, 64);
  });

test('commands that need an instance say so where there is none', async () => {
  for (const command of ['stop', 'status', 'pair', 'audit', 'drill', 'timeline', 'freeze', 'thaw']) {
    const ran = await launch([command], { env: { POCKETCODER_HOME: '/nowhere' } });
    assert.match(ran.err, /Nothing was ever started here/);
    assert.equal(ran.code, 69);
  }
});
