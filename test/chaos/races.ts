/**
 * Executors that race for the same approved actions on one real ledger: all of the executor is the product's, the engine beneath
 * it alone is a counter. One that crashes says and hears nothing any more, and another process begins under its name.
 */
import { setTimeout as pause } from 'node:timers/promises';
import pino from 'pino';
import { isOver } from '../../ledger/rules/lifecycle.cjs';
import { type Action, makeAction, sha256 } from '../../ledger/src/action.ts';
import type { Append, Entry, Ledger } from '../../ledger/src/client.ts';
import { type Executor, startExecutor } from '../../sandbox/src/executor.ts';
import type { Outcome, Tasks } from '../../sandbox/src/tasks.ts';
import { startLedger, type TestLedger } from '../harness/ledger.ts';
import { aPolicy, enrol, wayOf } from '../harness/ledger-chain.ts';
import { until } from '../harness/wait.ts';
import { random } from './plan.ts';

export type Raced = {
  /** By action: how often the engine was told to run it, and the kinds of its entries. */
  actions: { runs: number; kinds: string[] }[];
  /** How many claims the ledger refused, because another executor's was there. */
  refused: number;
  crashes: number;
};

/** How often each action was given to the engine, which outlives every executor, as what runs does. `takes`: what a script waits for. */
type Engine = { runs: Map<string, number>; ended: Set<string>; takes: () => Promise<unknown> };

function engineFor(engine: Engine): Tasks {
  const { runs, ended } = engine;
  const bytes = Buffer.from('done\n');
  const done: Outcome = {
    end: 'done',
    status: { how: 'exit', number: 0, size: 5, left: 0, memory: 0, processes: 0 },
    output: { size: 5, sha256: sha256(bytes), bytes, read: () => [bytes] },
  };
  return {
    imageOf: () => 'sha256:image',
    limits: { memory_mb: 512, pids: 64, cpus: 1 },
    standing: async () => [],
    warm: async () => {},
    drop: async () => {},
    retire: async () => true,
    endCopy: async () => {},
    keep: async () => ({ exit: 0, text: '0 0 0 0 0' }),
    stopped: () => false,
    close() {},
    async run(_: unknown, id: string) {
      runs.set(id, (runs.get(id) ?? 0) + 1);
      await engine.takes();
      ended.add(id);
      return done;
    },
    async adopt(_: unknown, id: string) {
      if (!runs.has(id)) return { end: 'unknown', why: 'it was claimed, but has no trace of a start' };
      await until('its end', () => ended.has(id), { every: 5 });
      return done;
    },
  } as unknown as Tasks;
}

/**
 * A ledger's client that a crash cuts off: nothing is written and nothing heard from then on.
 * @param at the kind of entry whose answer is not heard any more
 */
function cuttable(ledger: Ledger, onRefused: () => void, at?: string): { ledger: Ledger; cut(): void } {
  let alive = true;
  const never = new Promise<never>(() => {});
  async function append(entry: Append): Promise<Entry> {
    if (!alive) return never;
    const answer = ledger.append(entry);
    answer.catch(() => entry.kind === 'claimed' && onRefused());
    const got = await answer.catch((error: unknown) => (alive ? Promise.reject(error) : never));
    alive &&= entry.kind !== at;
    return alive ? got : never;
  }
  return {
    ledger: {
      ...ledger,
      append,
      follow: (o) => ledger.follow({ ...o, onEntry: (entry) => (alive ? o.onEntry(entry) : undefined) }),
    },
    cut() {
      alive = false;
    },
  };
}

async function ask(bot: Ledger, task: string): Promise<Action> {
  const args = { script: 'true', cwd: '', env: {}, timeout: 30 };
  const asked = { kind: 'bash', args, workspace: 'main', task, requester: 'brain' } as const;
  const action = makeAction(asked, aPolicy({ decide_within: 300, execute_within: 120 }));
  for (const { author: _, ...entry } of wayOf(action).slice(0, 2)) await bot.append(entry);
  return action;
}

/** Where executors race: a ledger, an engine, and who asks and approves. */
export async function makeTrack(server: TestLedger) {
  const bot = await server.connect('bot');
  const engine: Engine = { runs: new Map(), ended: new Set(), takes: async () => {} };
  const log = pino({ level: 'silent' });
  const running = new Set<Executor>();
  let refused = 0;
  const kinds = async (id: string) => (await bot.story(id)).map(({ kind }) => kind);
  return {
    engine,
    kinds,
    refused: () => refused,
    ask: (task: string) => ask(bot, task),
    async approve(action: Action): Promise<void> {
      for (const { author: _, ...entry } of wayOf(action).slice(2, 3)) await bot.append(entry);
    },
    /** @returns the kind of the entry that ended it */
    over: (id: string): Promise<string> =>
      until(`${id} to be over`, async () => (await kinds(id)).find(isOver)),
    /** Begins an executor under that name. @param cutAt it crashes once it has written an entry of this kind */
    async begin(name: string, cutAt?: string): Promise<{ name: string; crash(): void }> {
      const own = cuttable(await server.connect('executor'), () => void refused++, cutAt);
      const executor = startExecutor({ ledger: own.ledger, tasks: engineFor(engine), name, log });
      await executor.ready;
      running.add(executor);
      const crash = () => {
        own.cut();
        running.delete(executor);
        executor.stop().catch(() => {}); // it waits for answers that never come
      };
      return { name, crash };
    },
    async stop(): Promise<void> {
      await Promise.all([...running].map((executor) => executor.stop()));
    },
  };
}

/**
 * So many actions, each approved while two executors wait for it; and one of them crashes now and then.
 * @param atOnce actions that are approved at the same time, each in a task of its own
 */
export async function race(server: TestLedger, count: number, seed: number, atOnce = 20): Promise<Raced> {
  const chance = random(seed);
  const track = await makeTrack(server);
  track.engine.takes = () => pause(chance() * 20);
  const raced: Raced = { actions: [], refused: 0, crashes: 0 };
  const racing = await Promise.all(['one', 'two'].map((name) => track.begin(name)));
  try {
    for (let from = 0; from < count; from += atOnce) {
      const tasks = Array.from({ length: Math.min(atOnce, count - from) }, (_, i) => `task${i}`);
      const actions = await Promise.all(tasks.map(track.ask));
      const approved = Promise.all(actions.map(track.approve));
      const n = Math.floor(chance() * 2);
      const one = racing[n];
      if (one && chance() < 0.5) {
        await pause(chance() * 100);
        one.crash();
        racing[n] = await track.begin(one.name);
        raced.crashes++;
      }
      await approved;
      for (const { id } of actions) {
        await track.over(id);
        raced.actions.push({ runs: track.engine.runs.get(id) ?? 0, kinds: await track.kinds(id) });
      }
    }
  } finally {
    await track.stop();
  }
  return { ...raced, refused: track.refused() };
}

/** A ledger on which somebody may approve. */
export async function startRace(): Promise<TestLedger> {
  const server = await startLedger();
  const { author: _, ...entry } = enrol;
  await (await server.connect('operator')).append(entry);
  return server;
}

/** What is wrong with a race, one line each. */
export function unfair({ actions }: Raced): string[] {
  return actions.flatMap(({ runs, kinds }, i) => {
    const claims = kinds.filter((kind) => kind === 'claimed').length;
    const end = kinds.at(-1);
    const well = claims === 1 && (end === 'succeeded' ? runs === 1 : end === 'unknown' && runs <= 1);
    return well ? [] : [`race ${i + 1}: ${claims} claims, run ${runs} times, ${kinds.join(' ')}`];
  });
}
