/** Large outputs, several at once: nobody ends of them, and what a phone can take comes whole. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Entry } from '../../ledger/src/client.ts';
import { approve, askAndSee, endsWith, fileOf, numberOf, sees } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';

/** MiB that a service may ever hold; their containers have 768 and twice 512 (docker-compose.yml). */
const most = { bot: 400, executor: 350, ledger: 350 };
const whole = 64 * 2 ** 20;

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(async () => {
  await rig?.stop();
});

const results = async (): Promise<Entry[]> => {
  const ended = await Promise.all(['succeeded', 'failed', 'killed', 'unknown'].map(rig.entries));
  return ended.flat();
};

/** The most memory that each has held, none of them too much. */
async function peaks(): Promise<Record<keyof typeof most, number>> {
  const { stdout } = await rig.ledger.inside('cat', '/proc/1/status');
  const ledger = Number(/^VmHWM:\s+(\d+) kB$/m.exec(stdout)?.[1]) / 1024;
  const seen = { bot: rig.bot.peak(), executor: rig.executor.peak(), ledger };
  for (const part of ['bot', 'executor', 'ledger'] as const)
    assert.ok(seen[part] < most[part], JSON.stringify(seen));
  return seen;
}

/** Has two tasks write 64 MiB each at the same time. @returns the numbers of their cards */
async function both(gate: string): Promise<number[]> {
  const large = `head -c ${whole} /dev/zero | tr '\\0' a`;
  const first = await askAndSee(rig.phone, `!run until [ -e ${gate} ]; do sleep 0.05; done; ${large}`);
  await approve(rig.phone, first);
  await until('the first to run', async () => (await rig.claims()) > (await results()).length);
  await rig.phone.say('!new');
  const second = await askAndSee(rig.phone, `!run touch ${gate}; ${large}`);
  await approve(rig.phone, second);
  return [first, second].map(numberOf);
}

test('attack-54 two outputs of 64 MiB at once end neither executor nor bot, nor does starting again among them', async () => {
  for (const number of await both('one'))
    await sees(rig.phone, `The whole output of #${number} is 64.0 MiB`, 120);
  const ends = await results();
  assert.deepEqual(ends.map((e) => e.kind).sort(), ['succeeded', 'succeeded']);
  for (const entry of ends) {
    const { bytes } = JSON.parse(entry.body) as { bytes: number };
    let read = 0;
    for await (const piece of rig.audit.transcript(entry)) read += piece.length;
    assert.deepEqual([read, bytes], [whole, whole]);
  }
  const before = await peaks();

  // Both are over in their containers, and the executor has to begin with them.
  const again = await both('two');
  // One that was claimed and not begun would never be: it is unknown, and the other one waits for it.
  await until('both to run', () => rig.executor.log.filter(({ msg }) => msg === 'first byte').length > 2);
  await rig.executor.kill();
  await rig.executor.start();
  await rig.bot.kill();
  await rig.bot.start();
  for (const number of again) await sees(rig.phone, `The whole output of #${number} is 64.0 MiB`, 120);
  assert.equal((await results()).length, 4);
  process.stdout.write(`# peaks in MiB: ${JSON.stringify([before, await peaks()])}\n`);

  // The genuine twin: what a phone can take comes whole.
  const card = await askAndSee(rig.phone, '!run seq 1000000');
  await approve(rig.phone, card);
  await endsWith(rig.phone, card, 'exit 0');
  const file = await fileOf(rig.phone, rig.homeserver.url, `output-${numberOf(card)}.txt`);
  assert.equal(file.toString(), Array.from({ length: 1_000_000 }, (_, i) => `${i + 1}\n`).join(''));
});
