/** Every known way around append-only, tried on a real ledger, each beside the genuine way that works. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { defaultPolicy } from '../../ledger/rules/policy.cjs';
import { type Asked, digestOf, makeAction, newId, sha256 } from '../../ledger/src/action.ts';
import type { Ledger } from '../../ledger/src/client.ts';
import { startLedger, type TestLedger } from '../harness/ledger.ts';
import { enrol, someAction, type Wanted, wayOf } from '../harness/ledger-chain.ts';

let ledger: TestLedger;
let bot: Ledger;
let auditor: Ledger;
const tokens = new Map<string, string>();
const admin = { email: 'admin@ledger.invalid', password: 'only for this test' };

type Answer = { status: number; code: string };
/** A request with somebody's token, its status and code. */
async function ask(who: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  const token = tokens.get(who);
  if (token) headers['authorization'] = token;
  const response = await fetch(`${ledger.url}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const answer = (text.startsWith('{') ? JSON.parse(text) : {}) as { data?: { entry?: { code?: string } } };
  return { status: response.status, code: answer.data?.entry?.code ?? '' };
}
async function login(collection: string, identity: string, password: string): Promise<string> {
  const response = await fetch(`${ledger.url}/api/collections/${collection}/auth-with-password`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ identity, password }),
  });
  assert.equal(response.status, 200, `login of ${identity}`);
  return ((await response.json()) as { token: string }).token;
}
const idOf = async (collection: string): Promise<string> => {
  const token = tokens.get('superuser') ?? '';
  const response = await fetch(`${ledger.url}/api/collections/${collection}/records`, {
    headers: { authorization: token },
  });
  const { items } = (await response.json()) as { items: { id: string }[] };
  return items[0]?.id ?? assert.fail(`no record in ${collection}`);
};

before(async () => {
  ledger = await startLedger();
  await ledger.inside('/ledger/ledger', 'superuser', 'upsert', admin.email, admin.password);
  tokens.set('superuser', await login('_superusers', admin.email, admin.password));
  for (const [name, password] of Object.entries(ledger.passwords))
    tokens.set(name, await login(name, `${name}@ledger.invalid`, password));
  bot = await ledger.connect('bot');
  auditor = await ledger.connect('auditor');
  const operator = await ledger.connect('operator');
  const executor = await ledger.connect('executor');
  const write = ({ author, ...entry }: Wanted) => ({ bot, executor, operator })[author]?.append(entry);
  for (const entry of [enrol, ...wayOf(someAction())]) await write(entry);
});
after(() => ledger?.stop());

const callers = ['nobody', 'bot', 'executor', 'operator', 'auditor', 'superuser'];

test('attack-40 an entry is neither changed nor deleted by anybody, but read by each identity', async () => {
  const [entry] = await auditor.since(0);
  assert.ok(entry);
  const path = `/api/collections/entries/records/${entry.id}`;
  for (const who of callers) {
    for (const [method, body] of [
      ['PATCH', { body: '{}' }],
      ['DELETE', undefined],
    ] as const) {
      const { status } = await ask(who, method, path, body);
      assert.ok(status === 401 || status === 403, `${method} by ${who}: ${status}`);
    }
    assert.equal((await ask(who, 'GET', path)).status, who === 'nobody' ? 401 : 200, who);
  }
  assert.deepEqual((await auditor.since(0))[0], entry);
});

/** What a superuser could do in plain PocketBase. `{id}` is the bot's record. */
const superuserWays: [string, string, string, unknown][] = [
  ['write an entry', 'POST', '/api/collections/entries/records', { kind: 'alarm', body: '{"reason":"x"}' }],
  ['truncate entries', 'DELETE', '/api/collections/entries/truncate', undefined],
  ['drop entries', 'DELETE', '/api/collections/entries', undefined],
  ['open the rules of entries', 'PATCH', '/api/collections/entries', { updateRule: '' }],
  ['add a collection', 'POST', '/api/collections', { name: 'x', type: 'base', fields: [] }],
  ['import collections', 'PUT', '/api/collections/import', { collections: [], deleteMissing: true }],
  ['run SQL', 'POST', '/api/sql', { query: 'DROP TRIGGER entries_no_update' }],
  ['impersonate the bot', 'POST', '/api/collections/bot/impersonate/{id}', { duration: 100 }],
  [
    'give the bot another password',
    'PATCH',
    '/api/collections/bot/records/{id}',
    { password: 'another password', passwordConfirm: 'another password' },
  ],
  ['delete the bot', 'DELETE', '/api/collections/bot/records/{id}', undefined],
  [
    'add another bot',
    'POST',
    '/api/collections/bot/records',
    { email: 'b@x.invalid', password: 'another password', passwordConfirm: 'another password' },
  ],
  ['write a view', 'PATCH', '/api/collections/actions/records/{action}', { state: 'approved' }],
  ['make a backup, which holds the keys', 'POST', '/api/backups', { name: 'x.zip' }],
  ['restore a backup', 'POST', '/api/backups/x.zip/restore', undefined],
  ['upload a backup', 'POST', '/api/backups/upload', undefined],
  ['change the settings', 'PATCH', '/api/settings', { batch: { enabled: true } }],
  ['write in a batch', 'POST', '/api/batch', { requests: [] }],
];
for (const [name, method, template, body] of superuserWays)
  test(`a superuser cannot ${name}`, async () => {
    const action = (await auditor.since(0)).find((e) => e.kind === 'requested')?.action ?? '';
    const path = template.replace('{id}', await idOf('bot')).replace('{action}', action);
    const before = (await auditor.since(0)).length;
    assert.deepEqual(await ask('superuser', method, path, body), { status: 403, code: 'closed' });
    assert.equal((await auditor.since(0)).length, before);
  });

test('a superuser looks at everything, which is what the dashboard is for', async () => {
  for (const path of [
    '/api/collections',
    '/api/settings',
    '/api/collections/entries/records',
    '/api/collections/actions/records',
    '/api/collections/approvers/records',
    '/_/',
  ])
    assert.equal((await ask('superuser', 'GET', path)).status, 200, path);
});

test('nobody reaches the recovery, one-time-password or e-mail ways into an identity', async () => {
  for (const way of [
    'request-password-reset',
    'request-otp',
    'request-email-change',
    'confirm-password-reset',
  ])
    for (const who of ['nobody', 'bot'])
      assert.ok([401, 403].includes((await ask(who, 'POST', `/api/collections/bot/${way}`, {})).status), way);
});

test('an identity can neither read nor change identities', async () => {
  const id = await idOf('bot');
  for (const who of ['bot', 'executor', 'operator', 'auditor']) {
    assert.equal((await ask(who, 'GET', `/api/collections/bot/records/${id}`)).status, 403, who);
    const made = await ask(who, 'POST', '/api/collections/bot/records', { email: 'b@x.invalid' });
    assert.equal(made.status, 403, who);
    assert.equal((await ask(who, 'PATCH', `/api/collections/bot/records/${id}`, {})).status, 403, who);
  }
});

test('the author is who is logged in, whatever the request says', async () => {
  const body = '{"reason":"x"}';
  const forged = {
    id: newId(),
    kind: 'alarm',
    body,
    author: 'operator',
    seq: 99,
    prev: 'x',
    hash: 'y',
    at: 'z',
  };
  assert.equal((await ask('bot', 'POST', '/api/collections/entries/records', forged)).status, 200);
  const entry = (await auditor.since(0)).at(-1);
  assert.equal(entry?.author, 'bot');
  assert.notEqual(entry?.seq, 99);
  const asOperator = { id: newId(), kind: 'thawed', body, author: 'operator' };
  assert.deepEqual(await ask('bot', 'POST', '/api/collections/entries/records', asOperator), {
    status: 400,
    code: 'not_allowed',
  });
  assert.ok(
    [400, 403].includes((await ask('auditor', 'POST', '/api/collections/entries/records', forged)).status),
  );
});

test('a result has exactly the output that its body names', async () => {
  const output = new TextEncoder().encode('out\n'.repeat(2000));
  const truth = { exit: 0, signal: null, bytes: output.length, sha256: sha256(output) };
  const executor = await ledger.connect('executor');
  const action = someAction();
  const digest = digestOf(action);
  for (const { author, ...entry } of wayOf(action).slice(0, 5))
    await (author === 'bot' ? bot : executor).append(entry);
  const result = (body: object, transcript?: Uint8Array) =>
    executor.append({
      kind: 'succeeded',
      action: action.id,
      body: { digest, ...body },
      ...(transcript ? { transcript: () => [transcript] } : {}),
    });
  const refused = { name: 'LedgerError', code: 'transcript' };
  await assert.rejects(result(truth), refused);
  await assert.rejects(result(truth, output.with(0, 1)), refused);
  await assert.rejects(result({ ...truth, bytes: 1 }, output), refused);
  await assert.rejects(result({ ...truth, output: 'out\n' }), refused);
  await assert.rejects(result({ ...truth, output: 'out\n' }, output), refused);
  const entry = await result(truth, output);
  const read = async (from?: number, to?: number) =>
    Buffer.concat(await Array.fromAsync(auditor.transcript(entry, from, to)));
  assert.deepEqual(await read(), Buffer.from(output));
  assert.deepEqual(await read(1, 3), Buffer.from(output).subarray(1, 3));
  const open = await fetch(`${ledger.url}/api/files/entries/${entry.id}/${entry.transcript}`);
  assert.equal(open.status, 404);
});

test('a request to add a file has exactly the bytes that it names; no other request has any', async () => {
  const [bytes, most] = [Buffer.from('genuine'), 32 << 20];
  const asking = (args: object, file?: Uint8Array, kind = 'put_file') => {
    const asked = { ...{ kind, args, workspace: 'w', task: 't' }, requester: '@owner:test' };
    const action = makeAction(asked as unknown as Asked, defaultPolicy);
    return bot.append({
      ...{ kind: 'requested', action: action.id, body: action },
      ...(file && { transcript: () => [file] }),
    });
  };
  const named = (file: Uint8Array) => ({ path: 'a', sha256: sha256(file), size: file.length });
  const refused = { name: 'LedgerError', code: 'transcript' };
  const large = Buffer.alloc(most + 1);
  await assert.rejects(asking(named(bytes)), refused);
  await assert.rejects(asking(named(bytes), Buffer.from('another')), refused);
  await assert.rejects(asking({ ...named(bytes), size: 8 }, bytes), refused);
  await assert.rejects(asking({ path: 'a', content: 'eA==' }, bytes), refused);
  await assert.rejects(asking(named(large), large), refused);
  await assert.rejects(asking({ path: '.' }, bytes, 'list'), refused);
  for (const file of [bytes, Buffer.alloc(0), large.subarray(1)]) {
    const entry = await asking(named(file), file);
    const read = Buffer.concat(await Array.fromAsync(auditor.transcript(entry)));
    assert.ok(read.equals(file), `${file.length} bytes`);
  }
});

test('lone surrogates are refused by the hook as by every other judge', async () => {
  const entry = { id: newId(), kind: 'alarm', body: '{"reason":"\\ud800"}' };
  assert.deepEqual(await ask('bot', 'POST', '/api/collections/entries/records', entry), {
    status: 400,
    code: 'not_canonical',
  });
  await bot.append({ kind: 'alarm', body: { reason: 'Zoë 🦊 \u2028 "\\' } });
});

test('after all of it the ledger audits clean', async () => {
  const report = await auditLedger(auditor);
  assert.equal(report.ok, true, JSON.stringify(report.off));
  assert.equal(report.actions, 5);
  assert.equal(report.transcripts, 4);
  // The file that came with a request is not what it was: the audit names the request.
  const lying: Ledger = {
    ...auditor,
    transcript: (entry) =>
      entry.kind === 'requested' ? Readable.from([Buffer.from('another')]) : auditor.transcript(entry),
  };
  const { off } = await auditLedger(lying);
  assert.deepEqual(
    [off?.kind, off?.why],
    ['requested', 'its file does not have the SHA-256 that the entry states'],
  );
});
