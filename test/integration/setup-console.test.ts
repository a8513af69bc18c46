/** What the operator does at the console: freeze and thaw, the enrolled devices, and what `stop` ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { findEngine } from '../../console/engine/engine.ts';
import { checkout } from '../../console/instance/paths.ts';
import { connectLedger, type Ledger } from '../../ledger/src/client.ts';
import { approve, askAndSee, chipsOf, endsWith, sees } from '../harness/answers.ts';
import { type Instance, ledgerOf, type Ran, startInstance } from '../harness/instance.ts';
import { pairPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import { createPhone } from '../phone/phone.ts';
import type { Card, Phone } from '../phone/types.ts';

const { docker } = findEngine();
let instance: Instance;
let ledger: Ledger;
let phone: Phone;
let second: Phone;
let recoveryKey: string;

before(async () => {
  instance = await startInstance();
  const { address, home, owner } = instance;
  ledger = await ledgerOf(instance);
  phone = await createPhone({ homeserver: address, ...owner });
  recoveryKey = await phone.setUpCrossSigning();
  await pairPhone(phone, home);
  await sees(phone, 'Paired.');
  second = await phone.secondLogin();
  await second.restore(recoveryKey);
});
after(async () => {
  await phone?.close();
  await second?.close();
  await instance?.destroy();
});

/** As `pair` does when its emoji were compared; two phones that are awake would both take that up. */
async function enrol(which: Phone): Promise<void> {
  const answer = await which.api('POST', '/keys/query', { device_keys: { [which.user]: [which.device] } });
  const { device_keys } = answer as {
    device_keys: Record<string, Record<string, { keys: Record<string, string> }>>;
  };
  const keys = device_keys[which.user]?.[which.device]?.keys ?? {};
  const [ed25519, curve25519] = ['ed25519', 'curve25519'].map((kind) => keys[`${kind}:${which.device}`]);
  const first = (await ledger.control()).find((entry) => entry.kind === 'identity.enrolled');
  const { user, master } = JSON.parse(first?.body ?? '') as { user: string; master: string };
  const { operator: password } = instance.secrets.passwords.ledger;
  const operator = await connectLedger({ url: instance.ledgerUrl, identity: 'operator', password });
  const body = { user, master, device: which.device, ed25519, curve25519 };
  await operator.append({ kind: 'identity.enrolled', body });
}

const said = (ran: Ran, event: string): Record<string, unknown> => {
  assert.equal(ran.code, 0, ran.out + ran.err);
  return ran.events.find((one) => one['event'] === event) ?? assert.fail(`${event}: ${ran.out}`);
};
const count = async (kind: string) => (await ledger.since(0)).filter((entry) => entry.kind === kind).length;
/** Containers that run: of tasks, or of anything that the executor made. */
const running = async (...also: string[]) =>
  (await docker.listContainers({ filters: { label: [`org.pocketcoder=${instance.project}`, ...also] } }))
    .length;
const tasks = () => running('org.pocketcoder.task');

test('frozen, the right tap runs nothing; thawed, a fresh card runs', async () => {
  const card = await askAndSee(phone, '!run echo "$((6 * 7)) while frozen"');
  said(await instance.run(['freeze', '--json']), 'frozen');
  assert.equal((await instance.run(['freeze'])).code, 0); // again is no error
  assert.equal(await count('frozen'), 1);
  await sees(phone, 'Frozen at the console');
  await approve(phone, card);
  await sees(phone, 'everything is frozen: nothing was run');
  assert.equal(await count('claimed'), 0);

  said(await instance.run(['thaw', '--json']), 'thawed');
  assert.match((await instance.run(['thaw'])).out, /^Thawed: approvals count again/);
  assert.equal(await count('thawed'), 1);
  await sees(phone, 'Thawed at the console');
  const fresh = await askAndSee(phone, '!run echo "$((6 * 7)) when thawed"');
  await approve(phone, fresh);
  await sees(phone, '42 when thawed', 30);
  assert.equal(await count('claimed'), 1);
});

test('a revoked device approves nothing and reads nothing; the other enrolled one does', async () => {
  await enrol(second);
  const { devices } = said(await instance.run(['device', 'list', '--json']), 'devices') as {
    devices: { device: string; user: string; ed25519: string }[];
  };
  assert.deepEqual(
    devices.map(({ device }) => device),
    [phone.device, second.device],
  );
  const { out } = await instance.run(['device', 'list']);
  const line = out.split('\n').find((text) => text.includes(second.device)) ?? '';
  assert.match(line, /^@owner:\S+ {2}\S+ {2}owner {2}since 20\d\d-\d\d-\d\d \d\d:\d\d UTC {2}/);
  assert.ok(line.endsWith(devices[1]?.ed25519 ?? '?'), out);

  const unknown = await instance.run(['device', 'revoke', 'NOBODY']);
  assert.match(unknown.err, /No device NOBODY is enrolled, so nothing was changed/);
  assert.equal(unknown.code, 1);
  const card = await askAndSee(phone, '!run echo "$((6 * 7)) by the other"');
  await second.until('the card on both', (p) => p.cards().find((c) => c.text === card.text));
  await phone.say(`!poll ${/^#(\d+)/.exec(card.text)?.[1]}`);
  const poll = (p: Phone): Promise<Card> =>
    p.until('the poll', (one) => one.cards().find((c) => c.answers.length === 2));
  const polls = [await poll(phone), await poll(second)] as const;
  const yes = (c: Card) => c.answers.find((answer) => answer.text === 'Approve')?.id ?? '';

  const revoked = said(await instance.run(['device', 'revoke', second.device, '--json']), 'revoked');
  assert.deepEqual([revoked['user'], revoked['device']], [phone.user, second.device]);
  // It still has the account's token, and knows the chips of what it read before.
  await second.tap(card.id, chipsOf(card).named);
  await sees(phone, 'that answer does not suffice');
  await second.vote(polls[1].id, [yes(polls[1])]);
  const later = await phone.until('the words about it', (p) =>
    p.timeline().find((e) => String(e.content['body']).includes('A device was revoked')),
  );
  await second.until(
    'no key for it',
    (p) => p.timeline().find((e) => e.id === later.id)?.failed !== undefined,
  );
  await phone.vote(polls[0].id, [yes(polls[0])]);
  await sees(phone, '42 by the other', 30);
  // The votes came in this order, and the first one that counts decides.
  const approvals = (await ledger.since(0)).filter((entry) => entry.kind === 'approved');
  assert.equal(JSON.parse(approvals.at(-1)?.body ?? '{}').evidence.device, phone.device);
});

test('stop ends the tasks’ containers and what runs in them; after a start the same task works on', async () => {
  const card = await askAndSee(phone, '!run echo kept > file; echo "$((6 * 7)) begun"; sleep 600');
  await phone.tap(card.id, chipsOf(card).named);
  await sees(phone, '42 begun', 30);
  assert.equal(await tasks(), 1);
  await instance.stop();
  assert.equal(await running(), 0);
  assert.equal((await instance.run(['start', '-d', '--json'])).code, 0);
  await endsWith(phone, card, 'outcome unknown', 60);
  await approve(phone, await askAndSee(phone, '!run cat file; echo "$((6 * 7)) again"'));
  await sees(phone, 'kept\n| 42 again', 30);
  assert.equal(await tasks(), 1);
});

test('a lost phone: frozen, revoked, a new one paired, thawed', async () => {
  said(await instance.run(['freeze', '--json']), 'frozen');
  said(await instance.run(['device', 'revoke', phone.device, '--json']), 'revoked');
  await Promise.all([phone.close(), second.close()]);
  const { address, home, owner } = instance;
  const fresh = await createPhone({ homeserver: address, ...owner });
  try {
    await fresh.restore(recoveryKey);
    await pairPhone(fresh, home);
    const card = await askAndSee(fresh, '!run echo "$((6 * 7)) on the new phone"');
    await approve(fresh, card);
    await sees(fresh, 'everything is frozen: nothing was run');
    said(await instance.run(['thaw', '--json']), 'thawed');
    const { devices } = said(await instance.run(['device', 'list', '--json']), 'devices') as {
      devices: { device: string; role: string; since: string }[];
    };
    assert.deepEqual(
      devices.map(({ device, role }) => [device, role]),
      [[fresh.device, 'owner']],
    );
    assert.ok(Date.now() - Date.parse(devices[0]?.since ?? '') < 600_000);
    const before = await count('claimed');
    await approve(fresh, await askAndSee(fresh, '!run echo "$((6 * 7)) again on it"'));
    await sees(fresh, '42 again on it', 60);
    assert.equal(await count('claimed'), before + 1);
  } finally {
    await fresh.close();
  }
});

test('a pairing that the operator leaves is over, and the next one can begin', async () => {
  const begun = async (): Promise<string> => {
    const env = { ...process.env, POCKETCODER_HOME: instance.home };
    const child = spawn(join(checkout, 'pocketcoder'), ['pair', '--json'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(child, 'close');
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    child.kill('SIGINT');
    await ended;
    return String(JSON.parse(line).event);
  };
  assert.equal(await begun(), 'waiting');
  await until('the next pairing', async () => (await begun()) === 'waiting', { seconds: 20 });
});

test('the audit trail goes into a file, which one program and Node verify; a part of it too', async () => {
  const [whole, part, kept] = ['whole', 'part', 'kept'].map((name) => join(instance.home, name)) as [
    string,
    string,
    string,
  ];
  const verify = async (...words: string[]) => {
    const child = spawn(process.execPath, ['ledger/verify/verify.mjs', ...words], { cwd: checkout });
    return { text: await text(child.stdout), code: child.exitCode ?? (await once(child, 'close'))[0] };
  };
  const wrote = said(await instance.run(['audit', 'export', whole, '--json']), 'exported');
  assert.equal(statSync(whole).mode & 0o777, 0o600);
  assert.equal((await instance.run(['audit', 'export', whole])).code, 73);
  writeFileSync(kept, String(wrote['checkpoint']));
  const found = await verify(whole, kept);
  assert.equal(found.code, 0, found.text);
  assert.match(found.text, /kept has it up to entry \d+\. Its own checkpoint/);
  assert.match(found.text, /the bot has it up to entry \d+, and the executor has it up to/);
  const since = (await ledger.since(0)).find(({ kind }) => kind === 'frozen')?.at ?? '';
  said(
    await instance.run(['audit', 'export', part, '--since', since, '--workspace', 'main', '--json']),
    'exported',
  );
  assert.equal((await verify(part)).code, 64, 'a part is held by a kept root alone');
  const typo = await instance.run(['audit', 'export', `${part}2`, '--workspace', 'mian']);
  assert.deepEqual(
    [typo.code, /There is no workspace "mian"\. There are: .*main/.test(typo.err)],
    [64, true],
    typo.err,
  );
  const half = await verify(part, kept);
  assert.equal(half.code, 0, half.text);
  assert.match(
    half.text,
    /^HOLDS: \d+ entries, a part, \{"since":"[^"]+","workspace":"main"\}: [1-9]\d* are left out/,
  );
  const bytes = readFileSync(whole, 'utf8');
  writeFileSync(part, bytes.replace('again on it', 'again on us'));
  const changed = await verify(part);
  assert.equal(changed.code, 1);
  assert.match(changed.text, /^OFF: entry \d+ \(requested\): it does not have the hash that it states\./);
});

test('all that an action wrote goes into a file, once; one that wrote nothing is told as that', async () => {
  const file = join(instance.home, 'output');
  const entries = await ledger.since(0);
  const asked = entries.filter(({ kind }) => kind === 'requested');
  const ran = new Set(entries.filter(({ kind }) => kind === 'succeeded').map(({ action }) => action));
  const number = asked.findIndex(({ action, body }) => ran.has(action) && body.includes('again on it')) + 1;
  const wrote = said(await instance.run(['output', `#${number}`, file, '--json']), 'output');
  assert.equal(readFileSync(file, 'utf8'), '42 again on it\n');
  assert.deepEqual([wrote['bytes'], statSync(file).mode & 0o777], [15, 0o600]);
  assert.equal((await instance.run(['output', String(number), file])).code, 73, 'it is there');
  const none = await instance.run(['output', '999', join(instance.home, 'none')]);
  assert.equal(none.code, 1);
  assert.match(none.err, /#999 has no output in the ledger: .* Nothing was written\./);
});

test('timeline prints an address by which one looks and does nothing', async () => {
  const { address } = said(await instance.run(['timeline', '--json']), 'timeline') as { address: string };
  const { origin, hash } = new URL(address);
  assert.match(await (await fetch(origin)).text(), /<title>Timeline · PocketCoder<\/title>/);
  const headers = {
    authorization: hash.replace('#token=', ''),
    'content-type': 'application/json',
  };
  const entries = `${origin}/api/collections/entries/records`;
  const { totalItems } = (await (await fetch(entries, { headers })).json()) as { totalItems: number };
  assert.equal(totalItems, (await ledger.since(0)).length);
  const body = JSON.stringify({ kind: 'frozen', body: '{}' });
  assert.notEqual((await fetch(entries, { method: 'POST', headers, body })).status, 200);
  assert.equal((await ledger.since(0)).length, totalItems);
});

test('a ledger that is down is told by every command that needs it', async () => {
  await docker.getContainer(instance.container('ledger')).stop();
  for (const args of [['device', 'list'], ['audit'], ['timeline'], ['output', '1', '/dev/null']]) {
    const ran = await instance.run(args);
    assert.match(ran.err, /The ledger does not answer at .*start it with \.\/pocketcoder start -d/);
    assert.equal(ran.code, 69);
  }
});
