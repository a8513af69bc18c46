/** A rig whose parts are killed and come up again by themselves, as the restart policy of the compose file has it. */
import { PassThrough } from 'node:stream';
import { findEngine } from '../../console/engine/engine.ts';
import { ensureImage } from '../../console/engine/images.ts';
import { answerOf, approve, askAndSee, endsWith, numberOf } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import type { Service } from '../harness/service.ts';
import { type Chain, makeWaits, type Waits, watchChain } from './chain.ts';
import type { Part } from './plan.ts';
import { watchRoom } from './room.ts';

export type World = {
  rig: Rig;
  chain: Chain;
  waits: Waits;
  room: ReturnType<typeof watchRoom>;
  /**
   * Kills the part, and resolves with the seconds until it was there again; undefined where there was nothing to kill. Where what it
   * waits for was away as well, they count from when that was back.
   */
  kill(part: Part): Promise<number | undefined>;
  /** Resolves when all parts are there. */
  up(): Promise<void>;
  /** Processes that ended though nobody killed them. */
  ownEnds(): number;
  /** The next action that the lease is to cover, which nobody was given before. */
  leasedNext(): string | undefined;
  /** Runs a command on the workspace's files, past everything. @returns what it printed */
  beside(...command: string[]): Promise<string>;
  stop(): Promise<void>;
};

/** What stands in the script that a lease covers; it is the same each time, so its lines are counted against its actions. */
export const leased = 'echo leased >> leased';

async function grantLease({ phone, reached, entries }: Rig): Promise<void> {
  const first = await askAndSee(phone, `!run ${leased}`);
  await approve(phone, first);
  await endsWith(phone, first, 'exit 0');
  const grant = await askAndSee(phone, `!lease ${numberOf(first)} 1000 1d`);
  await phone.vote(grant.id, [answerOf(grant, 'Approve')]);
  await reached((await entries('requested')).at(-1)?.action ?? '', 'applied');
}

/** Starts it, with one lease given. */
export async function startWorld(): Promise<World> {
  const rig = await startRig({ patient: true });
  const { docker } = findEngine();
  const waits = makeWaits();
  const chain = watchChain(rig.audit, waits);
  const room = watchRoom(rig.phone);
  const heard = rig.phone.watch(waits.happened);
  let coming: Promise<unknown>[] = [];
  let ended = 0;
  const down = new Set<Service>();

  async function start(service: Service): Promise<void> {
    for (;;)
      try {
        await service.start(120); // one that is merely slow is not killed, but told as late
        return;
      } catch (error) {
        await service.kill();
        process.stderr.write(`chaos: ${String(error).slice(0, 3000)}\n`);
      }
  }
  async function restart(service: Service): Promise<void> {
    if (down.has(service)) return;
    down.add(service);
    await service.kill();
    await start(service).finally(() => down.delete(service));
  }
  const restarts: Record<Exclude<Part, 'task' | 'keeper'>, () => Promise<void>> = {
    bot: () => restart(rig.bot),
    executor: () => restart(rig.executor),
    async ledger() {
      await rig.ledger.kill();
      await rig.ledger.restart();
    },
    async homeserver() {
      await rig.homeserver.halt();
      await rig.homeserver.resume();
      rig.phone.hurry();
    },
  };
  const needs = { bot: ['ledger', 'homeserver'], executor: ['ledger'], ledger: [], homeserver: [] } as const;
  const backAt = new Map<string, number>();
  /** Nothing starts a container of a task again: the executor makes another when it needs one. */
  async function killContainers(of: 'task' | 'keep'): Promise<number | undefined> {
    const filters = { label: [`org.pocketcoder=${rig.project}`], status: ['running'] };
    const all = await docker.listContainers({ filters });
    const mine = all.filter(({ Names }) => Names.some((name) => name.startsWith(`/${rig.project}-${of}-`)));
    const killed = await Promise.all(
      mine.map(({ Id }) =>
        docker
          .getContainer(Id)
          .kill()
          .then(
            () => true,
            () => false, // it ended meanwhile
          ),
      ),
    );
    return killed.includes(true) ? 0 : undefined;
  }
  const watchdog = setInterval(() => {
    for (const service of [rig.bot, rig.executor])
      if (!service.runs() && !down.has(service)) {
        ended++;
        coming.push(restart(service));
      }
  }, 100);

  await chain.ready;
  await grantLease(rig);
  const given = new Set(chain.withMark(leased));
  return {
    rig,
    chain,
    waits,
    room,
    async kill(part) {
      if (part === 'task') return killContainers('task');
      if (part === 'keeper') return killContainers('keep');
      const from = performance.now();
      const back = restarts[part]().then(() => backAt.set(part, performance.now()));
      coming.push(back);
      await back;
      const since = Math.max(from, ...needs[part].map((other) => backAt.get(other) ?? 0));
      return (performance.now() - since) / 1000;
    },
    async up() {
      for (let all = coming; all.length > 0; all = coming) {
        coming = [];
        await Promise.all(all);
      }
    },
    ownEnds: () => ended,
    leasedNext() {
      const next = chain.withMark(leased).find((id) => !given.has(id));
      if (next) given.add(next);
      return next;
    },
    async beside(...command) {
      const out = new PassThrough();
      const text = Array.fromAsync(out.setEncoding('utf8'));
      const Mounts = [
        { Type: 'volume' as const, Source: `${rig.project}-ws-main`, Target: '/workspace', ReadOnly: true },
      ];
      const HostConfig = { NetworkMode: 'none', AutoRemove: true, Mounts };
      await docker.run(await ensureImage('task'), command, out, { Entrypoint: [], Tty: true, HostConfig });
      out.end();
      return (await text).join('').replaceAll('\r', '');
    },
    async stop() {
      clearInterval(watchdog);
      heard();
      room.end();
      await Promise.allSettled(coming);
      await chain.stop();
      await rig.stop();
    },
  };
}
