/** Races, crashes and clocks against a real ledger. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { digestOf, newId } from '../../ledger/src/action.ts';
import { type Entry, type Ledger, LedgerError } from '../../ledger/src/client.ts';
import { startLedger, type TestLedger } from '../harness/ledger.ts';
import { enrol, someAction, type Wanted, wayOf } from '../harness/ledger-chain.ts';
import { until } from '../harness/wait.ts';

let ledger: TestLedger;
let bot: Ledger;
let executor: Ledger;
before(async () => {
  ledger = await startLedger();
  bot = await ledger.connect('bot');
  executor = await ledger.connect('executor');
  const { author: _, ...entry } = enrol;
  await (await ledger.connect('operator')).append(entry);
});
after(() => ledger?.stop());

const write = ({ author, ...entry }: Wanted) => (author === 'bot' ? bot : executor).append(entry);
const codeOf = (error: unknown) => (error instanceof LedgerError ? error.code : String(error));

test('of claims that race, one wins each action', async () => {
  const rivals = await Promise.all([1, 2, 3, 4].map(() => ledger.connect('executor')));
  const actions = Array.from({ length: 100 }, () => someAction());
  for (const action of actions) for (const entry of wayOf(action).slice(0, 3)) await write(entry);
  const outcomes = await Promise.all(
    actions.flatMap((action) =>
      rivals.map((rival, i) =>
        rival
          .append({
            kind: 'claimed',
            action: action.id,
            body: { digest: digestOf(action), executor: String(i) },
          })
          .then(() => 'won', codeOf),
      ),
    ),
  );
  assert.equal(outcomes.filter((o) => o === 'won').length, actions.length);
  assert.deepEqual(new Set(outcomes), new Set(['won', 'lifecycle']));
});

test('no machine of the hook judges by an old state, nor by what was refused or rolled back', async () => {
  const operator = await ledger.connect('operator');
  const ways = Array.from({ length: 40 }, () => wayOf(someAction()));
  const together = async (kind: string, of: typeof ways) => {
    const entries = of.flatMap((way) => way.filter((wanted) => wanted.kind === kind));
    return new Set(await Promise.all(entries.map((entry) => write(entry).then(() => 'written', codeOf))));
  };
  for (const kind of ['requested', 'posted', 'approved'])
    assert.deepEqual(await together(kind, ways), new Set(['written']));
  const { id } = await bot.append({ kind: 'alarm', body: { reason: 'its id' } });
  await assert.rejects(operator.append({ id, kind: 'frozen', body: {} }), { code: 'id_taken' });
  await assert.rejects(executor.append({ kind: 'frozen', body: {} }), { code: 'not_allowed' });
  assert.deepEqual(await together('claimed', ways.slice(0, 20)), new Set(['written']));
  await operator.append({ kind: 'frozen', body: {} });
  assert.deepEqual(await together('claimed', ways.slice(20)), new Set(['frozen']));
  await operator.append({ kind: 'thawed', body: {} });
  assert.deepEqual(await together('claimed', ways.slice(20)), new Set(['frozen']), 'from before the freeze');
  const after = [wayOf(someAction())];
  for (const kind of ['requested', 'posted', 'approved', 'claimed'])
    assert.deepEqual(await together(kind, after), new Set(['written']));
});

test('the same id is the same entry, and another entry under it is refused', async () => {
  const entry = { id: newId(), kind: 'alarm', body: { reason: 'once' } };
  const all = await Promise.all(Array.from({ length: 5 }, () => bot.append(entry)));
  assert.equal(new Set(all.map((e) => e.seq)).size, 1);
  await assert.rejects(bot.append({ ...entry, body: { reason: 'other' } }), { code: 'id_taken' });
});

test('a late approval is refused by the ledger’s own clock', async () => {
  const late = someAction({ decide_within: 1 });
  const [requested, posted, approved] = wayOf(late);
  assert.ok(requested && posted && approved);
  const { at } = await write(requested);
  await write(posted);
  await until('its time is over', () => Date.now() > Date.parse(at) + 1500);
  await assert.rejects(write(approved), { code: 'late' });
  await write({
    author: 'bot',
    kind: 'expired',
    action: late.id,
    body: { digest: digestOf(late), reason: 'late' },
  });
});

test('kill -9 under load loses nothing that was acknowledged, doubles nothing, and followers get all in order', async () => {
  const seen: Entry[] = [];
  const states: string[] = [];
  const follower = await ledger.connect('auditor');
  const following = follower.follow({
    onEntry: (entry) => void seen.push(entry),
    onState: (state) => states.push(state),
  });
  await following.ready;

  let writing = true;
  const acknowledged: Entry[] = [];
  const tried = new Set<string>();
  const writers = Array.from({ length: 8 }, async () => {
    while (writing) {
      const entry = { id: newId(), kind: 'alarm', body: { reason: 'load' } };
      tried.add(entry.id);
      acknowledged.push(await bot.append(entry));
    }
  });
  for (let i = 1; i <= 3; i++) {
    const goal = acknowledged.length + 100;
    await until('entries are written', () => acknowledged.length >= goal);
    await ledger.kill();
    await until('the follower notices', () => states.at(-1) === 'down');
    await ledger.restart();
    await until('the follower is back', () => states.at(-1) === 'up');
  }
  writing = false;
  await Promise.all(writers);

  const all = await follower.since(0);
  const load = all.filter((e) => tried.has(e.id));
  // Each writer went on only after its entry was confirmed, so every id that was tried is there, once.
  assert.equal(load.length, tried.size);
  assert.equal(acknowledged.length, tried.size);
  assert.deepEqual(
    new Set(load.map((e) => `${e.id} ${e.hash}`)),
    new Set(acknowledged.map((e) => `${e.id} ${e.hash}`)),
  );
  await until('the follower has all', () => seen.length >= all.length);
  assert.deepEqual(seen, all);
  assert.equal(states.filter((state) => state === 'up').length, 4, states.join());
  await following.stop();
  const report = await auditLedger(follower);
  assert.equal(report.ok, true, JSON.stringify(report.off));
});

test('an entry whose taker failed comes again', async () => {
  const all = await bot.since(0);
  const tries: number[] = [];
  const following = bot.follow({
    onEntry: (e) => {
      tries.push(e.seq);
      if (tries.length === 2) throw new Error('the disk was full');
    },
  });
  await following.ready;
  await following.stop();
  assert.deepEqual(tries.slice(0, 4), [1, 2, 2, 3]);
  assert.equal(tries.length, all.length + 1);
});

test('a wrong password and a ledger that is not there are told apart', async () => {
  const { connectLedger } = await import('../../ledger/src/client.ts');
  const wrong = { url: ledger.url, identity: 'bot' as const, password: 'not the password' };
  await assert.rejects(connectLedger(wrong), { code: 'unauthorized' });
});
