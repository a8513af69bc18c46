/** The tour as a person takes it: the phone does what it is told, and the room goes on. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { approve, askAndSee, sees } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(async () => {
  await rig?.stop();
});

const told = (): string[] =>
  rig.phone.timeline().flatMap((e) => /(\d) of 5\./.exec(String(e.content['body'] ?? ''))?.[1] ?? []);

test('the tour runs one command, refuses one, stops, and ends; a restart repeats nothing; off is off', async () => {
  const { phone } = rig;
  await sees(phone, '1 of 5');
  await approve(phone, await askAndSee(phone, '!run echo hello'));
  await sees(phone, '2 of 5');
  await rig.bot.kill();
  await rig.bot.start();
  const refused = await askAndSee(phone, '!run echo no');
  await phone.tap(refused.id, '❌');
  await sees(phone, '3 of 5');
  await phone.say('!stop');
  await sees(phone, '4 of 5');
  await approve(phone, await askAndSee(phone, '!run echo poll'));
  await sees(phone, 'Get recovery key');
  assert.deepEqual(told(), ['1', '2', '3', '4', '5']);
  assert.equal((await rig.entries('claimed')).length, 2, 'what was refused never began');

  await phone.say('!tour');
  await phone.until('the tour anew', () => told().length === 6);
  await phone.say('!tour off');
  await sees(phone, 'The tour is over');
  await approve(phone, await askAndSee(phone, '!run echo "$((6 * 7)) after it"'));
  await sees(phone, '42 after it');
  assert.deepEqual(told(), ['1', '2', '3', '4', '5', '1']);
});
