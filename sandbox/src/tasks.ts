/** Runs actions in their tasks' containers and carries their complete output out, over lost streams and restarts. */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import { ensureContainer, feederStream, type Place, type TaskName } from './docker.ts';
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

const unsure = {
  unknown: 'its runner ended without leaving a status (the container or the engine was stopped)',
  never: 'it was claimed, but its container has no trace of a start',
};

export function makeTasks(docker: Docker, place: Place): Tasks {
  const feeders = new Map<string, Promise<Feeder>>();
  const stops = new Set<string>();
  let closed = false;

  async function connect(name: TaskName): Promise<Feeder> {
    const container = await ensureContainer(docker, place, name);
    return openFeeder((onBytes) => feederStream(docker, container, onBytes));
  }

  async function feederOf(name: TaskName): Promise<Feeder> {
    if (closed) throw new Error('the executor is stopping');
    const key = `${name.task} ${name.workspace}`;
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

  return {
    warm: async (name) => void (await feederOf(name)),
    run: (name, id, script, onChunk) =>
      carry(name, id, runFrame(id, script), onChunk).finally(() => stops.delete(id)),
    adopt: (name, id, onChunk) => carry(name, id, watchFrame(id, 0), onChunk).finally(() => stops.delete(id)),
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
