/** A ledger that was restarted reads old leases no more: it has to judge as if it had been there all the time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Action, digestOf, makeAction } from '../../ledger/src/action.ts';
import { LedgerError } from '../../ledger/src/client.ts';
import { startLedger } from '../harness/ledger.ts';
import {
  aPolicy,
  controlWay,
  enrol,
  memoryLedger,
  putAll,
  someAction,
  type Wanted,
} from '../harness/ledger-chain.ts';

const day = 86_400_000;
const policy = aPolicy({ decide_within: 600, execute_within: 600 });
const { kind, args, workspace, task } = someAction() as Action<'bash'>;
const act = { kind, args };
/** What is asked for here: the very act that each lease covers. */
const asked = () => makeAction({ ...act, workspace, task, requester: 'brain' }, policy);
const lease = (days: number) =>
  makeAction(
    {
      kind: 'lease',
      args: { acts: [act], uses: 5, seconds: days * 86_400 },
      ...{ workspace, task, requester: '@owner:home' },
    },
    aPolicy({ grade: 'signed', mode: 'ask', decide_within: 600, execute_within: 600 }),
  );

test('after a restart leases that ran out or were ended are over, however the clock went, and those that stand count on', async (t) => {
  const chain = memoryLedger();
  const now = Date.now();
  const put = (...all: Parameters<typeof putAll>[1]) => assert.equal(putAll(chain.put, all), '');
  const use = (of: Action, n: number): Wanted[] => {
    const action = asked();
    const body = { digest: digestOf(action), lease: of.id, use: n };
    return [
      { author: 'bot', kind: 'requested', action: action.id, body: action },
      { author: 'bot', kind: 'leased', action: action.id, body },
    ];
  };
  const [old, ended, standing] = [lease(7), lease(7), lease(7)];
  chain.clock.now = now - 40 * day;
  put({ author: 'operator', kind: 'policy.set', body: { policy: aPolicy() } }, enrol, ...controlWay(old));
  chain.clock.now = now - 2 * day;
  put(...controlWay(ended), ...controlWay(standing));
  // The clock is wrong for one entry: what ends a lease counts wherever it stands in time.
  chain.clock.now = now - 39 * day;
  put({ author: 'bot', kind: 'lease.ended', body: { lease: ended.id } });
  chain.clock.now = now - day;
  put(...use(standing, 1));

  const ledger = await startLedger();
  t.after(() => ledger.stop());
  await ledger.put(chain.entries);
  const bot = await ledger.connect('bot');
  const leased = async (of: Action, n: number): Promise<string> => {
    try {
      for (const { author: _, ...entry } of use(of, n)) await bot.append(entry);
      return 'written';
    } catch (error) {
      return error instanceof LedgerError ? error.code : assert.fail(String(error));
    }
  };
  assert.equal(await leased(old, 1), 'lease_over', 'its time is over');
  assert.equal(await leased(ended, 1), 'lease_over', 'ended by a clock that was wrong');
  assert.equal(await leased(standing, 1), 'count', 'used once already');
  assert.equal(await leased(standing, 2), 'written');
});
