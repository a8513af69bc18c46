/** A tailnet as the way in, with a stand-in for `tailscale` that records what it is told: the real one was never here. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bash } from '../connection/inside.ts';
import { type Instance, launch, startInstance } from '../harness/instance.ts';

const folder = mkdtempSync(join(tmpdir(), 'pocketcoder-tailscale-'));
const told = (): string[] =>
  existsSync(join(folder, 'told')) ? readFileSync(join(folder, 'told'), 'utf8').trim().split('\n') : [];
const status = (CertDomains: string[] | null, BackendState = 'Running') =>
  writeFileSync(
    join(folder, 'status.json'),
    JSON.stringify({ BackendState, Self: { DNSName: 'box.tail1.ts.net.' }, CertDomains }),
  );
const { PATH } = process.env;
let instance: Instance | undefined;

before(() => {
  const script = `#!/bin/sh
case "$1" in
status) exec cat "${folder}/status.json" ;;
*) echo "$*" >> "${folder}/told"; if [ -e "${folder}/denied" ]; then echo "Access denied: serve config denied" >&2; exit 1; fi ;;
esac
`;
  writeFileSync(join(folder, 'tailscale'), script);
  chmodSync(join(folder, 'tailscale'), 0o755);
  process.env['PATH'] = `${folder}:${PATH}`;
});
after(async () => {
  process.env['PATH'] = PATH;
  await instance?.destroy();
  rmSync(folder, { recursive: true, force: true });
});

test('one that is down, or gives no certificates, is told before anything is started', async () => {
  const home = mkdtempSync(join(tmpdir(), 'pocketcoder-fault-'));
  writeFileSync(join(home, 'pocketcoder.yaml'), 'reach: { way: tailnet }\n');
  const start = () => launch(['start', '-d'], { env: { POCKETCODER_HOME: home } });
  try {
    status(['box.tail1.ts.net'], 'Stopped');
    const stopped = await start();
    assert.deepEqual([stopped.code, /no tailscale is up here/.test(stopped.err)], [69, true], stopped.err);
    status(null);
    const bare = await start();
    assert.deepEqual(
      [bare.code, /gets no certificates: .*admin console/.test(bare.err)],
      [69, true],
      bare.err,
    );
    assert.deepEqual(told(), []);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test('start serves what lies below /_matrix and nothing else, and stop ends that', async () => {
  status(['box.tail1.ts.net']);
  instance = await startInstance({ overrides: { reach: { way: 'tailnet' } } });
  const port = instance.secrets.ports.homeserver;
  assert.equal(instance.address, 'https://box.tail1.ts.net');
  assert.deepEqual(told(), [`serve --bg --https=443 --set-path=/_matrix http://127.0.0.1:${port}/_matrix`]);
  const { out } = await bash(instance.container('homeserver'), 'cat /run/pocketcoder/homeserver.yaml');
  assert.match(out, /^public_baseurl: https:\/\/box\.tail1\.ts\.net\/$/m);
  await instance.stop();
  assert.equal(told().at(-1), 'serve --https=443 --set-path=/_matrix off');
});

test('what tailscale refuses is told with its own words; another way ends the serving', async () => {
  assert.ok(instance);
  writeFileSync(join(folder, 'denied'), '');
  const refused = await instance.run(['start', '-d']);
  assert.equal(refused.code, 75);
  assert.match(refused.err, /tailscale serve failed \(exit 1\):\s+Access denied/);
  rmSync(join(folder, 'denied'));
  rmSync(join(folder, 'told'));
  writeFileSync(join(instance.home, 'pocketcoder.yaml'), 'reach: { way: later }\n');
  const again = await instance.run(['start', '-d']);
  assert.equal(again.code, 0, again.err);
  assert.deepEqual(told(), ['serve --https=443 --set-path=/_matrix off']);
});
