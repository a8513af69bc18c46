import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Account, type Homeserver, startHomeserver } from '../harness/homeserver.ts';
import { hostileHomeserver } from '../harness/hostile.ts';
import { type Service, service } from '../harness/service.ts';
import { until } from '../harness/wait.ts';
import { createPhone, type Phone } from '../phone/phone.ts';

const dir = mkdtempSync(join(tmpdir(), 'matrix-restart-'));
const state = join(dir, 'bot');
let homeserver: Homeserver;
let account: Account;
let phone: Phone;
let bot: Service;

const script = join(import.meta.dirname, 'matrix-bot.ts');
const settings = (over: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  HOMESERVER: homeserver.url,
  SERVER_NAME: homeserver.serverName,
  BOT_USER: account.user,
  BOT_PASSWORD: account.password,
  BOT_STATE: state,
  ...over,
});
const child = (over: NodeJS.ProcessEnv): Service => service([script], settings(over), 'ready');
/** What a process that is refused says before it ends. */
async function refusal(over: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(process.execPath, [script], { env: { ...process.env, ...settings(over) } });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += String(text)));
  const [code] = (await once(child, 'close')) as [number];
  assert.notEqual(code, 0);
  return said;
}
const bodies = (s: Service) => s.log.filter((l) => l.msg === 'taken').map((l) => l['body']);
const takes = (s: Service, body: string) => until(`"${body}" taken`, () => bodies(s).includes(body));
const devices = async () => {
  const keys = await phone.api('POST', '/keys/query', { device_keys: { [account.user]: [] } });
  return Object.keys((keys['device_keys'] as Record<string, object>)[account.user] ?? {});
};

before(async () => {
  homeserver = await startHomeserver();
  account = await homeserver.register('bot');
  const owner = await homeserver.register('owner');
  const first = child({ OWNER: owner.user });
  await first.start();
  phone = await createPhone({ homeserver: homeserver.url, ...owner });
  await phone.until('the invitation', (p) => p.rooms().length > 0);
  await phone.setUpCrossSigning();
  await first.kill();
  bot = child({});
});
after(async () => {
  await bot.kill();
  await phone.close();
  await homeserver.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('what was said while the bot was down is taken in order, once, even past the limit of one sync', async () => {
  const said = Array.from({ length: 65 }, (_, i) => `missed ${i}`);
  for (const text of said) await phone.say(text);
  await bot.start();
  await takes(bot, 'missed 64');
  assert.deepEqual(bodies(bot), said);
  assert.ok(bot.log.some((l) => l.msg === 'a gap was filled'));
});

test('a start after the first one makes no second device and no second identity, and keeps its files private', async () => {
  const was = await devices();
  assert.equal(was.length, 1);
  await bot.kill();
  await bot.start();
  assert.deepEqual(await devices(), was);
  assert.equal(bot.log.findLast((l) => l.msg === 'connected')?.['identity'], 'kept');
  assert.equal(statSync(join(state, 'session.json')).mode & 0o777, 0o600);
});

test('an event that was being handled when the bot was killed comes once more, and those behind it follow', async () => {
  await bot.kill();
  const held = child({ HOLD: 'in hand' });
  await held.start();
  await phone.say('in hand');
  await phone.say('behind it');
  await held.said('held');
  await held.kill();
  const from = bot.log.length;
  await bot.start();
  await takes(bot, 'behind it');
  const after = bot.log.slice(from).filter((l) => l.msg === 'taken');
  assert.deepEqual(
    after.map((l) => l['body']),
    ['in hand', 'behind it'],
  );
});

test('a homeserver that goes away is waited for', async () => {
  await homeserver.halt();
  await bot.said('homeserver down');
  await homeserver.resume();
  await until('the homeserver to be up again', () => bot.log.at(-1)?.msg === 'homeserver up', {
    seconds: 40,
  });
  await phone.say('up again');
  await takes(bot, 'up again');
});

async function endSessions(how: 'expired' | 'ended'): Promise<void> {
  await homeserver.halt();
  await bot.said('homeserver down');
  homeserver.endSessions(account.user, how);
  await homeserver.resume();
  await bot.said('the bot cannot go on', 60);
}

test('a session that came to the end of its time is renewed by the next start, for the same device', async () => {
  const was = await devices();
  await endSessions('expired');
  await phone.say('while it had no session');
  await bot.start();
  await takes(bot, 'while it had no session');
  assert.deepEqual(await devices(), was);
  await bot.kill();
  await bot.start(); // the new one was kept
});

test('a second process on the same keys is refused', async () => {
  assert.match(await refusal({}), /database is locked/);
});

test('a lost state directory is refused: no second device, no new identity', async () => {
  const was = await devices();
  assert.match(await refusal({ BOT_STATE: join(dir, 'other') }), /already has a cross-signing identity/);
  assert.deepEqual(await devices(), was);
  const wrong = { BOT_STATE: join(dir, 'wrong'), BOT_PASSWORD: 'wrong' };
  assert.match(await refusal(wrong), /Invalid username or password/);
});

test('a homeserver that states other keys for the bot’s device is refused, and is given nothing; its genuine twin is not', async () => {
  await bot.kill();
  const hostile = await hostileHomeserver(homeserver.url);
  const own = { HOMESERVER: hostile.url };
  try {
    for (const kind of ['ed25519', 'curve25519']) {
      const given: string[] = [];
      const end = hostile.onAnswer((e) => {
        if (e.method !== 'GET' && !e.path.includes('/keys/query')) given.push(e.path);
        const answer = e.response as {
          device_keys?: Record<string, Record<string, { keys: Record<string, string> }>>;
        };
        for (const [id, { keys }] of Object.entries(answer.device_keys?.[account.user] ?? {}))
          keys[`${kind}:${id}`] = 'A'.repeat(43);
      });
      assert.match(await refusal(own), new RegExp(`another ${kind} key .*The bot was not started`));
      assert.deepEqual(given, []);
      end();
    }
    const twin = child(own);
    await twin.start();
    await twin.kill();
  } finally {
    await hostile.stop();
  }
  await bot.start();
});

test('a session that somebody ended is not: whoever did that may have taken its device as well', async () => {
  await endSessions('ended');
  assert.match(await refusal({}), /M_UNKNOWN_TOKEN/);
});
