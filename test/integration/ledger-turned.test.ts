/** A ledger whose file was taken back or written anew, with the bot's chain and a real executor, stopped and running. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pino from 'pino';
import { type Chain, openChain } from '../../bot/src/chain.ts';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { hashed } from '../../ledger/rules/judge.cjs';
import { type Action, newId, sha256 } from '../../ledger/src/action.ts';
import type { Entry, Ledger } from '../../ledger/src/client.ts';
import { TurnedBack } from '../../ledger/src/errors.ts';
import { executorService } from '../harness/executor.ts';
import { removeProject } from '../harness/instance.ts';
import { startLedger, type TestLedger } from '../harness/ledger.ts';
import { enrol, owner, someAction, verifyChain, wayOf } from '../harness/ledger-chain.ts';
import type { Service } from '../harness/service.ts';
import { until } from '../harness/wait.ts';

const dir = mkdtempSync(join(tmpdir(), 'turned-'));
const project = `turned-${newId()}`;
const files = { bot: join(dir, 'bot.pin'), executor: join(dir, 'executor', 'ledger.pin') };
const lost = { ...owner, device: 'LOST', ed25519: 'E-LOST', curve25519: 'C-LOST' };
let ledger: TestLedger;
let raw: Ledger;
let audit: Ledger;
let executor: Service;
let bot: { chain: Chain; whole: Ledger };
/** What the bot's chain logged. */
const said: string[] = [];

const pinIn = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as { seq: number; hash: string };
const pins = () => ({ bot: pinIn(files.bot), executor: pinIn(files.executor) });
const openBot = () =>
  openChain({
    ...{ url: ledger.url, password: ledger.passwords.bot, pin: files.bot, leak: () => '', read: () => {} },
    log: pino({}, { write: (line: string) => said.push((JSON.parse(line) as { msg: string }).msg) }),
  });
const claims = async (action: Action) =>
  (await audit.story(action.id)).filter(({ kind }) => kind === 'claimed').length;
/** Asked for and approved by that device, past the bot where its chain is not there. */
async function approve(action: Action, device: string, by = raw): Promise<void> {
  for (const { author: _, ...entry } of wayOf(action).slice(0, 2)) await by.append(entry);
  const evidence = { user: lost.user, device, event: `$${newId()}`, form: 'poll' };
  await by.append({
    ...{ kind: 'approved', action: action.id },
    body: { digest: sha256((await audit.story(action.id))[0]?.body ?? ''), grade: 'signed', evidence },
  });
}
const ended = (action: Action) =>
  until('its end', async () => (await audit.story(action.id)).find(({ kind }) => kind === 'succeeded'));
/** Both have seen all that there is, and it is on the disk. */
async function kept(): Promise<Entry[]> {
  const all = await audit.since(0);
  await until('the pins', () => Object.values(pins()).every(({ seq }) => seq === all.length));
  return all;
}
async function stopAll(): Promise<void> {
  await Promise.all([bot.chain.stop(), executor.kill('SIGTERM')]);
}
/** Starts both on a ledger that they refuse. */
async function startRefused(): Promise<{ opening: ReturnType<typeof openBot>; isOpen(): boolean }> {
  said.length = 0;
  let isOpen = false;
  const opening = openBot();
  void opening.then(() => {
    isOpen = true;
  });
  executor.start().catch(() => {}); // it is not ready before the ledger is right
  await Promise.all([refused(), executor.said('ledger turned back')]);
  return { opening, isOpen: () => isOpen };
}
const refused = () => until('the bot says it', () => said.includes('ledger turned back'));
before(async () => {
  ledger = await startLedger();
  [raw, audit] = [await ledger.connect('bot'), await ledger.connect('auditor')];
  const operator = await ledger.connect('operator');
  for (const { body } of [enrol, { body: lost }]) await operator.append({ kind: enrol.kind, body });
  executor = await executorService(dir, project, ledger, { TMPDIR: dir });
  [bot] = await Promise.all([openBot(), executor.start()]);
});
after(async () => {
  await Promise.allSettled([bot?.chain.stop(), executor?.kill()]);
  await ledger?.stop();
  await removeProject(project);
  rmSync(dir, { recursive: true, force: true });
});

test('the twin of attack 41: killed and started again, ledger, bot and executor go on, and nothing is refused', async () => {
  const first = someAction();
  await approve(first, 'PHONE', bot.whole);
  const approved = (await audit.story(first.id)).find(({ kind }) => kind === 'approved');
  assert.ok(pinIn(files.bot).seq >= (approved?.seq ?? 99), 'an answer is kept when its append returns');
  await ended(first);
  await ledger.kill();
  await ledger.restart();
  await executor.kill('SIGKILL');
  await bot.chain.stop();
  [bot] = await Promise.all([openBot(), executor.start()]);
  const second = someAction();
  await approve(second, 'PHONE', bot.whole);
  await ended(second);
  assert.equal(
    executor.log.some(({ msg }) => msg === 'ledger turned back'),
    false,
  );
  assert.deepEqual(await auditLedger(audit, pins()).then(({ ok, off }) => ({ ok, off })), {
    ...{ ok: true, off: undefined },
  });
});

test('attack-41 a whole run and a revocation cut off while all is stopped: neither bot nor executor goes by it', async () => {
  const operator = await ledger.connect('operator');
  const run = someAction();
  await approve(run, 'PHONE', bot.whole);
  await ended(run);
  await operator.append({ kind: 'identity.revoked', body: { user: lost.user, device: lost.device } });
  const all = await kept();
  await stopAll();
  // Seven, or eight where the executor looked at the files that it names before it was approved.
  const [end, first] = [all.length, all.findIndex(({ action }) => action === run.id)];
  await ledger.put([], first);
  assert.equal((await auditLedger(audit)).ok, true, 'by itself it is whole');
  const off = (await auditLedger(audit, pins())).off;
  assert.deepEqual([off?.seq, off?.why.includes(`the last ${end - first} are missing`)], [end, true]);

  // As far as this ledger goes the lost phone approves.
  const forged = someAction();
  await approve(forged, 'LOST');
  const { opening, isOpen } = await startRefused();
  assert.deepEqual([await claims(forged), isOpen()], [0, false]);
  assert.equal(pins().executor.seq, end);

  // With what is theirs put back they go on by themselves, and know the phone for lost.
  await ledger.put(all.slice(first), first);
  bot = await opening;
  await executor.said('ready');
  await assert.rejects(approve(someAction(), 'LOST', bot.whole), { code: 'not_enrolled' });
  const genuine = someAction();
  await approve(genuine, 'PHONE', bot.whole);
  await ended(genuine);
});

test('attack-41 cut off while all runs: noticed, nothing is written or run by it, and what waits goes on with the right one', async () => {
  const all = await kept();
  said.length = 0;
  const born = executor.log.length;
  await ledger.put([], all.length - 7);
  await Promise.all([
    refused(),
    until('the executor says it', () => executor.log.slice(born).some((l) => l.msg === 'ledger turned back')),
  ]);
  assert.match(bot.chain.why(), /does not have entry \d+ as it was seen here.*pocketcoder repin/);
  const before = (await audit.since(0)).length;
  await assert.rejects(bot.whole.append({ kind: 'alarm', body: { reason: 'x' } }), TurnedBack);
  const forged = someAction();
  await approve(forged, 'PHONE');
  assert.equal((await audit.since(0)).length, before + 3);
  await ledger.put(all.slice(-7), all.length - 7);
  await until('the bot has it', () => bot.chain.state() === 'up');
  const genuine = someAction();
  await approve(genuine, 'PHONE', bot.whole);
  await ended(genuine);
  assert.equal(await claims(forged), 0);
});

test('attack-41 one entry told otherwise and all after it chained anew: whole by itself, refused by who saw the other', async () => {
  const all = await kept();
  await stopAll();
  const at = all.findLastIndex(({ kind }) => kind === 'identity.revoked');
  const other: Entry[] = all.slice(0, at);
  for (const entry of all.slice(at)) {
    const body = entry.kind === 'identity.revoked' ? entry.body.replace('LOST', 'OTHER') : entry.body;
    const anew = { ...entry, body, prev: other.at(-1)?.hash ?? '' };
    other.push({ ...anew, hash: sha256(hashed(anew)) });
  }
  assert.ok('size' in verifyChain(other));
  await ledger.put(other.slice(at), at);
  assert.equal((await auditLedger(audit)).ok, true, 'by itself it is whole');
  assert.match(
    (await auditLedger(audit, pins())).off?.why ?? '',
    /another one than the (bot|executor) saw there/,
  );
  const forged = someAction();
  await approve(forged, 'LOST');
  const { isOpen } = await startRefused();
  assert.deepEqual([await claims(forged), isOpen()], [0, false]);

  // Whoever takes it as it is says so by emptying both files, which is what repin does.
  await executor.kill();
  for (const file of Object.values(files)) writeFileSync(file, '');
  const again = openBot();
  await executor.start();
  bot = await again;
  await ended(forged);
  assert.equal(isOpen(), false, 'who saw the other one refuses on');
});
