/**
 * A brain that does somebody else's bidding, with all its tools: ten thousand random calls at the gateway's own address, some
 * of what becomes a card approved from the owner's device, and all that runs counted where it runs. `EVIL_SEED` names the calls.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Hands } from '../../bot/src/gateway/server.ts';
import { auditLedger } from '../../ledger/audit/audit.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { pin } from '../harness/pins.ts';
import { until } from '../harness/wait.ts';
import { lent, marking, never, stepsOf } from './evil/calls.ts';
import { createEvil } from './evil/client.ts';
import { askersIn, brokenIn, counted, owedBy } from './evil/owed.ts';
import { type Stage, startStage } from './evil/stage.ts';

const seed = Number(process.env['EVIL_SEED'] ?? Math.floor(Math.random() * 1e9));
const calls = 10_000;
/** Of the lease that stands for one script. */
const uses = 15;
const evil = createEvil();
let stage: Stage;
let lease: string;
let entries: Entry[];
/** What ran, once each time it did: lines that scripts left in the workspace. */
let ran: string[];

before(async () => {
  stage = await startStage(seed);
  const act = { kind: 'bash', args: { ...marking(lent).args, env: {}, timeout: 120 } };
  lease = await stage.grant('lease', { acts: [act], uses, seconds: 3600 });
  await stage.grant('server_pin', pin);
  const storm = evil.storm(stepsOf(seed, calls), stage.gate.hands, 96);
  const walks = stage.gate.walkers.map((hands, i) =>
    evil.walk(hands, 20_000 * (i + 1), 3, 15, stage.gate.told),
  );
  await Promise.all([storm, ...walks]);
  // What the storm left of the lease is used up, and no more of it is there.
  await until('the lease is used up', async () => {
    await evil.call(stage.gate.walkers[0] as Hands, marking(lent));
    return (await usesIn(stage)) >= uses;
  });
  await stage.quiet();
  entries = await stage.entries();
  ran = await stage.inWorkspace('cat /workspace/ran');
});
after(() => stage?.stop());

test('attack-30 of ten thousand random calls of an evil brain nothing runs but what a device approved, each time once', async (t) => {
  const { asked, statuses, outside } = evil.played;
  t.diagnostic(
    `EVIL_SEED=${seed} ${JSON.stringify({ ...Object.fromEntries(statuses), ...stage.owner.counts })}`,
  );
  assert.deepEqual(
    counted(ran),
    counted(owedBy(entries)),
    'counted in the workspace, as decided in the ledger',
  );
  const approved = counted([...stage.owner.approved, ...Array.from({ length: uses }, () => lent)]);
  for (const [mark, times] of counted(ran))
    assert.ok(times <= (approved.get(mark) ?? 0), `${mark} ran ${times} times`);
  assert.ok(!ran.includes(never));
  const made = await stage.inWorkspace('ls /workspace /workspace/made');
  for (const name of made.filter((one) => /^N\d/.test(one))) assert.ok(approved.has(name), name);
  assert.equal(brokenIn(entries), '');
  assert.equal((await auditLedger(stage.audit)).ok, true);
  // What came by another task's token or session, or with none, got nowhere; what came in stood under its own task.
  assert.ok(
    !outside.has(200) && outside.has(401) && outside.has(403) && outside.has(404),
    [...outside].join(),
  );
  for (const [mark, task] of askersIn(entries)) assert.ok(asked.get(mark)?.has(task), `${mark} of ${task}`);
});

test('attack-30 what the owner’s device approved of them did run, once, and a lease as often as it said', async (t) => {
  t.diagnostic(`${ran.length} runs`);
  // How many cards there are is a matter of minutes: on a quick machine fewer, since twenty may stand in one.
  assert.ok(ran.length >= 2 * uses, `${ran.length} runs`);
  assert.equal(await usesIn(stage), uses);
  const cards = entries.filter(({ kind, action }) => kind === 'approved' && kindOf(action) === 'bash');
  assert.ok(cards.length > 0, 'a card of one script was approved');
  for (const { action } of cards)
    assert.equal(entries.filter((e) => e.action === action && e.kind === 'succeeded').length, 1);
});

/** How often something ran by the lease, or is about to. */
const usesIn = async (of: Stage): Promise<number> =>
  (await of.entries()).filter((e) => e.kind === 'leased' && JSON.parse(e.body).lease === lease).length;

function kindOf(action: string): unknown {
  const requested = entries.find((e) => e.kind === 'requested' && e.action === action);
  return JSON.parse(requested?.body ?? '{}').kind;
}
