import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import jsQR from 'jsqr';
import { pageOf, phoneAddressOf, serviceFiles, servicesOf } from '../../console/engine/services.ts';
import { Fault } from '../../console/fault.ts';
import { type Instance, openInstance } from '../../console/instance/instance.ts';
import { choosePort } from '../../console/instance/ports.ts';
import type { Reach } from '../../console/instance/settings-file.ts';
import { qrOf, signInLink } from '../../console/instance/sign-in.ts';
import { type Reached, readState } from '../../console/instance/state.ts';
import { askReach, withReach } from '../../console/start/way-in.ts';

let home: string;
let instance: Instance;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'pocketcoder-unit-'));
  process.env['POCKETCODER_HOME'] = home;
  instance = await openInstance(false);
});
afterEach(() => {
  delete process.env['POCKETCODER_HOME'];
  rmSync(home, { recursive: true, force: true });
});

const tailnet = { name: 'box.tail1.ts.net', certificates: true };
const asked = async (answers: string[], found = { tailnet: null, own: '192.168.1.20' }) => {
  const questions: string[] = [];
  const reach = await askReach(async (text) => {
    questions.push(text);
    return answers.shift() ?? assert.fail('asked once too often');
  }, found);
  assert.deepEqual(answers, [], 'every answer was needed');
  return { reach, questions };
};

test('an empty answer opens nothing, and what cannot be is asked again', async () => {
  assert.deepEqual((await asked([''])).reach, { way: 'later' });
  assert.deepEqual((await asked(['yes', ' LAN ', ''])).reach, { way: 'lan', address: '192.168.1.20' });
  assert.deepEqual((await asked(['lan', 'a b', 'box.lan'])).reach, { way: 'lan', address: 'box.lan' });
  assert.deepEqual((await asked(['domain', '', '10.0.0.1', 'chat.example.org'])).reach, {
    way: 'domain',
    address: 'chat.example.org',
  });
});

test('a tailnet is recommended where one is up', async () => {
  const { reach, questions } = await asked(['tailnet'], { tailnet, own: '192.168.1.20' } as never);
  assert.deepEqual(reach, { way: 'tailnet' });
  assert.match(questions[0] ?? '', /recommended: this machine is box\.tail1\.ts\.net/);
  assert.match((await asked([''])).questions[0] ?? '', /no tailscale is up here/);
});

const reachedBy = (reach: Reach): Promise<Instance> =>
  withReach({ ...instance, settings: { ...instance.settings, reach } });

test('without an answer nothing is open: no entrance, and the homeserver tells phones no address', async () => {
  for (const one of [await withReach(instance), await reachedBy({ way: 'later' })]) {
    assert.equal(one.state.reach, undefined);
    assert.equal(servicesOf(one).includes('entrance'), false);
    assert.equal(phoneAddressOf(one), `http://127.0.0.1:${one.state.ports.homeserver}`);
    const files = serviceFiles(one, new Map());
    assert.doesNotMatch(
      files.find(({ name }) => name === 'homeserver.yaml')?.content ?? '',
      /public_baseurl/,
    );
    assert.equal(
      files.some(({ service }) => service === 'entrance'),
      false,
    );
  }
});

test('without an image for its proxies the agent is offered no network, and the executor has none', async () => {
  const one = await withReach(instance);
  const json = (name: string, egress?: string) =>
    JSON.parse(serviceFiles(one, new Map(), egress).find((file) => file.name === name)?.content ?? '');
  assert.equal(json('bot.json').network, false);
  assert.equal('egress' in json('executor.json'), false);
  assert.equal(json('bot.json', 'egress').network, true);
  assert.equal(json('executor.json', 'egress').egress.image, 'egress');
});

test('in the own network the entrance listens at the address given, and ports are kept', async () => {
  const first = await reachedBy({ way: 'lan', address: '127.0.0.1' });
  const { listen } = first.state.reach ?? {};
  assert.equal(listen?.address, '127.0.0.1');
  assert.deepEqual(readState(home)?.reach, first.state.reach);
  const again = await withReach({ ...first, settings: { reach: { way: 'lan', address: '127.0.0.1' } } });
  assert.deepEqual(again.state.reach, first.state.reach);
  const files = serviceFiles(first, new Map());
  const caddyfile = files.find(({ name }) => name === 'Caddyfile')?.content ?? '';
  assert.match(caddyfile, /^https:\/\/127\.0\.0\.1 \{\n\ttls internal/m);
  assert.doesNotMatch(caddyfile.replace(/^#.*$/gm, ''), /\{\{/);
  const yaml = files.find(({ name }) => name === 'homeserver.yaml')?.content ?? '';
  assert.ok(yaml.includes(`public_baseurl: ${phoneAddressOf(first)}/\n`));
  await assert.rejects(reachedBy({ way: 'lan', address: '203.0.113.9' }), /no address of this machine/);
});

test('a name is listened for on all addresses; a domain is on 443 and 80 and nowhere else', async () => {
  const lan = await reachedBy({ way: 'lan', address: 'box.lan' });
  assert.equal(lan.state.reach?.listen?.address, '0.0.0.0');
  const domain = await reachedBy({ way: 'domain', address: 'chat.example.org' });
  assert.deepEqual(domain.state.reach?.listen, { address: '0.0.0.0', https: 443, http: 80 });
  assert.equal(phoneAddressOf(domain), 'https://chat.example.org');
  assert.equal(pageOf(domain), null);
});

const at = (reach: Reached): Instance => ({ ...instance, state: { ...instance.state, reach } });

test('address, page and link carry a port only where it is not the usual one', () => {
  const usual = at({ way: 'lan', host: '10.0.0.5', listen: { address: '10.0.0.5', https: 443, http: 80 } });
  assert.deepEqual([phoneAddressOf(usual), pageOf(usual)], ['https://10.0.0.5', 'http://10.0.0.5']);
  const other = at({
    way: 'lan',
    host: '10.0.0.5',
    listen: { address: '10.0.0.5', https: 8443, http: 8080 },
  });
  assert.deepEqual([phoneAddressOf(other), pageOf(other)], ['https://10.0.0.5:8443', 'http://10.0.0.5:8080']);
  const link =
    'https://mobile.element.io/element?account_provider=10.0.0.5:8443&login_hint=mxid:@owner:pocketcoder.local';
  assert.equal(signInLink(other), link);
  const tail = at({ way: 'tailnet', host: tailnet.name });
  assert.deepEqual([phoneAddressOf(tail), pageOf(tail)], [`https://${tailnet.name}`, null]);
});

test('what is printed for the camera is that link', () => {
  const link = signInLink(at({ way: 'domain', host: 'chat.example.org' }));
  const rows = stripVTControlCharacters(qrOf(link)).split('\n');
  // Two rows of squares are one of text; what is drawn is light.
  const light = rows.flatMap((row) => [...'▀▄'].map((half) => [...row].map((c) => c === '█' || c === half)));
  const scale = 4;
  const width = (light[0]?.length ?? 0) * scale;
  const pixels = new Uint8ClampedArray(width * light.length * scale * 4).map((_, i) => {
    const [x, y] = [Math.floor(i / 4) % width, Math.floor(i / 4 / width)];
    return light[Math.floor(y / scale)]?.[Math.floor(x / scale)] ? 255 : 0;
  });
  assert.equal(jsQR.default(pixels, width, light.length * scale)?.data, link);
});

test('the first of the usual ports that is free is taken, else any', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  const free = await choosePort([0]);
  assert.equal(await choosePort([address.port, free]), free);
  const any = await choosePort([address.port]);
  assert.ok(any && any !== address.port);
  server.close();
});

test('a tailnet that is not there is a fault that says so', async () => {
  const { PATH } = process.env;
  process.env['PATH'] = home;
  try {
    await assert.rejects(reachedBy({ way: 'tailnet' }), (error) => {
      assert.ok(error instanceof Fault);
      assert.equal(error.exit, 'unavailable');
      assert.match(error.message, /no tailscale is up here\. Nothing was started/);
      return true;
    });
  } finally {
    process.env['PATH'] = PATH;
  }
});
