/** Runs actions in their tasks' containers and carries their complete output out, over lost streams and restarts. */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import { reasons } from '../../ledger/rules/codes.cjs';
import { originOf } from '../../ledger/rules/workspaces.cjs';
import { type EgressArgs, sha256, type TerminalArgs } from '../../ledger/src/action.ts';
import type { Source } from '../../ledger/src/client.ts';
import {
  containerFor,
  imageOf,
  type Limits,
  type Place,
  SandboxError,
  type TaskName,
  tasksWithContainer,
} from './container.ts';
import { fillCopy, removeCopies } from './copies.ts';
import { type Lease, makeEgress } from './egress.ts';
import { runIn } from './exec.ts';
import { keyOf, makeFeeders } from './feeders.ts';
import { dropFrame, killFrame, runFrame, type Status, watchFrame } from './frames.ts';
import { type Kept, makeKeepers } from './keepers.ts';
import type { Script } from './script.ts';
import { makeTerminals, type TerminalEnd, tmux } from './terminals.ts';
import { makeToolServers } from './toolservers.ts';

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
  /** `lease`: what was run was no script but a lease of the network. `why` says more than its status. */
  | { end: 'done'; status: Status; output: Output; lease?: Lease; why?: string }
  | { end: 'cut'; why: string; output: Output }
  | { end: 'unknown'; why: string };

/** Of what ran without a runner: what it said, and whether it did it. */
export function told({ exit, text }: Kept): Extract<Outcome, { end: 'done' }> {
  const bytes = Buffer.from(text);
  const size = bytes.length;
  return {
    end: 'done',
    status: { how: 'exit', number: exit === 0 ? 0 : 1, size, left: 0, memory: 0, processes: 0 },
    output: { size, sha256: sha256(bytes), ...(size <= inline && { bytes }), read: () => [bytes] },
  };
}

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
  /** Opens a lease of the network for the task, and resolves when it is over. @throws SandboxError where it could not be opened */
  lease(name: TaskName, id: string, args: EgressArgs, onOpen: () => void): Promise<Lease>;
  /** Opens a terminal for the task, and resolves when it is over. @throws SandboxError where it could not be opened */
  terminal(name: TaskName, id: string, args: TerminalArgs, onOpen: () => void): Promise<TerminalEnd>;
  /** What looks at tool servers and calls them. */
  readonly servers: Pick<ReturnType<typeof makeToolServers>, 'look' | 'call'>;
  /** What types into terminals and reads them. */
  readonly terminals: Pick<ReturnType<typeof makeTerminals>, 'type' | 'screen' | 'wait'>;
  /** Takes away what leases of the network, terminals, tool servers and copies an earlier process left. */
  sweep(): Promise<void>;
  /** Deletes the container's copy of an output that is recorded. */
  drop(name: TaskName, id: string): Promise<void>;
  /** The tasks that have a container, or a tool server. */
  standing(): Promise<TaskName[]>;
  /**
   * Takes a task's container away, where nothing is carried out of it.
   * @param outputs its copies of outputs go too: all of them are recorded
   * @returns whether it is away
   */
  retire(name: TaskName, outputs: boolean): Promise<boolean>;
  /**
   * Takes a task's own copy of a workspace away, where nothing was done in it that the workspace does not have: what was merged from it and
   * undone, or changed there since, counts too.
   * @param unused whether nothing of the task is in hand: asked last, while whatever begins waits
   */
  endCopy(name: TaskName, unused: () => boolean): Promise<void>;
  /**
   * Runs the script in a copy of a workspace, which is gone when this resolves, to how it ended, the end of its output, and what it did
   * to the copy.
   * @param stands whether it is still to be tried, once the copy is there @throws SandboxError where nothing was run
   */
  trial(
    name: TaskName,
    id: string,
    script: Script,
    stands: () => boolean,
  ): Promise<{ outcome: Outcome; end: string; did: string }>;
  /** What image/keep.py says to these arguments, in the container that keeps the snapshots of a workspace, or of a task's own copy of one. @throws Docker's own error */
  keep(workspace: string, ...words: string[]): Promise<Kept>;
  /** What the task's terminal shows: that of the running action, or of the last. @throws Docker's own error */
  screen(name: TaskName): Promise<Kept>;
  /** Lets go of every container; what runs in them runs on, and open calls reject. */
  close(): void;
  /** Whether this was asked to be stopped: told once. */
  stopped(id: string): boolean;
  /** The image that an action in this workspace runs in. */
  imageOf(workspace: string): string;
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

/** Why a way out ended with a container that nobody needs any more. */
export const retired = 'its task’s container was taken away';
/** Of the session's window in front, which is that of the last action that began (image/feed.c). */
const screen = [...tmux, 'capture-pane', '-p', '-t', 'task:'];

/** Seconds for a status to come once an action was stopped or its time was over. */
const patience = 10;
/** Bytes: a runner ends what writes more than the one; outputs up to the other are held, to stand in their entry. */
const mostOutput = 1000 << 20;
const inline = 4096;

/** What image/keep.py answers by where a copy was not made yet, and by nothing else: it is filled then, over whatever is in it. */
const noCopy = 4;

/** An action in hand. `cut`: its container is being ended, because of this action where it is `mine`. */
type Carried = { name: TaskName; timer?: NodeJS.Timeout; cut?: { mine: boolean; why: string } };
type OnChunk = (bytes: Uint8Array) => void;

export function makeTasks(docker: Docker, place: Place): Tasks {
  const closing = new AbortController();
  const egress = makeEgress(docker, place, (name) => containerFor(docker, place, name));
  const terminals = makeTerminals(docker, place, (name) => containerFor(docker, place, name), egress.env);
  const servers = makeToolServers(docker, place);
  const keepers = makeKeepers(docker, place, closing.signal);
  const feeders = makeFeeders(docker, place, keepers, closing.signal);
  /** Copies that tasks work in: there or being made, and being taken away. */
  const own = new Map<string, Promise<void>>();
  const ending = new Map<string, Promise<void>>();
  const stops = new Set<string>();
  /** Copies of workspaces in which something is tried, from before it begins until all is told of it. */
  const trying = new Set<string>();
  const carried = new Map<string, Carried>();
  const carriedFor = (name: TaskName) =>
    [...carried].filter(([, { name: other }]) => keyOf(other) === keyOf(name));

  /**
   * Ends the container of an action that has no status `seconds` from now: a script may have kept its own runner from
   * ending it. Whatever else ran there ends with it.
   */
  function endAfter(id: string, seconds: number, why: string): void {
    const one = carried.get(id);
    if (!one || one.cut) return;
    clearTimeout(one.timer);
    const stopping = () => {}; // what was not ended by then is left to whoever takes it up again
    one.timer = setTimeout(() => endContainer(id, one, why).catch(stopping), seconds * 1000);
  }

  async function endContainer(id: string, one: Carried, why: string): Promise<void> {
    // A stream that was lost meanwhile may bring the status after all, or still find out that nothing runs.
    const feeder = await feeders.of(one.name).catch(() => undefined);
    if (feeder?.open) await pause(500);
    if (carried.get(id) !== one || one.cut || closing.signal.aborted) return;
    if (feeder?.open && !feeder.runs(id)) return endAfter(id, patience, why);
    for (const [other, that] of carriedFor(one.name))
      that.cut ??= other === id ? { mine: true, why } : { mine: false, why: unsure.beside };
    for (const all of [egress, terminals]) all.endOf(one.name, 'its task’s container was ended');
    await feeders.remove(one.name, false);
  }

  /** Takes the output as it comes until the action is over, from where it broke off whenever a stream is lost. */
  async function follow(name: TaskName, id: string, first: Buffer, onChunk: OnChunk): Promise<Outcome> {
    const held: Uint8Array[] = [];
    const hash = createHash('sha256');
    let size = 0;
    const take = (at: number, bytes: Uint8Array) => {
      if (at !== size) return; // an answer to an earlier stream's question
      if (size <= inline) held.push(Buffer.from(bytes));
      size += bytes.length;
      if (size > mostOutput) endAfter(id, patience, why.flood);
      hash.update(bytes);
      onChunk(bytes);
    };
    const output = (): Output => {
      const all = { size, sha256: hash.digest('hex') };
      if (size > inline) return { ...all, read: () => feeders.read(name, id) };
      const bytes = Buffer.concat(held);
      return { ...all, bytes, read: () => [bytes] };
    };
    for (let frame = first; ; frame = watchFrame(id, size)) {
      const feeder = await feeders.reach(name);
      const following = feeder.follow(id, frame, take);
      if (stops.has(id)) feeder.send(killFrame(id)); // asked for before this stream was there
      const end = await following;
      const cut = carried.get(id)?.cut;
      if (end.end === 'refused') return { end: 'unknown', why: `the container refused it: ${end.why}` };
      if (end.end === 'unknown' && cut?.mine) return { end: 'cut', why: cut.why, output: output() };
      if (end.end === 'unknown' || end.end === 'never')
        return { end: 'unknown', why: cut?.why ?? unsure[end.end] };
      if (end.end === 'lost' || size < end.status.size) continue;
      if (size !== end.status.size) return { end: 'unknown', why: unsure.changed };
      return { end: 'done', status: end.status, output: output() };
    }
  }

  async function carry(name: TaskName, id: string, first: Buffer, seconds: number, onChunk: OnChunk) {
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

  async function unlessStopped<T>(id: string, open: () => Promise<T>): Promise<T> {
    try {
      if (stops.has(id)) throw new SandboxError('it was stopped before it was opened');
      return await open();
    } finally {
      stops.delete(id);
    }
  }

  /** It is there, whole, where a task's own copy is what is asked for. What was cut off in the middle is made anew: nothing ran there yet. */
  async function whole(workspace: string): Promise<void> {
    const from = originOf(workspace);
    if (!from) return;
    await ending.get(workspace)?.catch(() => {});
    const made = own.get(workspace) ?? makeOwn(workspace, from);
    own.set(workspace, made);
    made.catch(() => own.delete(workspace));
    await made;
  }

  async function makeOwn(workspace: string, from: string): Promise<void> {
    const begun = await keepers.ask(workspace, ['begun']);
    if (begun.exit === 0) return;
    if (begun.exit !== noCopy)
      throw new SandboxError(`the task's own copy cannot be reached: ${begun.text.trim()}; nothing was run`);
    await fillCopy(docker, place, { task: 'none', workspace, copyOf: from });
    const { exit, text } = await keepers.ask(workspace, ['begin']);
    if (exit !== 0) throw new SandboxError(`no copy of the workspace: ${text.trim()}; nothing was run`);
  }

  async function endCopy(name: TaskName, unused: () => boolean): Promise<void> {
    const { workspace } = name;
    if (!originOf(workspace) || ending.has(workspace)) return;
    const over = removeUnused(name, unused).finally(() => ending.delete(workspace));
    ending.set(workspace, over);
    await over;
  }

  /** What begins from here on waits in `whole`; what began before is seen once the keeper, who may take long, has answered. */
  async function removeUnused(name: TaskName, unused: () => boolean): Promise<void> {
    if ((await keepers.ask(name.workspace, ['left'])).exit !== 0) return;
    if (!unused() || feeders.has(name) || carriedFor(name).length > 0) return;
    keepers.end(name.workspace);
    own.delete(name.workspace);
    await removeCopies(docker, place, name.workspace);
  }

  /** The end of an output. */
  async function endOf(outcome: Outcome): Promise<string> {
    let last = Buffer.alloc(0);
    if (outcome.end !== 'unknown')
      for await (const part of outcome.output.read()) last = Buffer.concat([last, part]).subarray(-inline);
    return last.toString('utf8');
  }

  return {
    async trial(name, id, script, stands) {
      trying.add(keyOf(name));
      try {
        await whole(name.copyOf ?? '');
        await fillCopy(docker, place, name);
        const { exit, text } = await keepers.ask(name.workspace, ['take', '1']);
        if (exit !== 0) throw new SandboxError(`${text.trim()}; nothing was run`);
        // Its copy took a while: whoever stopped it, or decided on what it tries, did so before anything began.
        if (stops.has(id)) throw new SandboxError('it was stopped; nothing was run');
        if (!stands()) throw new SandboxError('what it was to try waits no more; nothing was run');
        const outcome = await carry(name, id, runFrame(id, script), script.timeout, () => {});
        const end = await endOf(outcome);
        return { outcome, end, did: (await keepers.ask(name.workspace, ['did', '1'])).text };
      } finally {
        stops.delete(id);
        trying.delete(keyOf(name));
        await feeders.remove(name, true);
        await removeCopies(docker, place, name.workspace);
      }
    },
    async warm(name) {
      await whole(name.workspace);
      await feeders.of(name);
    },
    run(name, id, script, onChunk) {
      // What the action names goes before what a lease of the network brings.
      const env = script.program === 'bash' ? { ...egress.env(name), ...script.env } : script.env;
      return carry(name, id, runFrame(id, { ...script, env }), script.timeout, onChunk);
    },
    lease: (name, id, args, onOpen) => unlessStopped(id, () => egress.run(name, id, args, onOpen)),
    terminal: (name, id, args, onOpen) => unlessStopped(id, () => terminals.run(name, id, args, onOpen)),
    terminals,
    servers: {
      look: (id, args) => unlessStopped(id, () => servers.look(id, args)),
      call: (id, ...of) => unlessStopped(id, () => servers.call(id, ...of)),
    },
    sweep: async () =>
      void (await Promise.all(
        [egress, terminals, servers].map((all) => all.sweep()).concat(removeCopies(docker, place)),
      )),
    adopt: (name, id, seconds, onChunk) => carry(name, id, watchFrame(id, 0), seconds, onChunk),
    async kill(name, id) {
      stops.add(id);
      if (egress.end(id, reasons.stopped)) return;
      if (terminals.end(id, reasons.stopped)) return;
      if (servers.end(id)) return;
      if (name.copyOf && !carried.has(id)) return; // not begun yet, or over: its container is not made for that
      endAfter(id, patience, why.stop);
      (await feeders.of(name)).send(killFrame(id));
    },
    standing: async () => [...(await tasksWithContainer(docker, place)), ...servers.standing()],
    async retire(name, outputs) {
      if (feeders.removing(name) || carriedFor(name).length > 0 || trying.has(keyOf(name))) return false;
      for (const all of [egress, terminals]) all.endOf(name, retired);
      servers.endOf(name);
      await feeders.remove(name, outputs);
      return true;
    },
    endCopy,
    async keep(workspace, ...words) {
      if (words[0] !== 'wait') await whole(workspace);
      return keepers.ask(workspace, words);
    },
    screen: (name) => runIn(containerFor(docker, place, name), screen),
    drop: async (name, id) => (await feeders.of(name)).send(dropFrame(id)),
    close() {
      closing.abort();
      egress.close();
      terminals.close();
      servers.close();
      for (const { timer } of carried.values()) clearTimeout(timer);
      feeders.close();
      keepers.close();
    },
    stopped: (id) => stops.delete(id),
    imageOf: (workspace) => imageOf(place, workspace),
    limits: place.limits,
  };
}
