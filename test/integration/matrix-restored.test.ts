/** A bot restored on a homeserver that went on meanwhile: a new device under the identity of before, and no old key counts. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { settle } from '../../bot/src/proof/saved.ts';
import { checkout } from '../../console/instance/paths.ts';
import { type Account, type Homeserver, startHomeserver } from '../harness/homeserver.ts';
import { type Service, service } from '../harness/service.ts';
import { until } from '../harness/wait.ts';
import { createPhone, type Phone } from '../phone/phone.ts';

const dir = mkdtempSync(join(tmpdir(), 'matrix-restored-'));
const [state, saved] = [join(dir, 'bot'), join(dir, 'saved')];
const script = join(import.meta.dirname, 'matrix-bot.ts');
let homeserver: Homeserver;
let account: Account;
let phone: Phone;
let room: string;

const settings = (over: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  HOMESERVER: homeserver.url,
  SERVER_NAME: homeserver.serverName,
  BOT_USER: account.user,
  BOT_PASSWORD: account.password,
  BOT_STATE: state,
  ...over,
});
const bot = (over: NodeJS.ProcessEnv): Service => service([script], settings(over), 'ready');
/** Runs a program to its end. @returns its exit code */
async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: 'ignore' });
  return ((await once(child, 'close')) as [number])[0];
}
type Keys = Record<string, Record<string, Record<string, Record<string, unknown>>>>;
async function keys(): Promise<{ devices: string[]; master: unknown }> {
  const query = { device_keys: { [account.user]: [] } };
  const answer = (await phone.api('POST', '/keys/query', query)) as Keys;
  return {
    devices: Object.keys(answer['device_keys']?.[account.user] ?? {}),
    master: answer['master_keys']?.[account.user]?.['keys'],
  };
}
const taken = (s: Service, event: string) =>
  until(`${event} taken`, () => s.log.find((line) => line.msg === 'taken' && line['event'] === event));

before(async () => {
  homeserver = await startHomeserver();
  account = await homeserver.register('bot');
  const owner = await homeserver.register('owner');
  const first = bot({ OWNER: owner.user });
  await first.start();
  phone = await createPhone({ homeserver: homeserver.url, ...owner });
  await phone.setUpCrossSigning();
  await phone.until('the invitation', (p) => p.rooms().length > 0);
  room = phone.room();
  await taken(first, await phone.say('before the backup'));
  await first.kill();
  const said = bot({ SAY: `${room} known` });
  await said.start();
  await said.kill();
});
after(async () => {
  await phone?.close();
  await homeserver?.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('restored, it is one new device under the same identity, which knows its own last words and opens no old ones', async () => {
  const was = await keys();
  assert.equal(await run([join(checkout, 'bot/src/backup.ts'), state, saved]), 0);
  const files = readdirSync(saved);
  assert.deepEqual(
    files.filter((name) => /crypto|session|sock/.test(name)),
    [],
  );
  const exported = files.find((name) => name === `room-keys-${was.devices[0]}.json`) ?? assert.fail();
  for (const name of ['identity.json', exported])
    assert.equal(statSync(join(saved, name)).mode & 0o777, 0o600);

  // What goes on after the backup, in sessions whose keys the backup has.
  const late = bot({ SAY: `${room} later` });
  await late.start();
  await late.kill();
  const words = await phone.say('after the backup');
  const wire = await phone.until('its ciphertext', (p) => p.timeline().find((e) => e.id === words)?.wire);
  const sessions = JSON.parse(readFileSync(join(saved, exported), 'utf8')) as { session_id: string }[];
  assert.ok(sessions.some(({ session_id }) => session_id === wire.content['session_id']));

  const restored = bot({ BOT_STATE: saved });
  await restored.start();
  const said = restored.log.find(({ msg }) => msg === 'restored')?.['said'] as string[];
  assert.equal(said.at(-1), 'later');
  assert.match(String((await taken(restored, words))['failed']), /^MissingRoomKey/);
  const now = await keys();
  assert.equal(now.devices.length, 1);
  assert.notDeepEqual(now.devices, was.devices);
  assert.deepEqual(now.master, was.master);
  // The phone learns of the new device a moment later.
  await until('words to the new device', async () => {
    const { body } = await taken(restored, await phone.say('to the new device'));
    return body === 'to the new device';
  });

  // Cut off before it has settled it begins again, as the same device; settled, it is as any other.
  await restored.kill();
  await restored.start();
  assert.deepEqual(await keys(), now);
  await restored.kill();
  settle(saved);
  const count = () => restored.log.filter(({ msg }) => msg === 'restored').length;
  const before = count();
  await restored.start();
  assert.equal(count(), before);
  assert.equal((await taken(restored, await phone.say('settled')))['body'], 'settled');
  await restored.kill();
  assert.notEqual(await run([script], settings({})), 0, 'the old state directory is signed out');
  assert.deepEqual(await keys(), now);
});
