/**
 * The executor: follows the ledger, claims what was approved, runs it once, records how it ended. The ledger is its only
 * source of work. A claim is the latch: whoever's claim the ledger takes runs the action, and nobody else ever does.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { readsOf } from '../../ledger/rules/answers.cjs';
import { mostSent, newId, sha256 } from '../../ledger/src/action.ts';
import { type Append, type Entry, type Ledger, LedgerError } from '../../ledger/src/client.ts';
import { isPassing } from '../../ledger/src/errors.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { wholeOf } from '../../ledger/src/transcript.ts';
import { makeBook } from './book.ts';
import { SandboxError, type TaskName } from './container.ts';
import { resultOf } from './result.ts';
import { type Script, ScriptError, scriptOf, timeoutOf } from './script.ts';
import type { Outcome, Tasks } from './tasks.ts';
import { makeUse } from './use.ts';

export type Executor = { ready: Promise<void>; stop(): Promise<void> };

/**
 * Starts the executor. `ready` resolves when it has caught up with the ledger and taken up again what it had claimed
 * before.
 * @param o.name the same after a restart: claims under this name are its own
 * @param o.onLedger told whenever the ledger is reached or lost
 */
export function startExecutor(o: {
  ledger: Ledger;
  tasks: Tasks;
  name: string;
  log: Logger;
  onLedger?: (state: 'up' | 'down') => void;
}): Executor {
  const { ledger, tasks, name, log } = o;
  const book = makeBook();
  const lanes = new Map<string, Promise<void>>();
  const timers = new Map<string, NodeJS.Timeout>();
  const graces = new Map<string, NodeJS.Timeout>();
  const use = makeUse();
  let caughtUp = false;
  let frozenAt = 0; // number of the last freeze
  let stopping = false;

  const placeOf = (id: string): TaskName => {
    const { task, workspace } = book.request(id).action;
    return { task, workspace };
  };

  /** Appends until the ledger has answered; the same id makes it one entry however often it is sent. */
  async function insist(entry: Append): Promise<Entry> {
    const once = { ...entry, id: newId() };
    for (let wait = 100; ; wait = Math.min(2 * wait, 5000)) {
      try {
        return await ledger.append(once);
      } catch (error) {
        if (!isPassing(error) || stopping) throw error;
        log.warn({ kind: entry.kind, action: entry.action, err: error }, 'not recorded yet; trying again');
        await pause(wait);
      }
    }
  }

  let tidying = false;
  /** Takes away the containers that nobody needs any more. */
  async function tidy(): Promise<void> {
    if (tidying || !caughtUp || stopping) return;
    tidying = true;
    try {
      for (const name of await tasks.standing()) {
        const busy = lanes.has(name.task) || book.open().some((id) => placeOf(id).task === name.task);
        const state = use.of(name, busy, Date.now());
        if (state === 'kept') continue;
        await tasks.retire(name, state === 'ended');
        log.info({ task: name.task, state }, 'its container was taken away');
      }
    } catch (error) {
      log.warn({ err: error }, 'containers that nobody needs may stand'); // until the next time
    } finally {
      tidying = false;
    }
  }
  const tidies = setInterval(() => void tidy(), 60_000).unref();

  /** Actions of a task run one after the other, in the order of their approvals. */
  function inLane(id: string, work: () => Promise<void>): void {
    const place = placeOf(id);
    const { task } = place;
    const next = (lanes.get(task) ?? Promise.resolve()).then(work).catch((error: unknown) => {
      if (!stopping) log.error({ action: id, err: error }, 'action left as it stands');
    });
    lanes.set(task, next);
    next.finally(() => {
      if (lanes.get(task) === next) lanes.delete(task);
      use.seen(place, Date.now());
      void tidy();
    });
  }

  /** A container before it is needed, so that a tap finds it running. */
  function warm(id: string): void {
    tasks
      .warm(placeOf(id))
      .catch((error: unknown) => log.warn({ action: id, err: error }, 'no container yet'));
  }

  /** Waits for a container while the action may still be claimed; '' when there is one, else why there never will be. */
  async function container(id: string): Promise<string> {
    for (let wait = 200; ; wait = Math.min(2 * wait, 5000)) {
      try {
        await tasks.warm(placeOf(id));
        return '';
      } catch (error) {
        if (error instanceof SandboxError) return error.message;
        if (stopping || !isDecided(book.state(id))) throw error;
        log.warn({ action: id, err: error }, 'no container; trying again until its time is over');
        await pause(wait);
      }
    }
  }

  /** The bytes that came with the request of a file to add; held against its action before anything is run. */
  async function sent(id: string): Promise<Uint8Array | undefined> {
    const { action } = book.request(id);
    const [requested] = book.story(id);
    if (action.kind !== 'put_file' || !requested?.transcript || action.args.size > mostSent) return undefined;
    for (let wait = 200; ; wait = Math.min(2 * wait, 5000)) {
      try {
        return await wholeOf(ledger.transcript(requested), action.args.size);
      } catch (error) {
        if (!isPassing(error)) return undefined;
        if (stopping || !isDecided(book.state(id))) throw error;
        await pause(wait);
      }
    }
  }

  async function script(id: string): Promise<Script | string> {
    try {
      return scriptOf(book.request(id).action, book.state(id) === 'leased', await sent(id));
    } catch (error) {
      if (error instanceof ScriptError) return error.message;
      throw error;
    }
  }

  async function execute(id: string): Promise<void> {
    if (!isDecided(book.state(id))) return;
    const what = await script(id);
    const missing = await container(id);
    if (!isDecided(book.state(id))) return;
    const place = placeOf(id);
    const { digest } = book.request(id);
    const body = { digest, executor: name };
    const refused = book.claimRefusal(id, body, Date.now());
    // Timers and the ledger's clock differ by a little.
    if (refused === 'grace') return runAfter(id, 100);
    if (refused) return log.warn({ action: id, code: refused }, 'not claimed');
    try {
      await insist({ kind: 'claimed', action: id, body });
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      return log.info({ action: id, code: error.code }, 'claim refused; not run');
    }
    const reads = grantReads(id);
    if (typeof what === 'string' || missing) {
      await Promise.all([insist({ kind: 'running', action: id, body: { digest } }), reads]);
      return record(id, digest, notRun(typeof what === 'string' ? what : missing), 0);
    }
    // The run must not wait for the entry that tells of it: the claim has already made it this executor's.
    const ending = tasks.run(place, id, what, carried(id));
    const running = insist({ kind: 'running', action: id, body: { digest } });
    const [outcome] = await Promise.all([ending, running, reads]); // no result before them: they could follow nothing that is over
    await record(id, digest, outcome, what.timeout);
    await tasks.drop(place, id).catch(() => {});
  }

  /** What the action's card leased besides, from its claim on: that is when no denial undoes the approval any more. */
  async function grantReads(id: string): Promise<void> {
    const { action, digest } = book.request(id);
    if (!action.reads) return;
    const body = readsOf(action, digest, [...book.story(id)]);
    await insist({ kind: 'lease.granted', action: id, body }).catch((error: unknown) => {
      if (!(error instanceof LedgerError)) throw error;
      log.info({ action: id, code: error.code }, 'reads not leased');
    });
  }

  /** Passes output on as it comes; the log's time of the first byte is what the benchmark reads. */
  function carried(id: string): (bytes: Uint8Array) => void {
    let begun = false;
    return (bytes) => {
      if (!begun) log.info({ action: id, at: performance.timeOrigin + performance.now() }, 'first byte');
      begun = true;
      ledger.live.send(id, bytes);
    };
  }

  /** One result with a file at a time: the ledger keeps a part of each in memory while it comes. */
  let files = Promise.resolve<unknown>(undefined);
  function insistInTurn(entry: Append): Promise<Entry> {
    if (!entry.transcript) return insist(entry);
    const sent = files.then(() => insist(entry));
    files = sent.catch(() => {});
    return sent;
  }

  async function record(id: string, digest: string, outcome: Outcome, timeout: number): Promise<void> {
    let entry: Entry;
    try {
      const under = { limits: tasks.limits, timeout };
      entry = await insistInTurn({ action: id, ...resultOf(digest, outcome, under) });
    } catch (error) {
      if (stopping) throw error;
      const why = messageOf(error);
      log.error({ action: id, err: error }, 'result not taken');
      const reason = `it ended, but its result could not be recorded: ${why}`;
      entry = await insist({ kind: 'unknown', action: id, body: { digest, reason } });
    }
    log.info({ action: id, kind: entry.kind, seq: entry.seq }, 'over');
  }

  /** Takes up what this executor had claimed before it was restarted; starts nothing. */
  async function adopt(id: string): Promise<void> {
    const place = placeOf(id);
    const { digest } = book.request(id);
    const state = book.state(id);
    log.info({ action: id, state }, 'taken up again');
    const timeout = timeoutOf(book.request(id).action);
    const claimed = book.story(id).find((e) => e.kind === 'claimed');
    const left = timeout - (Date.now() - Date.parse(claimed?.at ?? '')) / 1000;
    const adopted = tasks.adopt(place, id, left, carried(id));
    const undone = (claimed?.seq ?? 0) < frozenAt || book.story(id).some((e) => e.kind === 'stop');
    if (undone) await tasks.kill(place, id);
    const outcome = await adopted;
    if (outcome.end === 'done' && state === 'claimed')
      await insist({ kind: 'running', action: id, body: { digest } });
    await record(id, digest, outcome, timeout);
    await tasks.drop(place, id).catch(() => {});
  }

  /** Runs it in its task's turn, unless it was undone by then. */
  function runAfter(id: string, ms: number): void {
    const run = (): void => {
      if (isDecided(book.state(id))) inLane(id, () => execute(id));
    };
    if (ms <= 0) run();
    else graces.set(id, setTimeout(run, ms));
  }

  /** Runs it once its grace is over, and expires it where that does not come about in time. */
  function begin(id: string): void {
    const decided = book.story(id).findLast((e) => isDecided(e.kind));
    if (!decided || timers.has(id)) return;
    const { action, digest } = book.request(id);
    const at = Date.parse(decided.at);
    const wait = decided.kind === 'leased' ? 0 : at + (action.grace ?? 0) * 1000 - Date.now();
    // A control action has nothing to run: the ledger applies it.
    if (action.class !== 'control') runAfter(id, wait);
    const left = at + action.execute_within * 1000 + 1 - Date.now();
    const expire = async () => {
      if (!isDecided(book.state(id))) return;
      await insist({ kind: 'expired', action: id, body: { digest, reason: 'not executed in time' } });
    };
    const refused = (error: unknown) => log.info({ action: id, err: error }, 'not expired');
    timers.set(
      id,
      setTimeout(() => expire().catch(refused), Math.max(0, left)),
    );
  }

  function stop(id: string): void {
    tasks
      .kill(placeOf(id), id)
      .catch((error: unknown) => log.warn({ action: id, err: error }, 'not stopped'));
  }

  /** A freeze ends what this executor runs, whoever asked for it. */
  function freeze(seq: number): void {
    frozenAt = seq;
    if (caughtUp) for (const id of book.open()) if (mine(id)) stop(id);
  }

  const mine = (id: string): boolean => {
    const claim = book.story(id).find((e) => e.kind === 'claimed');
    return claim !== undefined && JSON.parse(claim.body).executor === name;
  };

  function act(id: string, kind: string): void {
    if (kind === 'posted' && book.request(id).action.class !== 'control') warm(id);
    else if (kind === 'stop') stop(id);
    else if (isDecided(kind)) begin(id);
    if (isDecided(kind) || kind === 'posted' || kind === 'stop') return;
    for (const waiting of [timers, graces]) {
      clearTimeout(waiting.get(id));
      waiting.delete(id);
    }
  }

  function takeUp(): void {
    caughtUp = true;
    for (const id of book.open()) {
      const state = book.state(id);
      if (mine(id)) inLane(id, () => adopt(id));
      else if (!book.story(id).some((e) => e.kind === 'claimed')) act(id, state);
    }
    void tidy();
  }

  const following = ledger.follow({
    from: 0,
    onEntry(entry) {
      const broken = book.add(entry);
      if (broken) {
        log.fatal(
          { seq: entry.seq, why: broken },
          'the ledger holds an entry that it had to refuse: nothing is claimed',
        );
        const reason = `entry ${entry.seq} refused by the executor, which claims nothing any more: ${broken}`;
        insist({ kind: 'alarm', body: { reason } }).catch(() => {}); // a ledger like that may refuse it
      }
      try {
        if (entry.kind === 'frozen') freeze(entry.seq);
        if (entry.kind === 'requested') use.seen(placeOf(entry.action), Date.parse(entry.at));
        if (caughtUp && entry.action) act(entry.action, entry.kind);
      } catch (error) {
        log.error({ action: entry.action, err: error }, 'entry left aside'); // the chain goes on
      }
    },
    onState(state, why) {
      log[state === 'up' ? 'info' : 'warn']({ why }, `ledger ${state}`);
      o.onLedger?.(state);
    },
  });

  return {
    ready: following.ready.then(takeUp),
    async stop() {
      stopping = true;
      clearInterval(tidies);
      for (const timer of [...timers.values(), ...graces.values()]) clearTimeout(timer);
      await following.stop();
      tasks.close();
      await Promise.all(lanes.values());
    },
  };
}

/** Whether an action in this state waits to be claimed: by an answer, or covered by a lease. */
const isDecided = (state: string): boolean => state === 'approved' || state === 'leased';

/** An action that was claimed and then could not even be started: the reason stands where its output would. */
function notRun(why: string): Outcome {
  const bytes = Buffer.from(`${why}\n`);
  const size = bytes.length;
  return {
    end: 'done',
    status: { how: 'broken', number: 0, size, left: 0, memory: 0, processes: 0 },
    output: { size, sha256: sha256(bytes), bytes, read: () => [bytes] },
  };
}
