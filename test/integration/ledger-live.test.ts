/** Live output: from the executor to the bot alone, never waiting for a slow reader. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { newId } from '../../ledger/src/action.ts';
import { startLedger, type TestLedger } from '../harness/ledger.ts';
import { until } from '../harness/wait.ts';

let ledger: TestLedger;
before(async () => {
  ledger = await startLedger();
});
after(() => ledger?.stop());

/** A token and a realtime stream that is read only when asked to. */
async function stream(identity: 'bot' | 'executor' | 'operator' | 'auditor') {
  const login = await fetch(`${ledger.url}/api/collections/${identity}/auth-with-password`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ identity: `${identity}@ledger.invalid`, password: ledger.passwords[identity] }),
  });
  const { token } = (await login.json()) as { token: string };
  let text = '';
  const connection = request(`${ledger.url}/api/realtime`, (response) => {
    response.setEncoding('utf8').on('data', (data: string) => {
      text += data;
    });
  });
  connection.on('error', () => {});
  connection.end();
  const clientId = await until('the stream is open', () => /"clientId":"([^"]+)"/.exec(text)?.[1]);
  const subscribe = (...subscriptions: string[]) =>
    fetch(`${ledger.url}/api/realtime`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: token },
      body: JSON.stringify({ clientId, subscriptions }),
    });
  return {
    subscribe,
    token,
    text: () => text,
    stall: () => connection.socket?.pause(),
    close: () => connection.destroy(),
  };
}

test('the bot hears the executor, in order, byte for byte', async () => {
  const bot = await ledger.connect('bot');
  const executor = await ledger.connect('executor');
  const action = newId();
  const heard: Uint8Array[] = [];
  const leave = await bot.live.subscribe((of, chunk) => {
    if (of === action) heard.push(chunk);
  });
  const sent = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i & 255));
  for (let i = 0; i < sent.length; i += 1000) executor.live.send(action, sent.subarray(i, i + 1000));
  await until('all of it came', () => Buffer.concat(heard).length === sent.length);
  assert.ok(Buffer.concat(heard).equals(sent));
  await leave();
});

test('a sign that the executor is there is heard, also once the ledger was killed and is back', async () => {
  const bot = await ledger.connect('bot');
  const executor = await ledger.connect('executor');
  let heard = 0;
  const leave = await bot.live.subscribe((action, chunk) => {
    if (action === '' && chunk.length === 0) heard++;
  });
  const hears = (what: string) => {
    const before = heard;
    return until(
      what,
      () => {
        executor.live.send('', new Uint8Array());
        return heard > before;
      },
      { seconds: 30, every: 200 },
    );
  };
  await hears('a sign');
  await ledger.kill();
  await ledger.restart();
  await hears('a sign from after the restart');
  await leave();
});

test('nobody else may subscribe, and nobody else may send', async () => {
  for (const identity of ['executor', 'operator', 'auditor'] as const) {
    const other = await stream(identity);
    assert.equal((await other.subscribe('live')).status, 403, identity);
    assert.equal((await other.subscribe('entries/*')).status, 204, identity);
    other.close();
  }
  for (const identity of ['bot', 'operator', 'auditor', 'nobody'] as const) {
    const other = identity === 'nobody' ? undefined : await stream(identity);
    other?.close();
    const response = await fetch(`${ledger.url}/api/live`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: other?.token ?? '' },
      body: JSON.stringify({ action: newId(), chunk: '' }),
    });
    assert.equal(response.status, identity === 'nobody' ? 401 : 403, identity);
  }
});

test('a bot that reads nothing holds up neither live output nor entries, nor another bot', async () => {
  const stalled = await stream('bot');
  assert.equal((await stalled.subscribe('live', 'entries/*')).status, 204);
  stalled.stall();
  const bot = await ledger.connect('bot');
  const { token, close } = await stream('executor');
  const action = newId();
  let heard = 0;
  const leave = await bot.live.subscribe((of) => {
    if (of === action) heard++;
  });
  const chunk = Buffer.alloc(100_000).toString('base64');
  // 60 MB: far beyond what sockets and queues take, so a sender that waited would stand still here.
  const begun = performance.now();
  for (let i = 0; i < 450; i++) {
    const response = await fetch(`${ledger.url}/api/live`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: token },
      body: JSON.stringify({ action, chunk }),
      signal: AbortSignal.timeout(3000),
    });
    assert.equal(response.status, 204);
    if (i % 50 === 0) await bot.append({ kind: 'alarm', body: { reason: String(i) } });
  }
  assert.ok(performance.now() - begun < 30_000);
  await until('the other bot heard most of it', () => heard > 200);
  await leave();
  stalled.close();
  close();
});

test('figures are given out once the bot told some, and the newest; they are text of Prometheus’s', async () => {
  const ask = () => fetch(`${ledger.url}/metrics`);
  assert.equal((await ask()).status, 404);
  const bot = await ledger.connect('bot');
  for (const figure of ['pocketcoder_old 1\n', 'pocketcoder_new 2\n']) await bot.live.tell(figure);
  const response = await ask();
  const text = await response.text();
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  assert.match(text, /^pocketcoder_bot_silent_seconds 0\.\d+$/m);
  assert.ok(text.includes('pocketcoder_new 2') && !text.includes('pocketcoder_old'));
});
