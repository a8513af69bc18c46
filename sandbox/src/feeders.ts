/** An open feeder to each task's container, made anew where it is lost, and the container's end, which no use of it may cross. */
import type Docker from 'dockerode';
import { retry } from '../../ledger/src/retry.ts';
import { ensureContainer, type Place, removeContainer, removeStore, type TaskName } from './container.ts';
import { conversation, readOutput } from './exec.ts';
import { type Feeder, openFeeder } from './feeder.ts';
import type { makeKeepers } from './keepers.ts';

const feeder = ['/usr/lib/pocketcoder/task', 'feed'];

/** Of a task in its workspace: the same task in another one is another's. */
export const keyOf = ({ task, workspace }: TaskName): string => `${task} ${workspace}`;

/** @param signal from then on nothing is opened any more */
export function makeFeeders(
  docker: Docker,
  place: Place,
  keepers: Pick<ReturnType<typeof makeKeepers>, 'takeOver'>,
  signal: AbortSignal,
) {
  const feeders = new Map<string, Promise<Feeder>>();
  const removals = new Map<string, Promise<void>>();
  const patiently = { first: 50, most: 5000, again: () => true, signal };

  async function connect(name: TaskName): Promise<Feeder> {
    await removals.get(keyOf(name));
    const container = await ensureContainer(docker, place, name);
    const taken = keepers.takeOver(name.workspace, container);
    taken.catch(() => {}); // told below, once there is a stream to close
    const opened = await openFeeder((onBytes) => conversation(docker, container, feeder, onBytes));
    await taken.catch((error: unknown) => {
      opened.close();
      throw error;
    });
    return opened;
  }

  /** The container runs and its feeder listens. @throws SandboxError, or Docker's own error */
  async function of(name: TaskName): Promise<Feeder> {
    signal.throwIfAborted();
    const key = keyOf(name);
    const had = feeders.get(key);
    const feeder = await had?.catch(() => undefined);
    if (feeder?.open) return feeder;
    // Whoever comes first opens the new one; the others find it in the map.
    if (feeders.get(key) !== had) return of(name);
    const next = connect(name);
    feeders.set(key, next);
    return next;
  }
  /** As `of`, but for an action that has started: Docker being away for a while does not end it. */
  const reach = (name: TaskName): Promise<Feeder> => retry(() => of(name), patiently);

  return {
    of,
    reach,
    /** What the action has written, read as fast as it is taken. */
    async *read(name: TaskName, id: string): AsyncGenerator<Uint8Array> {
      await reach(name);
      yield* readOutput(await ensureContainer(docker, place, name), id);
    },
    /**
     * Ends the container. Whoever wants it from now on waits until it is gone, and makes another.
     * @param outputs what it has written of outputs goes too
     */
    remove(name: TaskName, outputs: boolean): Promise<void> {
      const key = keyOf(name);
      feeders.delete(key);
      const gone = retry(() => removeContainer(docker, place, name), patiently)
        .then(() => (outputs ? removeStore(docker, place, name) : undefined))
        .finally(() => removals.delete(key));
      removals.set(key, gone);
      return gone;
    },
    /** Whether the container is there for somebody, or being made or ended. */
    has: (name: TaskName): boolean => feeders.has(keyOf(name)) || removals.has(keyOf(name)),
    removing: (name: TaskName): boolean => removals.has(keyOf(name)),
    /** Ends the streams; what runs in the containers runs on. */
    close(): void {
      for (const feeder of feeders.values()) feeder.then((f) => f.close()).catch(() => {});
    },
  };
}
