/** A running system whose ledger is taken back under it, as its owner's phone sees it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { approve, askAndSee, hears, sees } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(() => rig?.stop());

test('attack-41 a run cut off while all runs: the room is told, a tap waits, and runs once the right ledger is back', async () => {
  const { phone, ledger, audit } = rig;
  await approve(phone, await askAndSee(phone, '!run echo "$((6 * 7)) before"'));
  await sees(phone, '42 before');
  const card = await askAndSee(phone, '!run echo "$((6 * 7)) waited"');
  const all = await audit.since(0);
  const waits = all.at(-1);
  assert.equal(waits?.kind, 'posted');
  await ledger.put([], all.length - 7);
  await sees(phone, 'The ledger was turned back');
  await rig.executor.said('ledger turned back');
  await hears(phone, '!status', `does not have entry ${all.length} as it was seen here`);
  await approve(phone, card);
  await rig.bot.said('an event waits to be handled');
  assert.equal((await audit.since(0)).length, all.length - 7);
  await ledger.put(all.slice(-7));
  await sees(phone, '42 waited');
  const story = await rig.storyOf(waits.action);
  assert.equal(story.filter((kind) => kind === 'claimed').length, 1);
});

test('the twin: whoever takes a shorter ledger as it is empties both files, and the same phone goes on', async () => {
  const { phone, ledger, audit, bot, executor } = rig;
  await Promise.all([bot.kill('SIGTERM'), executor.kill('SIGTERM')]);
  const first = (await audit.since(0)).findIndex(({ kind }) => kind === 'requested');
  await ledger.put([], first);
  for (const file of Object.values(rig.pins)) writeFileSync(file, '');
  await Promise.all([bot.start(), executor.start()]);
  await approve(phone, await askAndSee(phone, '!run echo "$((6 * 7)) anew"'));
  await sees(phone, '42 anew');
});
