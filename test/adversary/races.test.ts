/** Two executors and one ledger, and executors that crash: the claim is the latch. All but the engine beneath them is real. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeTrack, race, startRace, unfair } from '../chaos/races.ts';
import type { TestLedger } from '../harness/ledger.ts';
import { until } from '../harness/wait.ts';

let server: TestLedger;
before(async () => {
  server = await startRace();
});
after(async () => {
  await server?.stop();
});

test('attack-42 two executors race for each of 100 approved actions, and one of them crashes now and then: one claim each, and no second run', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const raced = await race(server, 100, seed);
  assert.deepEqual(unfair(raced), [], `seed ${seed}`);
  assert.equal(raced.actions.length, 100);
  assert.ok(raced.refused > 0, 'they did race');
  const well = raced.actions.filter(({ kinds }) => kinds.at(-1) === 'succeeded');
  assert.ok(well.length > 50, 'the twin: what no crash met succeeded');
});

test('attack-42 an executor that crashes after its claim does not run it again when it is back: what ran on is told, what has no trace is unknown', async () => {
  const track = await makeTrack(server);
  const end = Promise.withResolvers<void>();
  track.engine.takes = () => end.promise;
  const ran = await track.ask('crashed');
  const first = await track.begin('three', 'running');
  await track.approve(ran);
  await until('it runs', async () => (await track.kinds(ran.id)).includes('running'));
  first.crash();
  const second = await track.begin('three');
  end.resolve();
  assert.equal(await track.over(ran.id), 'succeeded');
  assert.equal(track.engine.runs.get(ran.id), 1);
  second.crash();

  const third = await track.begin('three', 'claimed');
  const claimed = await track.ask('crashed');
  await track.approve(claimed);
  await until('it is claimed', async () => (await track.kinds(claimed.id)).includes('claimed'));
  third.crash();
  await track.begin('three');
  assert.equal(await track.over(claimed.id), 'unknown');
  assert.equal(track.engine.runs.get(claimed.id), undefined);

  const twin = await track.ask('crashed');
  await track.approve(twin);
  assert.equal(await track.over(twin.id), 'succeeded');
  assert.equal(track.engine.runs.get(twin.id), 1);
  await track.stop();
});
