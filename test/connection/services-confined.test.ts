/** What each service's container is: its user, its rights, its limits, what it mounts; and that no secret is seen outside. */
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ContainerInspectInfo } from 'dockerode';
import { findEngine } from '../../console/engine/engine.ts';
import { bash } from './inside.ts';
import { type Scene, type Service, services, startScene } from './scene.ts';

const { docker } = findEngine();
let scene: Scene;
const inspected = new Map<string, ContainerInspectInfo>();

before(async () => {
  scene = await startScene();
  for (const name of Object.values(scene.containers))
    inspected.set(name, await docker.getContainer(name).inspect());
});
after(() => scene?.destroy());

const infoOf = (service: Service | 'task'): ContainerInspectInfo => {
  const info = inspected.get(scene.containers[service]);
  assert.ok(info, service);
  return info;
};

const uids: Record<Service, number> = {
  homeserver: 10004,
  ledger: 10001,
  bot: 10002,
  executor: 0,
  brain: 10003,
  model: 10005,
  transcription: 10005,
};
/** What is mounted where; everything else a container sees is its image, which it cannot write. */
const mounts: Record<Service, readonly string[]> = {
  homeserver: ['homeserver_config /run/pocketcoder ro', 'homeserver_data /data rw'],
  ledger: ['ledger_config /run/pocketcoder ro', 'ledger_data /data rw'],
  bot: ['bot_config /run/pocketcoder ro', 'bot_data /var/lib/pocketcoder rw'],
  executor: [
    'bind /var/run/docker.sock rw',
    'executor_config /run/pocketcoder ro',
    'executor_data /var/lib/pocketcoder rw',
  ],
  brain: ['brain_config /run/pocketcoder ro', 'brain_data /data rw'],
  model: ['model_config /run/pocketcoder ro'],
  transcription: ['transcription_config /run/pocketcoder ro'],
};

for (const service of services)
  test(`attack-52 every process of the ${service} has its own user, no capability and no way to gain one`, async () => {
    const { out } = await bash(
      scene.containers[service],
      'grep -hE "^(Uid|Cap...|NoNewPrivs|Seccomp):" /proc/[0-9]*/status | tr "\\t" " " | sort -u',
    );
    const zero = '0'.repeat(16);
    const uid = uids[service];
    assert.deepEqual(out.split('\n'), [
      ...['Amb', 'Bnd', 'Eff', 'Inh', 'Prm'].map((set) => `Cap${set}: ${zero}`),
      'NoNewPrivs: 1',
      'Seccomp: 2',
      `Uid: ${uid} ${uid} ${uid} ${uid}`,
    ]);
    const { HostConfig, Config } = infoOf(service);
    assert.deepEqual(
      [HostConfig.Privileged, HostConfig.CapAdd ?? [], HostConfig.Devices ?? [], HostConfig.PidMode],
      [false, [], [], ''],
    );
    assert.ok(HostConfig.IpcMode === 'private' && HostConfig.UTSMode === '', 'its own namespaces');
    assert.ok(HostConfig.Memory && HostConfig.Memory <= 2 ** 31, 'a limit of memory');
    assert.equal(HostConfig.PidsLimit, 256);
    assert.equal(Config.Labels['com.docker.compose.service'], service);
  });

test('the twin: the task’s root process has the three capabilities it needs, and is seen to have them', async () => {
  const { out } = await bash(scene.containers.task, 'grep -h ^CapEff: /proc/1/status');
  assert.match(out, /00000000000000e0$/);
});

for (const service of services)
  test(`attack-52 the ${service} mounts its own volumes and writes nowhere else`, async () => {
    const { project } = scene.instance;
    const seen = infoOf(service).Mounts.map(
      ({ Type, Name = '', Destination, RW }) =>
        `${Type === 'volume' ? Name.replace(`${project}_`, '') : Type} ${Destination} ${RW ? 'rw' : 'ro'}`,
    );
    assert.deepEqual(seen.sort(), mounts[service]);
    const { out } = await bash(
      scene.containers[service],
      'for d in / /etc /usr/local/bin /app /ledger /opt /var /home /root /run /run/pocketcoder /sys /proc/sys/kernel; do (: > $d/x) 2> /dev/null && echo "$d"; done; : > /tmp/x && echo /tmp',
    );
    assert.equal(out, '/tmp'); // the twin writes where it may
  });

test('attack-52 no service shares a namespace with another or with this machine', async () => {
  const kinds = ['pid', 'mnt', 'net', 'ipc', 'uts'];
  const own = kinds.map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
  const seen = await Promise.all(
    services.map(async (service) => {
      const script = 'for kind; do readlink /proc/self/ns/$kind; done';
      return (await bash(scene.containers[service], script, ...kinds)).out.split('\n');
    }),
  );
  for (const [index, kind] of kinds.entries()) {
    const all = [own, ...seen].map((one) => one[index]);
    assert.ok(
      all.every((one) => one?.startsWith(`${kind}:[`)),
      kind,
    );
    assert.equal(new Set(all).size, services.length + 1, kind);
  }
});

test('attack-52 bot and brain see neither the executor’s process nor the ledger’s file', async () => {
  const look = async (service: Service) =>
    (
      await bash(
        scene.containers[service],
        'cat /proc/[0-9]*/cmdline | tr "\\0" " "; find / -name "data.d[b]*" 2> /dev/null',
      )
    ).out;
  const [executor, ledger, bot, brain] = await Promise.all(
    (['executor', 'ledger', 'bot', 'brain'] as const).map(look),
  );
  assert.match(executor ?? '', /sandbox\/src\/main\.ts/);
  assert.match(ledger ?? '', /\/data\/.*data\.db/);
  assert.match(bot ?? '', /bot\/src\/main\.ts/);
  assert.match(brain ?? '', /opencode serve/);
  for (const text of [bot, brain]) assert.doesNotMatch(text ?? '', /sandbox\/src|data\.db/);
  // Memory of one's own process can be opened by the same way that finds no other's.
  const { out } = await bash(scene.containers.bot, 'for p in /proc/[0-9]*; do : < $p/mem && echo ok; done');
  assert.match(out, /ok/);
});

/** Every password and key of the state, by its name, and the model's. */
function secrets(): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (name: string, value: unknown): void => {
    if (typeof value === 'string') found.set(name, value);
    else for (const [key, inner] of Object.entries(value as object)) walk(`${name}.${key}`, inner);
  };
  const state = JSON.parse(readFileSync(join(scene.instance.home, 'secrets.json'), 'utf8'));
  walk('passwords', state.passwords);
  walk('homeserver', state.homeserver);
  return found;
}
const leaks = (text: string): string[] =>
  [...secrets()].filter(([, secret]) => text.includes(secret)).map(([name]) => name);

test('attack-44 no password or key is in an inspect, a log or a process list of any container, nor in what the launcher shows of them', async () => {
  assert.equal(secrets().size, 10);
  const file = await bash(scene.containers.bot, 'cat /run/pocketcoder/bot.json');
  assert.deepEqual(leaks(file.out).sort(), ['passwords.bot', 'passwords.brain', 'passwords.ledger.bot']); // the twin
  for (const [name, info] of inspected) {
    const container = docker.getContainer(name);
    const logged = info.HostConfig.LogConfig?.Type !== 'none';
    const log = logged ? String(await container.logs({ stdout: true, stderr: true, follow: false })) : '';
    const top = await container.top({ ps_args: 'axww -o pid,args' });
    assert.deepEqual(leaks(JSON.stringify([info, top]) + log), [], name);
  }
  for (const args of [
    ['logs'],
    ['logs', '--json', '--since', '1d'],
    ['doctor'],
    ['doctor', '--json'],
    ['status'],
  ]) {
    const { out, err } = await scene.instance.run(args);
    assert.deepEqual(leaks(out + err), [], args.join(' '));
    assert.ok(!/test-(voice-)?key/.test(out + err) && out.includes('bot'), args.join(' '));
  }
  const logs = await docker.getContainer(scene.containers.bot).logs({ stdout: true, follow: false });
  assert.match(String(logs), /"ready"/); // there was something to leak in
});

test('attack-44 the task’s container and the brain hold no secret but the brain’s own password', async () => {
  const names = new Map(
    [...secrets(), ['model.key', 'test-key'], ['transcription.key', 'test-voice-key']].map(
      ([name = '', text = '']) => [text, name],
    ),
  );
  const patterns = [...names.keys()].flatMap((secret) => ['-e', secret]);
  const found = async (container: string, ...roots: string[]) => {
    const script = 'grep -rhaoF "$@" /proc/[0-9]*/environ 2> /dev/null | sort -u; true';
    const { out } = await bash(container, script, ...patterns, ...roots);
    return out.split('\n').map((secret) => names.get(secret) ?? secret);
  };
  const { task, brain, bot, model, transcription } = scene.containers;
  const roots = ['/workspace', '/var/lib/task', '/home', '/tmp', '/run', '/etc'];
  assert.deepEqual(await found(task, ...roots), ['']);
  assert.deepEqual(await found(brain, '/data', '/run', '/tmp', '/etc'), ['passwords.brain']);
  // The twins: where the keys have to be.
  assert.deepEqual(await found(model, '/run', '/tmp'), ['model.key']);
  assert.deepEqual(await found(transcription, '/run', '/tmp'), ['transcription.key']);
  const keys = (await found(bot, '/run', '/tmp', '/var/lib/pocketcoder')).filter((one) =>
    one.endsWith('.key'),
  );
  assert.deepEqual(keys, [], 'the bot has neither');
});
