/** Runs actions in their tasks' containers and carries their complete output out, over lost streams and restarts. */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { Source } from '../../ledger/src/client.ts';
import {
  ensureContainer,
  feederStream,
  type Limits,
  type Place,
  readOutput,
  removeContainer,
  removeStore,
  type TaskName,
  tasksWithContainer,
} from './container.ts';
import { type Feeder, openFeeder } from './feeder.ts';
import { dropFrame, killFrame, runFrame, type Status, watchFrame } from './frames.ts';
import type { Script } from './script.ts';

/** What an action wrote, by its size and SHA-256. */
export type Output = {
  size: number;
  sha256: string;
  /** All of it, where it is no longer than this is worth holding. */
  bytes?: Uint8Array;
  /** Reads it, from the container where it is long, as fast as it is taken. */
  read: Source;
};

/**
 * `cut`: its container was ended, since nothing else ended it. `unknown`: whether and how far it ran cannot be told. `why` is for
 * a person.
 */
export type Outcome =
  | { end: 'done'; status: Status; output: Output }
  | { end: 'cut'; why: string; output: Output }
  | { end: 'unknown'; why: string };

export type Tasks = {
  /** Makes sure that the task's container runs and its feeder listens. @throws SandboxError, or Docker's own error */
  warm(name: TaskName): Promise<void>;
  /** Starts the script as this action, which no second call ever does again, and resolves when it is over. */
  run(name: TaskName, id: string, script: Script, onChunk: (bytes: Uint8Array) => void): Promise<Outcome>;
  /**
   * Goes on with an action that was given to `run` before, perhaps by another process. Starts nothing.
   * @param seconds what is left of its time limit
   */
  adopt(name: TaskName, id: string, seconds: number, onChunk: (bytes: Uint8Array) => void): Promise<Outcome>;
  /** Ends the action if it runs, and its whole container where it does not end; its outcome comes to whoever waits for it. */
  kill(name: TaskName, id: string): Promise<void>;
  /** Deletes the container's copy of an output that is recorded. */
  drop(name: TaskName, id: string): Promise<void>;
  /** The tasks that have a container. */
  standing(): Promise<TaskName[]>;
  /**
   * Takes a task's container away, where nothing is carried out of it.
   * @param outputs its copies of outputs go too: all of them are recorded
   */
  retire(name: TaskName, outputs: boolean): Promise<void>;
  /** Lets go of every container; what runs in them runs on, and open calls reject. */
  close(): void;
  readonly limits: Limits;
};

const unsure = {
  unknown: 'its runner ended without leaving a status (the container or the engine was stopped)',
  never: 'it was claimed, but its container has no trace of a start',
  beside: 'its container was ended, because another action in it could not be stopped',
  changed: 'its output in the container is not what was read while it ran',
};

/** Why a container was ended. */
const why = {
  stop: 'its container was ended, because it still ran 10 s after it was stopped',
  limit: 'its container was ended, because it still ran 10 s after its time limit',
  flood: 'its container was ended, because it still ran 10 s after its output had become too large',
};

const keyOf = ({ task, workspace }: TaskName): string => `${task} ${workspace}`;

/** Seconds for a status to come once an action was stopped or its time was over. */
const patience = 10;
/** Bytes: a runner ends what writes more than the one; outputs up to the other are held, to stand in their entry. */
const mostOutput = 64 << 20;
const inline = 4096;

type Carried = { name: TaskName; timer?: NodeJS.Timeout; cut?: { mine: boolean; why: string } };

export function makeTasks(docker: Docker, place: Place): Tasks {
  const feeders = new Map<string, Promise<Feeder>>();
  const stops = new Set<string>();
  const carried = new Map<string, Carried>();
  const removals = new Map<string, Promise<void>>();
  let closed = false;

  async function connect(name: TaskName): Promise<Feeder> {
    await removals.get(keyOf(name));
    const container = await ensureContainer(docker, place, name);
    return openFeeder((onBytes) => feederStream(docker, container, onBytes));
  }

  async function feederOf(name: TaskName): Promise<Feeder> {
    if (closed) throw new Error('the executor is stopping');
    const key = keyOf(name);
    const had = feeders.get(key);
    const feeder = await had?.catch(() => undefined);
    if (feeder?.open) return feeder;
    // Whoever comes first opens the new one; the others find it in the map.
    if (feeders.get(key) !== had) return feederOf(name);
    const next = connect(name);
    feeders.set(key, next);
    return next;
  }

  /** As feederOf, but for an action that has started: Docker being away for a while does not end it. */
  async function reach(name: TaskName): Promise<Feeder> {
    for (let wait = 50; ; wait = Math.min(2 * wait, 5000)) {
      try {
        return await feederOf(name);
      } catch (error) {
        if (closed) throw error;
        await pause(wait);
      }
    }
  }

  /**
   * Ends the container of an action that has no status `seconds` from now: a script may have kept its own runner from
   * ending it. Whatever else ran there ends with it.
   */
  function endAfter(id: string, seconds: number, why: string): void {
    const one = carried.get(id);
    if (!one || one.cut) return;
    clearTimeout(one.timer);
    one.timer = setTimeout(() => void endContainer(id, one, why), seconds * 1000);
  }

  async function endContainer(id: string, one: Carried, why: string): Promise<void> {
    const { name } = one;
    // A stream that was lost meanwhile may bring the status after all, or still find out that nothing runs.
    const feeder = await feederOf(name).catch(() => undefined);
    if (feeder?.open) await pause(500);
    if (carried.get(id) !== one || one.cut || closed) return;
    if (feeder?.open && !feeder.runs(id)) return endAfter(id, patience, why);
    for (const [other, that] of carried)
      if (keyOf(that.name) === keyOf(name))
        that.cut ??= other === id ? { mine: true, why } : { mine: false, why: unsure.beside };
    await remove(name, false);
  }

  /** Whoever wants the container from now on waits until it is gone, and makes another. */
  function remove(name: TaskName, outputs: boolean): Promise<void> {
    feeders.delete(keyOf(name));
    const gone = untilGone(name)
      .then(() => (outputs ? removeStore(docker, place, name) : undefined))
      .finally(() => removals.delete(keyOf(name)));
    removals.set(keyOf(name), gone);
    return gone;
  }

  async function untilGone(name: TaskName): Promise<void> {
    for (let wait = 50; !closed; wait = Math.min(2 * wait, 5000)) {
      try {
        return await removeContainer(docker, place, name);
      } catch {
        await pause(wait); // the engine is away
      }
    }
  }

  async function* read(name: TaskName, id: string): AsyncGenerator<Uint8Array> {
    await reach(name);
    yield* readOutput(await ensureContainer(docker, place, name), id);
  }

  async function follow(
    name: TaskName,
    id: string,
    first: Buffer,
    onChunk: (bytes: Uint8Array) => void,
  ): Promise<Outcome> {
    const held: Uint8Array[] = [];
    const hash = createHash('sha256');
    let offset = 0;
    const take = (at: number, bytes: Uint8Array) => {
      if (at !== offset) return; // an answer to an earlier stream's question
      if (offset <= inline) held.push(Buffer.from(bytes));
      offset += bytes.length;
      if (offset > mostOutput) endAfter(id, patience, why.flood);
      hash.update(bytes);
      onChunk(bytes);
    };
    const output = (): Output => {
      const all = { size: offset, sha256: hash.digest('hex') };
      if (offset > inline) return { ...all, read: () => read(name, id) };
      const bytes = Buffer.concat(held);
      return { ...all, bytes, read: () => [bytes] };
    };
    for (let frame = first; ; frame = watchFrame(id, offset)) {
      const feeder = await reach(name);
      const following = feeder.follow(id, frame, take);
      if (stops.has(id)) feeder.send(killFrame(id)); // asked for before this stream was there
      const end = await following;
      const cut = carried.get(id)?.cut;
      if (end.end === 'refused') return { end: 'unknown', why: `the container refused it: ${end.why}` };
      if (end.end === 'unknown' && cut?.mine) return { end: 'cut', why: cut.why, output: output() };
      if (end.end === 'unknown' || end.end === 'never')
        return { end: 'unknown', why: cut?.why ?? unsure[end.end] };
      if (end.end === 'lost' || offset < end.status.size) continue; // and from where it broke off
      if (offset !== end.status.size) return { end: 'unknown', why: unsure.changed };
      return { end: 'done', status: end.status, output: output() };
    }
  }

  async function carry(
    name: TaskName,
    id: string,
    first: Buffer,
    seconds: number,
    onChunk: (bytes: Uint8Array) => void,
  ): Promise<Outcome> {
    carried.set(id, { name });
    if (stops.has(id)) endAfter(id, patience, why.stop);
    else endAfter(id, Math.max(0, seconds) + patience, why.limit);
    try {
      return await follow(name, id, first, onChunk);
    } finally {
      clearTimeout(carried.get(id)?.timer);
      carried.delete(id);
      stops.delete(id);
    }
  }

  return {
    warm: async (name) => void (await feederOf(name)),
    run: (name, id, script, onChunk) => carry(name, id, runFrame(id, script), script.timeout, onChunk),
    adopt: (name, id, seconds, onChunk) => carry(name, id, watchFrame(id, 0), seconds, onChunk),
    async kill(name, id) {
      stops.add(id);
      endAfter(id, patience, why.stop);
      (await feederOf(name)).send(killFrame(id));
    },
    standing: () => tasksWithContainer(docker, place),
    async retire(name, outputs) {
      const key = keyOf(name);
      if (removals.has(key) || [...carried.values()].some((one) => keyOf(one.name) === key)) return;
      await remove(name, outputs);
    },
    drop: async (name, id) => (await feederOf(name)).send(dropFrame(id)),
    close() {
      closed = true;
      for (const { timer } of carried.values()) clearTimeout(timer);
      for (const feeder of feeders.values()) feeder.then((f) => f.close()).catch(() => {});
    },
    limits: place.limits,
  };
}
