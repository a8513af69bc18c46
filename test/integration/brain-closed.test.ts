/** What the brain's container can reach, tried from inside it, and what it holds. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import { alone } from '../harness/alone.ts';
import { type BrainStack, key, startBrain } from '../harness/brain.ts';
import { until } from '../harness/wait.ts';

let stack: BrainStack;
before(async () => {
  stack = await startBrain({
    ...alone,
    wait: 2,
    settled: () => {},
    ask: async () => {
      throw new Error('nothing is asked here');
    },
  });
});
after(() => stack?.stop());

const opens = async (host: string, port: number): Promise<boolean> =>
  (await stack.inside('timeout', '3', 'bash', '-c', `: > /dev/tcp/${host}/${port}`)).exit === 0;

test('attack-31 the twin: it reaches the gateway and the model proxy', async () => {
  assert.equal(await opens('bot', 8080), true);
  assert.equal(await opens('model', 8081), true);
});

test('attack-31 it reaches nothing else: not this machine, where the model is, no address outside, no name', async () => {
  // Open to others: the proxy's way to the model leads there.
  const own = Object.values(networkInterfaces()).flatMap((i) => i ?? []);
  const addresses = own.filter((i) => i.family === 'IPv4' && !i.internal).map((i) => i.address);
  assert.ok(addresses.includes(stack.machine));
  const listener = createServer().listen(0, '0.0.0.0');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const tries = [stack.machine, ...addresses].map((host) => opens(host, port));
  tries.push(opens(stack.machine, stack.model.port), opens('1.1.1.1', 443), opens('169.254.169.254', 80));
  const open = await Promise.all(tries);
  listener.close();
  assert.deepEqual(open.filter(Boolean), []);
  assert.notEqual((await stack.inside('timeout', '3', 'getent', 'ahosts', 'example.org')).exit, 0);
});

test('it says when it is ready', async () => {
  await until('ready', async () => (await stack.inside('test', '-f', '/tmp/ready')).exit === 0);
});

test('it runs as itself, on a read-only root, with the configuration it cannot change and no key', async () => {
  assert.equal((await stack.inside('id', '-u')).output.trim(), '10003');
  assert.notEqual((await stack.inside('touch', '/usr/local/bin/x')).exit, 0);
  assert.notEqual((await stack.inside('touch', '/run/pocketcoder/opencode/x')).exit, 0);
  const everything = await stack.inside(
    'bash',
    '-c',
    'cat /run/pocketcoder/*/* /proc/[0-9]*/environ 2>/dev/null',
  );
  assert.match(everything.output, /pocketcoder-model-key/);
  assert.ok(!everything.output.includes(key));
});

test('its server answers nobody without the password', async () => {
  const answer = await stack.inside(
    'bash',
    '-c',
    'exec 3<>/dev/tcp/127.0.0.1/4096; printf "GET /config HTTP/1.0\\r\\n\\r\\n" >&3; head -1 <&3',
  );
  assert.match(answer.output, /401/);
});
