/**
 * The executor: follows the ledger, claims what was approved, runs it once, records how it ended. The ledger is its only
 * source of work. A claim is the latch: whoever's claim the ledger takes runs the action, and nobody else ever does.
 */
import { traits } from '../../ledger/rules/kinds.cjs';
import { isOver } from '../../ledger/rules/lifecycle.cjs';
import { type Entry, LedgerError } from '../../ledger/src/client.ts';
import { type LedgerState, levelOf } from '../../ledger/src/follow.ts';
import { adopt, claimant } from './adopt.ts';
import { placeOf } from './apart.ts';
import { makeBound } from './bound.ts';
import { isInTask } from './calling.ts';
import { claim, makeBook, type Request } from './claim.ts';
import { makeLanes } from './lanes.ts';
import { perform } from './perform.ts';
import { prepare } from './prepare.ts';
import { record } from './record.ts';
import { makeSnapshots } from './snapshots.ts';
import { makeContext, type Parts } from './step.ts';
import { makeTidy } from './tidy.ts';
import { makeUse } from './use.ts';
import { makeWaits } from './waits.ts';

export type Executor = { ready: Promise<void>; stop(): Promise<void> };

/** Milliseconds between two looks for containers that nobody needs; each action's end is followed by one, too. */
const tidyEvery = 60_000;

/**
 * Starts the executor. `ready` resolves when it has caught up with the ledger and taken up again what it had claimed
 * before.
 * @param o.onLedger told whenever the ledger is reached or lost
 */
export function startExecutor(o: Parts & { onLedger?: (state: LedgerState) => void }): Executor {
  const { ledger, tasks, name, log, onLedger } = o;
  const stopping = new AbortController();
  const book = makeBook();
  const c = makeContext({ ledger, tasks, name, log }, book, stopping.signal);
  const snapshots = makeSnapshots(c);
  const bound = makeBound(c);
  const use = makeUse();
  const lanes = makeLanes();
  const tidy = makeTidy(c, use, lanes.busy);
  const waits = makeWaits(c, (id) => inLane(id, carryOut));
  /** What this process claims or has claimed. Another claim in its name is one of a process before it, which reached the ledger late. */
  const claiming = new Set<string>();
  let tidying: NodeJS.Timeout | undefined;
  let caughtUp = false;
  let frozenAt = 0; // number of the last freeze

  const mine = (id: string) => claimant(book.story(id)) === name;

  function inLane(id: string, work: (id: string) => Promise<void>): void {
    const { action } = book.request(id);
    // What leaves by git is in a container of its own.
    const lane = traits(action.kind).beside ? id : placeOf(action).task;
    const leave = (error: unknown) => {
      if (stopping.signal.aborted) return;
      const level = error instanceof LedgerError ? 'warn' : 'error'; // the ledger may have heard of something first
      log[level]({ action: id, err: error }, 'action left as it stands');
    };
    lanes
      .add(lane, () => work(id).catch(leave))
      .then(() => {
        use.seen(action, Date.now());
        void tidy();
      });
  }

  async function execute(id: string): Promise<void> {
    if (!c.decided(id)) return;
    const request = book.request(id);
    const prepared = await prepare(c, request);
    try {
      prepared.missing ||= await snapshots.begin(request);
      prepared.missing ||= await bound.changed(request);
      if (!c.decided(id)) return;
      claiming.add(id);
      const claimed = await claim(c, id).catch((error: unknown) => {
        claiming.delete(id);
        throw error;
      });
      if (!('refused' in claimed)) {
        log.info({ action: id, number: request.number }, 'claimed');
        const outcome = await perform(c, claimed, prepared, snapshots);
        await bound.ended(claimed);
        return await record(c, claimed, outcome, await snapshots.changes(claimed));
      }
      claiming.delete(id);
      if (claimed.refused === 'grace') return waits.again(id);
      log.warn({ action: id, code: claimed.refused }, 'not claimed; not run');
    } finally {
      snapshots.end(request);
    }
  }

  const carryOut = (id: string): Promise<void> =>
    execute(id).catch((error: unknown) => {
      if (isLate(id)) takeUpOne(id);
      throw error;
    });
  const isLate = (id: string) => mine(id) && !claiming.has(id);

  /** A container and a snapshot before they are needed, so that a tap finds them there. What runs apart has its container for its run alone. */
  function warm(id: string): void {
    const request = book.request(id);
    const missed = (error: unknown) => log.warn({ action: id, err: error }, 'no container yet');
    if (request.action.class === 'control') return;
    if (isInTask(request.action)) tasks.warm(placeOf(request.action)).catch(missed);
    void snapshots.before(request);
  }

  function stop(id: string): void {
    const missed = (error: unknown) => log.warn({ action: id, err: error }, 'not stopped');
    tasks.kill(placeOf(book.request(id).action), id).catch(missed);
  }

  /** A freeze ends what this executor runs, whoever asked for it. */
  function freeze(seq: number): void {
    frozenAt = seq;
    if (caughtUp) book.open().filter(mine).forEach(stop);
  }

  /** Ends leases of the network and terminals, which go on for hours where a script has minutes. */
  function closeWays(): void {
    const isOne = ({ action }: Request) => action.class === 'network' || Boolean(traits(action.kind).lasts);
    if (caughtUp) for (const id of book.open().filter(mine)) if (isOne(book.request(id))) stop(id);
  }

  function act(id: string, kind: string): void {
    if (kind === 'requested') void bound.say(book.request(id));
    else if (kind === 'posted') warm(id);
    else if (kind === 'approved' || kind === 'leased') waits.answered(id);
    else if (kind === 'stop') stop(id);
    else waits.over(id);
    if (kind === 'claimed' && isLate(id)) takeUpOne(id);
  }

  function take(entry: Entry): boolean {
    const { seq, at, kind, action } = entry;
    const [requested] = kind === 'succeeded' ? book.story(action) : [];
    const broken = book.add(entry);
    if (isOver(kind)) claiming.delete(action);
    if (broken) {
      log.fatal({ seq, why: broken }, 'the ledger holds an entry that it had to refuse: nothing is claimed');
      const reason = `entry ${seq} refused by the executor, which claims nothing any more: ${broken}`;
      c.write({ kind: 'alarm', body: { reason } }).catch(() => {}); // a ledger like that may refuse it
    }
    try {
      if (requested && !broken) c.tips.take(requested, entry);
      if (broken || book.lostAt() === seq) closeWays(); // also a device or a role that is taken back
      if (kind === 'frozen') freeze(seq);
      if (kind === 'requested') use.seen(book.request(action).action, Date.parse(at));
      if (caughtUp && action) act(action, kind);
      if (caughtUp && isOver(kind)) void tidy();
    } catch (error) {
      log.error({ action, err: error }, 'entry left aside'); // the chain goes on
    }
    return book.holds();
  }

  function takeUpOne(id: string): void {
    const request = book.request(id);
    snapshots.goesOn(request);
    inLane(id, () => adopt(c, request, frozenAt, snapshots.changes).finally(() => snapshots.end(request)));
  }

  function takeUp(): void {
    caughtUp = true;
    for (const id of book.open()) {
      const last = book.story(id).at(-1);
      if (mine(id)) takeUpOne(id);
      else if (last && !claimant(book.story(id))) act(id, last.kind);
    }
    tidying = setInterval(tidy, tidyEvery).unref();
    void tidy();
  }

  const following = ledger.follow({
    onEntry: take,
    onState(state, why) {
      log[levelOf[state]]({ why }, `ledger ${state}`);
      onLedger?.(state);
    },
  });

  return {
    ready: following.ready.then(takeUp),
    async stop() {
      stopping.abort();
      clearInterval(tidying);
      waits.stop();
      await following.stop();
      tasks.close();
      await Promise.all([lanes.done(), tidy()]);
    },
  };
}
