/** Runs actions in their tasks' containers and carries their complete output out, over lost streams and restarts. */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import {
  ensureContainer,
  feederStream,
  type Place,
  runningTasks,
  stopContainer,
  type TaskName,
} from './docker.ts';
import { type Feeder, openFeeder } from './feeder.ts';
import { dropFrame, killFrame, runFrame, type Status, watchFrame } from './frames.ts';
import type { Script } from './script.ts';

/** `unknown`: whether and how far it ran cannot be told; `why` is for a person. */
export type Outcome =
  | { end: 'done'; status: Status; output: Uint8Array; sha256: string }
  | { end: 'unknown'; why: string };

export type Tasks = {
  /** Makes sure that the task's container runs and its feeder listens. @throws SandboxError, or Docker's own error */
  warm(name: TaskName): Promise<void>;
  /** Starts the script as this action, which no second call ever does again, and resolves when it is over. */
  run(name: TaskName, id: string, script: Script, onChunk: (bytes: Uint8Array) => void): Promise<Outcome>;
  /** Goes on with an action that was given to `run` before, perhaps by another process. Starts nothing. */
  adopt(name: TaskName, id: string, onChunk: (bytes: Uint8Array) => void): Promise<Outcome>;
  /** Ends the action if it runs; its outcome comes to whoever waits for it. */
  kill(name: TaskName, id: string): Promise<void>;
  /** Deletes the container's copy of an output that is recorded. */
  drop(name: TaskName, id: string): Promise<void>;
  /** Lets go of every container; what runs in them runs on, and open calls reject. */
  close(): void;
};

/** Containers that run on, so that their task's next action finds them warm; more only while something runs in them. */
const keptWarm = 4;
const keyOf = ({ task, workspace }: TaskName): string => `${task} ${workspace}`;

const unsure = {
  unknown: 'its runner ended without leaving a status (the container or the engine was stopped)',
  never: 'it was claimed, but its container has no trace of a start',
};

/** @param kept how many containers are kept running; of those without work the one unused for longest is stopped first */
export function makeTasks(docker: Docker, place: Place, kept = keptWarm): Tasks {
  /** By task, the last used at the end. */
  const feeders = new Map<string, Promise<Feeder>>();
  const working = new Map<string, number>();
  const leaving = new Map<string, Promise<void>>();
  const stops = new Set<string>();
  let closed = false;

  async function connect(name: TaskName): Promise<Feeder> {
    await leaving.get(keyOf(name));
    const container = await ensureContainer(docker, place, name);
    return openFeeder((onBytes) => feederStream(docker, container, onBytes));
  }

  /** Stops idle containers, never the one used last; those of before a restart were unused for longest. */
  async function retire(): Promise<void> {
    const running = await runningTasks(docker, place);
    const order = [...feeders.keys()];
    const idle = running
      .filter((one) => !working.has(keyOf(one)) && !leaving.has(keyOf(one)))
      .sort((a, b) => order.indexOf(keyOf(a)) - order.indexOf(keyOf(b)));
    // All are marked before any is waited for: whoever wants one from now on waits until it is stopped.
    await Promise.all(
      idle.slice(0, Math.max(0, Math.min(running.length - kept, idle.length - 1))).map((one) => {
        const key = keyOf(one);
        feeders
          .get(key)
          ?.then((feeder) => feeder.close())
          .catch(() => {});
        feeders.delete(key);
        const stopped = stopContainer(docker, one.id).finally(() => leaving.delete(key));
        leaving.set(key, stopped);
        return stopped;
      }),
    );
  }

  function used(key: string): void {
    const feeder = feeders.get(key);
    if (feeder && feeders.delete(key)) feeders.set(key, feeder);
  }

  async function feederOf(name: TaskName): Promise<Feeder> {
    if (closed) throw new Error('the executor is stopping');
    const key = keyOf(name);
    const had = feeders.get(key);
    used(key);
    const feeder = await had?.catch(() => undefined);
    if (feeder?.open) return feeder;
    // Whoever comes first opens the new one; the others find it in the map.
    if (feeders.get(key) !== had) return feederOf(name);
    const next = connect(name);
    feeders.set(key, next);
    next.then(retire).catch(() => {}); // what could not be stopped is stopped at the next occasion
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

  /** Reads the whole output again, for the hash of what the container has at the end. */
  async function hashAgain(name: TaskName, id: string): Promise<string> {
    for (;;) {
      const hash = createHash('sha256');
      const feeder = await reach(name);
      const { end } = await feeder.follow(id, watchFrame(id, 0), (_, bytes) => hash.update(bytes));
      if (end !== 'lost') return end === 'done' ? hash.digest('hex') : end;
    }
  }

  async function carry(
    name: TaskName,
    id: string,
    first: Buffer,
    onChunk: (bytes: Uint8Array) => void,
  ): Promise<Outcome> {
    const parts: Uint8Array[] = [];
    const hash = createHash('sha256');
    let offset = 0;
    const take = (at: number, bytes: Uint8Array) => {
      if (at !== offset) return; // an answer to an earlier stream's question
      offset += bytes.length;
      hash.update(bytes);
      parts.push(bytes);
      onChunk(bytes);
    };
    for (let frame = first; ; frame = watchFrame(id, offset)) {
      const feeder = await reach(name);
      const following = feeder.follow(id, frame, take);
      if (stops.has(id)) feeder.send(killFrame(id)); // asked for before this stream was there
      const end = await following;
      if (end.end === 'refused') return { end: 'unknown', why: `the container refused it: ${end.why}` };
      if (end.end === 'unknown' || end.end === 'never') return { end: 'unknown', why: unsure[end.end] };
      if (end.end === 'lost' || offset < end.status.size) continue; // and from where it broke off
      const sha256 = hash.digest('hex');
      const output = Buffer.concat(parts);
      if (offset !== end.status.size || (await hashAgain(name, id)) !== sha256)
        return { end: 'unknown', why: 'its output in the container is not what was read while it ran' };
      return { end: 'done', status: end.status, output, sha256 };
    }
  }

  /** A container in which something runs, or may run, is not idle. */
  async function atWork(name: TaskName, id: string, work: Promise<Outcome>): Promise<Outcome> {
    const key = keyOf(name);
    working.set(key, (working.get(key) ?? 0) + 1);
    try {
      return await work;
    } finally {
      stops.delete(id);
      const others = (working.get(key) ?? 1) - 1;
      if (others > 0) working.set(key, others);
      else working.delete(key);
      used(key);
      if (feeders.size > kept) retire().catch(() => {});
    }
  }

  return {
    warm: async (name) => void (await feederOf(name)),
    run: (name, id, script, onChunk) => atWork(name, id, carry(name, id, runFrame(id, script), onChunk)),
    adopt: (name, id, onChunk) => atWork(name, id, carry(name, id, watchFrame(id, 0), onChunk)),
    async kill(name, id) {
      stops.add(id);
      (await feederOf(name)).send(killFrame(id));
    },
    drop: async (name, id) => (await feederOf(name)).send(dropFrame(id)),
    close() {
      closed = true;
      for (const feeder of feeders.values()) feeder.then((f) => f.close()).catch(() => {});
    },
  };
}
