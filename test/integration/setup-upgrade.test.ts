/** An upgrade: backed up first, started, audited; and the way back where the data is of a newer release. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { pack } from 'tar-stream';
import { findEngine } from '../../console/engine/engine.ts';
import { checkout } from '../../console/instance/paths.ts';
import { type Instance, startInstance } from '../harness/instance.ts';

const { docker } = findEngine();
const dir = mkdtempSync(join(tmpdir(), 'upgrade-'));
let instance: Instance;
before(async () => {
  instance = await startInstance();
});
after(async () => {
  await instance?.destroy();
  rmSync(dir, { recursive: true, force: true });
});

const upgrade = (file: string) => instance.run(['upgrade', file, '--json'], 'of a test\n');
/** What the ledger's data says of its version. */
async function writeSchema(version: number): Promise<void> {
  const tar = pack();
  tar.entry({ name: 'schema', uid: 10001, gid: 10001, mode: 0o600 }, `${version}\n`);
  tar.finalize();
  await docker.getContainer(instance.container('ledger')).putArchive(tar, { path: '/data' });
}

test('a backup that is interrupted leaves no file, and everything runs again', async () => {
  const file = join(dir, 'interrupted.age');
  const env = { ...process.env, POCKETCODER_HOME: instance.home };
  const child = spawn(join(checkout, 'pocketcoder'), ['backup', file, '--json'], { env });
  child.stdin.end('of a test\n');
  child.stderr.resume();
  let last = '';
  for await (const line of createInterface({ input: child.stdout })) {
    last = line;
    if (line.includes('"phase":"backup","state":"started"')) child.kill('SIGINT');
  }
  assert.match(last, /"exit":73,"message":"There is no backup: .*The instance is as it was/);
  assert.deepEqual(readdirSync(dir), []);
  assert.equal((await instance.run(['status'])).code, 0);
  const inside = await instance.run(['backup', join(instance.home, 'x.age')], 'of a test\n');
  assert.equal(inside.code, 64);
  const nowhere = await instance.run(['backup', join(dir, 'none', 'x.age')], 'of a test\n');
  assert.equal(nowhere.code, 73);
});

test('an upgrade leaves a backup, says what is new, and the audit holds', async () => {
  const variables = join(instance.home, 'compose.env');
  const text = readFileSync(variables, 'utf8');
  writeFileSync(variables, text.replace(/(_IMAGE_BOT=.*):.*/, '$1:of-an-earlier-release'));
  const file = join(dir, 'before.age');
  const ran = await upgrade(file);
  assert.equal(ran.code, 0, ran.out + ran.err);
  assert.ok(existsSync(file));
  const [audit, upgraded] = ran.events.slice(-2);
  assert.equal(audit?.['ok'], true);
  assert.deepEqual(upgraded, { event: 'upgraded', file, changed: ['bot'] });
  assert.equal((await instance.run(['status'])).code, 0);
});

test('an upgrade that does not come up says where the state of before is, and a start goes on', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.after(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const settings = join(instance.home, 'pocketcoder.yaml');
  const text = readFileSync(settings, 'utf8');
  writeFileSync(settings, `${text}ports: { ledger: ${port} }\n`);
  const file = join(dir, 'again.age');
  const ran = await upgrade(file);
  assert.equal(ran.code, 75, ran.out + ran.err);
  assert.match(
    String(ran.events.at(-1)?.['message']),
    /The state of before is in \S+again\.age\. To go back/,
  );
  assert.ok(existsSync(file));
  writeFileSync(settings, `${text}ports: { ledger: ${instance.secrets.ports.ledger} }\n`);
  const again = await instance.run(['start', '-d', '--json']);
  assert.equal(again.code, 0, again.out);
});

test('data of a newer release is opened by nothing here and told at once; put back, it is whole', async () => {
  await instance.stop();
  await writeSchema(99);
  const from = Date.now();
  const ran = await instance.run(['start', '-d', '--json']);
  assert.equal(ran.code, 75);
  assert.match(String(ran.events.at(-1)?.['message']), /The ledger did not come up/);
  assert.ok(Date.now() - from < 90_000);
  await instance.stop(); // else its next try may hold the port for a moment
  await writeSchema(1);
  const again = await instance.run(['start', '-d', '--json']);
  assert.equal(again.code, 0, again.out);
  const audited = await instance.run(['audit', '--json']);
  assert.equal(audited.events.at(-1)?.['ok'], true);
});
