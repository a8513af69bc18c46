/** The timeline as a real ledger serves it: its own files and nothing else, to look at and to write nothing. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import type { Identity, Ledger } from '../../ledger/src/client.ts';
import { startLedger, type TestLedger } from '../harness/ledger.ts';
import { enrol, someAction, type Wanted, wayOf } from '../harness/ledger-chain.ts';

let ledger: TestLedger;
let auditor: Ledger;
before(async () => {
  ledger = await startLedger();
  for (const { author, ...entry } of [enrol, ...wayOf(someAction())] satisfies Wanted[])
    await (await ledger.connect(author as Identity)).append(entry);
  auditor = await ledger.connect('auditor');
});
after(() => ledger?.stop());

const files = readdirSync(join(checkout, 'ledger/pb_public'));
const get = (path: string) => fetch(`${ledger.url}${path}`);
async function ask(token: string, method: string, path: string, body?: object): Promise<number> {
  const headers = { authorization: token, 'content-type': 'application/json' };
  const init = body ? { method, headers, body: JSON.stringify(body) } : { method, headers };
  return (await fetch(`${ledger.url}${path}`, init)).status;
}
async function login(identity: Identity, query = ''): Promise<string> {
  const response = await fetch(`${ledger.url}/api/collections/${identity}/auth-with-password${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ identity: `${identity}@ledger.invalid`, password: ledger.passwords[identity] }),
  });
  return ((await response.json()) as { token: string }).token;
}
const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    exp: number;
    refreshable: boolean;
  };

test('attack-82 whoever looks writes nothing, renews nothing, and is out in eight hours; they read', async () => {
  const look = await login('auditor', '?look');
  const { exp, refreshable } = claimsOf(look);
  assert.ok(Math.abs(exp - Date.now() / 1000 - 8 * 3600) < 300, 'eight hours');
  assert.equal(refreshable, false);
  const [entry] = await auditor.since(0);
  const records = '/api/collections/entries/records';
  const had = (await auditor.since(0)).length;
  const alarm = { kind: 'alarm', action: '', body: '{"reason":"x"}' };
  for (const [method, path, body] of [
    ['POST', records, alarm],
    ['PATCH', `${records}/${entry?.id}`, alarm],
    ['DELETE', `${records}/${entry?.id}`],
    ['POST', '/api/live', { action: 'x', chunk: '' }],
    ['PUT', '/main.js', {}],
  ] as const) {
    const status = await ask(look, method, path, body);
    assert.ok(status >= 400 && status < 500, `${method} ${path}: ${status}`);
  }
  assert.equal((await auditor.since(0)).length, had);
  assert.equal(await ask(look, 'GET', records), 200);
  const refresh = '/api/collections/auditor/auth-refresh';
  const renewed = await fetch(`${ledger.url}${refresh}`, {
    method: 'POST',
    headers: { authorization: look },
  });
  assert.equal(claimsOf(((await renewed.json()) as { token: string }).token).exp, exp, 'it is the same one');
  // Those who write are lent no such token, and keep their own.
  assert.equal(claimsOf(await login('bot', '?look')).refreshable, true);
  assert.equal(claimsOf(await login('auditor')).refreshable, true);
});

test('attack-82 no page of the ledger runs, asks or frames anything but its own, and none stays in a cache', async () => {
  for (const path of ['/', ...files.filter((file) => file !== 'index.html').map((file) => `/${file}`)]) {
    const { status, headers } = await get(path);
    assert.equal(status, 200, path);
    const policy = headers.get('content-security-policy') ?? '';
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "form-action 'none'",
      "base-uri 'none'",
      "require-trusted-types-for 'script'",
    ])
      assert.ok(policy.split('; ').includes(rule), `${path}: ${rule}`);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('referrer-policy'), 'no-referrer');
    assert.equal(headers.get('cache-control'), 'no-store');
  }
  for (const path of [
    '/../ledger',
    '/index.html',
    '/pb_hooks/append.cjs',
    '/..%2fpb_hooks%2fappend.cjs',
    '/x.js',
  ]) {
    const { status, headers } = await get(path);
    assert.ok([401, 403, 404].includes(status), `${path}: ${status}`);
    assert.match(headers.get('content-type') ?? '', /json/);
  }
});
