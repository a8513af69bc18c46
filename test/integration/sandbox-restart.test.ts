/** Lost streams, other clients, stopped containers: nothing is lost and nothing runs twice. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newId } from '../../ledger/src/action.ts';
import { containerOptions, ensureContainer, SandboxError } from '../../sandbox/src/container.ts';
import { makeTasks } from '../../sandbox/src/tasks.ts';
import { bashScript, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox();
});
after(() => box?.stop());

const counting = 'echo start >> times; for i in $(seq 1 400); do echo $i; sleep 0.005; done; echo end';
const counted = `${Array.from({ length: 400 }, (_, i) => i + 1).join('\n')}\nend\n`;

test('a feeder that is killed again and again loses no byte', async () => {
  let seen = 0;
  const running = box.tasks.run(box.name, newId(), bashScript(counting), (c) => {
    seen += c.length;
  });
  for (let kills = 0; kills < 4; kills++) {
    const from = seen;
    await until('more output', () => seen > from + 100);
    await box.root('pkill', '-KILL', '-f', '^/usr/lib/pocketcoder/task feed');
  }
  assert.equal(ran(await running).text, counted);
  assert.equal((await box.bash('wc -l < times; rm times')).text, '1\n');
});

test('a client that comes later finds a running action and all of its output', async () => {
  const id = newId();
  const first = makeTasks(box.docker, box.place);
  let seen = 0;
  const left = first.run(box.name, id, bashScript(counting), (c) => {
    seen += c.length;
  });
  const rejected = assert.rejects(left);
  await until('output', () => seen > 100);
  first.close();
  await rejected;
  assert.equal(ran(await box.tasks.adopt(box.name, id, 30, () => {})).text, counted);
  // And one that is over.
  assert.equal(ran(await box.tasks.adopt(box.name, id, 30, () => {})).text, counted);
  assert.equal((await box.bash('wc -l < times; rm times')).text, '1\n');
});

test('an action that never started is told from one that did', async () => {
  const outcome = await box.tasks.adopt(box.name, newId(), 30, () => {});
  assert.deepEqual(
    outcome.end === 'unknown' && outcome.why,
    'it was claimed, but its container has no trace of a start',
  );
});

test('a container that is killed leaves its action unknown and an earlier result known', async () => {
  const done = newId();
  const cut = newId();
  await box.tasks.run(box.name, done, bashScript('echo kept; exit 3'), () => {});
  let started = false;
  const running = box.tasks.run(box.name, cut, bashScript('echo started; sleep 60'), () => {
    started = true;
  });
  await until('the first byte', () => started);
  await box.container.kill();
  const outcome = await running;
  assert.match(
    outcome.end === 'unknown' ? outcome.why : outcome.end,
    /its runner ended without leaving a status/,
  );
  const earlier = ran(await box.tasks.adopt(box.name, done, 30, () => {}));
  assert.deepEqual([earlier.number, earlier.text], [3, 'kept\n']);
  assert.equal((await box.bash('echo again')).text, 'again\n');
});

test('a container made with fewer restrictions is replaced, its files stay', async () => {
  await box.bash('echo kept > kept');
  const options = containerOptions(box.place, box.name);
  await box.container.remove({ force: true });
  await box.docker.createContainer({
    ...options,
    Labels: { ...options.Labels, 'org.pocketcoder.made': 'otherwise' },
    HostConfig: { ...options.HostConfig, NetworkMode: 'bridge', ReadonlyRootfs: false, CapAdd: ['ALL'] },
  });
  const container = await ensureContainer(box.docker, box.place, box.name);
  const { HostConfig } = await container.inspect();
  assert.deepEqual([HostConfig.NetworkMode, HostConfig.ReadonlyRootfs], ['none', true]);
  assert.equal((await box.bash('cat kept; ls /sys/class/net')).text, 'kept\nlo\n');
});

test('a task never gets another workspace’s container, nor a name that is none', async () => {
  const other = { task: box.name.task, workspace: newId() };
  await assert.rejects(box.tasks.warm(other), { constructor: SandboxError, message: /is in the way/ });
  for (const task of ['../x', 'a/b', '-v', '', 'a b', 'a:b'])
    await assert.rejects(box.tasks.warm({ task, workspace: 'w' }), SandboxError, task);
});

test('a missing image is said', async () => {
  const tasks = makeTasks(box.docker, { ...box.place, images: { '': 'pocketcoder/none:missing' } });
  await assert.rejects(
    tasks.warm({ task: newId(), workspace: newId() }),
    /the image pocketcoder\/none:missing is missing; build it/,
  );
});
