/** When containers are looked through: never twice at once, and once more where something was over meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import type { Context } from '../../sandbox/src/step.ts';
import { makeTidy } from '../../sandbox/src/tidy.ts';
import { makeUse } from '../../sandbox/src/use.ts';

type Named = { task: string; workspace: string };
const [old, next] = ['old', 'next'].map((task) => ({ task, workspace: 'w' })) as [Named, Named];

/** A task that is idle and one that is not; what is open of the first is over by the look with that number. */
function scene(overBy: number, fails: (look: number) => boolean = () => false, declines = false) {
  const stopping = new AbortController();
  const use = makeUse();
  use.seen(old, 1);
  use.seen(next, Date.now());
  const retired: string[] = [];
  const unuseds: (() => boolean)[] = [];
  let looks = 0;
  const c = {
    signal: stopping.signal,
    log: pino({ level: 'silent' }),
    book: { open: () => (looks < overBy ? ['a'] : []), request: () => ({ action: old }) },
    tasks: {
      async standing() {
        looks++;
        if (fails(looks)) throw new Error('the engine is away');
        return [old, next];
      },
      async retire({ task }: Named, outputs: boolean) {
        retired.push(`${task} ${outputs}`);
        return !declines;
      },
      endCopy: async (_: Named, unused: () => boolean) => void unuseds.push(unused),
    },
  } as unknown as Context;
  const tidy = makeTidy(c, use, () => false);
  return { tidy, use, unuseds, retired, looks: () => looks, stop: () => stopping.abort() };
}

test('what is over while a look goes on is seen by one more, and by no third', async () => {
  const s = scene(2);
  await Promise.all([s.tidy(), s.tidy(), s.tidy()]);
  assert.deepEqual([s.looks(), s.retired], [2, ['old true']]);
});

test('what is still open is kept until the next time', async () => {
  const s = scene(2);
  await s.tidy();
  assert.deepEqual(s.retired, []);
  await s.tidy();
  assert.deepEqual([s.looks(), s.retired], [2, ['old true']]);
});

test('a look that fails keeps no later one from its work, and none begins once the executor stops', async () => {
  const s = scene(1, (look) => look === 1);
  await s.tidy();
  assert.deepEqual(s.retired, []);
  await s.tidy();
  assert.deepEqual(s.retired, ['old true']);
  s.stop();
  await s.tidy();
  assert.equal(s.looks(), 2);
});

test('a copy is asked to end once its container is away, and only as long as nothing of its task has begun since', async () => {
  const s = scene(1);
  await s.tidy();
  assert.deepEqual(
    s.unuseds.map((unused) => unused()),
    [true],
  );
  s.use.seen(old, Date.now());
  assert.equal(s.unuseds[0]?.(), false);
  const declined = scene(1, undefined, true);
  await declined.tidy();
  assert.deepEqual([declined.retired, declined.unuseds], [['old true'], []]);
});
