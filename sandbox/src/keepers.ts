/** An open conversation with image/keep.py in each workspace's keeper: a line asked, its exit status and its words answered, in order. */
import type { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import { ensureKeeper, type Place, SandboxError } from './container.ts';
import { keeperStream } from './exec.ts';

const gone = 'the keeper of snapshots ended';

export type Kept = { exit: number; text: string };
type Keeper = { ask(words: readonly string[]): Promise<Kept>; stream: Duplex };

/** @param signal from then on nothing is opened any more */
export function makeKeepers(docker: Docker, place: Place, signal: AbortSignal) {
  const keepers = new Map<string, Promise<Keeper>>();

  async function connect(workspace: string): Promise<Keeper> {
    const waiting: PromiseWithResolvers<Kept>[] = [];
    let held = Buffer.alloc(0);
    let lost = false;
    function take(bytes: Uint8Array): void {
      held = Buffer.concat([held, bytes]);
      for (let line = held.indexOf('\n'); line >= 0; line = held.indexOf('\n')) {
        const [exit = -1, size = 0] = held.toString('latin1', 0, line).split(' ').map(Number);
        const end = line + 1 + size;
        if (held.length < end) return;
        waiting.shift()?.resolve({ exit, text: held.toString('utf8', line + 1, end) });
        held = held.subarray(end);
      }
    }
    const stream = await keeperStream(docker, await ensureKeeper(docker, place, workspace), take);
    function lose(): void {
      if (lost) return;
      lost = true;
      keepers.delete(workspace); // the next one asks a new one
      stream.destroy();
      for (const { reject } of waiting.splice(0)) reject(new SandboxError(gone));
    }
    for (const event of ['end', 'close', 'error']) stream.on(event, lose);
    return {
      stream,
      async ask(words) {
        const answer = Promise.withResolvers<Kept>();
        if (lost) throw new SandboxError(gone);
        waiting.push(answer);
        stream.write(`${words.join(' ')}\n`);
        return answer.promise;
      },
    };
  }
  function of(workspace: string): Promise<Keeper> {
    const known = keepers.get(workspace) ?? connect(workspace);
    keepers.set(workspace, known);
    known.catch(() => keepers.delete(workspace));
    return known;
  }

  return {
    /** What keep.py says to these words, which are numbers and hex. @throws SandboxError, or Docker's own error */
    async ask(workspace: string, words: readonly string[]): Promise<Kept> {
      signal.throwIfAborted();
      return (await of(workspace)).ask(words);
    },
    /** Ends the conversations; a way back that is under way goes on. */
    close(): void {
      for (const keeper of keepers.values()) keeper.then((k) => k.stream.destroy()).catch(() => {});
    },
  };
}
