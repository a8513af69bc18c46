/** `!audit`: says that the ledger is whole, holds it to the words of a message, and names what is off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandContext } from '../../bot/src/room/commands/command.ts';
import { runCommand } from '../../bot/src/room/commands/table.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { enrol, memoryLedger, someAction, wayOf } from '../harness/ledger-chain.ts';

function chain(): Entry[] {
  const { entries, put } = memoryLedger();
  for (const wanted of [enrol, ...wayOf(someAction())]) assert.equal(put(wanted), '');
  return entries;
}
function ledgerOf(entries: readonly Entry[]) {
  return {
    async *each(after: number) {
      yield* entries.filter(({ seq }) => seq > after);
    },
  };
}
const says = (line: string, entries: readonly Entry[], ledger = ledgerOf(entries)): Promise<string> =>
  runCommand(line, { role: 'asks', ledger } as unknown as CommandContext);
const markOf = ({ seq, hash }: Entry) => `${seq} ${hash.slice(0, 12)}`;

test('!audit judges the whole ledger, and says its head and how to hold it to a message', async () => {
  const entries = chain();
  const text = await says('!audit', entries);
  assert.match(
    text,
    /^⛓ The ledger is whole: 7 entries, the stories of 1 actions and the bytes of 1 results hold\./,
  );
  assert.match(text, /say !audit with what stands behind the ⛓ of a message/);
  assert.ok(text.endsWith(`⛓ 7 ${entries[6]?.hash}`));
});

test('attack-41 a ledger that was cut or written anew is told from what a message on the phone says; the twin is the one', async () => {
  const entries = chain();
  const [last] = entries.slice(-1) as [Entry];
  assert.match(
    await says(`!audit ${markOf(last)}`, entries),
    /^⛓ The ledger is whole[\s\S]*Entry 7 is the one/,
  );
  for (const copied of [`⛓ ${markOf(last)}.`, `⛓\uFE0F ${markOf(last)}`, markOf(last).toUpperCase()])
    assert.match(await says(`!audit ${copied}`, entries), /Entry 7 is the one/, 'as it was copied');
  const cut = await says(`!audit ${markOf(last)}`, entries.slice(0, -1));
  assert.match(
    cut,
    /^⚠️ Of entry 7 .*the message saw it, but the chain ends at 6: the last 1 are missing.*digit by digit.*!freeze/,
  );
  const anew = await says(`!audit ${markOf(last)}`, chain());
  assert.match(anew, /^⚠️ Of entry 7 .*it is another one than the message saw there/);
});

test('one audit at a time: whoever asks meanwhile is told, and the next one is begun once it is over', async () => {
  const entries = chain();
  const ledger = ledgerOf(entries);
  const both = await Promise.all([says('!audit', entries, ledger), says('!audit', entries, ledger)]);
  assert.match(both[0], /^⛓ The ledger is whole/);
  assert.match(both[1], /is being audited, and nothing more was begun/);
  assert.match(await says('!audit', entries, ledger), /^⛓ The ledger is whole/);
});

test('an entry that was changed is named; words that are no mark have nothing audited', async () => {
  const entries = chain().map((e) => (e.seq === 3 ? { ...e, body: e.body.replace('$card', '$cart') } : e));
  assert.match(await says('!audit', entries), /^⚠️ The ledger is not as it was written: entry 3 \(posted\): /);
  for (const words of ['7', '7 84c8cb97', '0 84c8cb97e9e1', '7 84c8cb97e9e1 more'])
    assert.match(await says(`!audit ${words}`, chain()), /^Nothing was audited/, words);
});
