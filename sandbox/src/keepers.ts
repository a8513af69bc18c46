/** An open conversation with image/keep.py in each workspace's keeper: a line asked, its exit status and its words answered, in order. */
import { finished, PassThrough } from 'node:stream';
import type Docker from 'dockerode';
import { ensureKeeper, type Place, SandboxError } from './container.ts';
import { conversation, runIn } from './exec.ts';

const keep = ['python3', '-I', '-X', 'utf8', '/usr/lib/pocketcoder/keep.py'];
/** Prints those of a workspace's volumes that are not the agent's. */
const others = ['find', '/workspace', '/base', '-maxdepth', '0', '!', '-user', 'agent'];

export type Kept = { exit: number; text: string };

/** What a keeper says, as `EXIT SIZE`, a line's end, and so many bytes. */
async function* answersOf(said: AsyncIterable<Buffer>): AsyncGenerator<Kept, undefined> {
  let held = Buffer.alloc(0);
  for await (const part of said) {
    held = Buffer.concat([held, part]);
    for (let line = held.indexOf('\n'); line >= 0; line = held.indexOf('\n')) {
      const [exit = -1, size = 0] = held.toString('latin1', 0, line).split(' ').map(Number);
      const end = line + 1 + size;
      if (held.length < end) break;
      yield { exit, text: held.toString('utf8', line + 1, end) };
      held = held.subarray(end);
    }
  }
}

/** @param signal from then on nothing is opened any more */
export function makeKeepers(docker: Docker, place: Place, signal: AbortSignal) {
  const keepers = new Map<string, ReturnType<typeof open>>();
  /** Workspaces whose files are the agent's for sure. */
  const agents = new Set<string>();

  async function open(workspace: string) {
    const said = new PassThrough();
    const container = await ensureKeeper(docker, place, workspace);
    const stream = await conversation(docker, container, keep, (bytes) => said.write(bytes));
    finished(stream, { writable: false }, () => {
      keepers.delete(workspace);
      said.end();
    });
    return { stream, answers: answersOf(said) };
  }

  /** What keep.py says to these words, which are numbers and hex. @throws SandboxError, or Docker's own error */
  async function ask(workspace: string, words: readonly string[]): Promise<Kept> {
    signal.throwIfAborted();
    const opened = keepers.get(workspace) ?? open(workspace);
    keepers.set(workspace, opened);
    opened.catch(() => keepers.delete(workspace));
    const { stream, answers } = await opened;
    stream.write(`${words.join(' ')}\n`);
    const { value } = await answers.next();
    if (!value) throw new SandboxError('the keeper of snapshots ended');
    return value;
  }

  return {
    ask,
    /**
     * What an older release left is another uid's, and becomes the agent's before anything runs there. Only a keeper has the right to
     * that: it is asked where there is something. @param container of a task in that workspace
     */
    async takeOver(workspace: string, container: Docker.Container): Promise<void> {
      if (agents.has(workspace)) return;
      const found = await runIn(container, others);
      const { exit, text } = found.exit === 0 && !found.text ? found : await ask(workspace, ['own']);
      if (exit !== 0) throw new SandboxError(`${text.trim()}; nothing was run`);
      agents.add(workspace);
    },
    /** Ends the one about this workspace. */
    end(workspace: string): void {
      keepers
        .get(workspace)
        ?.then(({ stream }) => stream.destroy())
        .catch(() => {});
      keepers.delete(workspace);
    },
    /** Ends the conversations; a way back that is under way goes on. */
    close(): void {
      for (const keeper of keepers.values()) keeper.then(({ stream }) => stream.destroy()).catch(() => {});
    },
  };
}
