/**
 * Terminals: a program each, in a container of its own that is the task's in all but its processes, so that the end of a script, which
 * ends all that is the agent's beside it, does not reach it. It shares the task's loopback. Its tmux is root's, and so is what reads and types.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { TerminalArgs, Wait } from '../../ledger/src/action.ts';
import { retry, within } from '../../ledger/src/retry.ts';
import { ignoring, type Place, SandboxError, type TaskName, terminalOptions } from './container.ts';
import { runIn } from './exec.ts';
import { noRoom } from './frames.ts';
import { caFile, placeCa } from './lent.ts';
import { base, terminalOf } from './script.ts';

/** How a terminal ended: its program's exit status, where it ended by itself, else why; whether memory ran out; and what was on it last. */
export type TerminalEnd = { exit?: number; why: string; memory: boolean; text: string };

type Open = { name: TaskName; container: Docker.Container; over: boolean; end(why: string): void };

/** Terminals that a task has at once; milliseconds between two looks at one. */
const most = 2;
const lookEvery = 200;
/** Milliseconds for the last look at what has ended, which nothing that runs on in its container may hold up. */
const lastLook = 2000;
/** Seconds after its time in which its container ends by itself, should no executor have ended it: enough for that last look. */
const spare = 5;

/** What its first process exits with where too little of the disk is left. */
const roomExit = 75;

/** The tmux of a container of ours, which is root's. */
export const tmux = ['tmux', '-S', '/run/tmux/socket'];
/**
 * What runs in it: as the agent without a right, in an environment of ours, and nothing of the script is read by tmux or by root. Root's
 * shell waits for it, through the keys that are signals, for tmux now and then overlooks the end of its own child.
 */
const startWith = (env: Readonly<Record<string, string>>): string =>
  [
    'trap : INT QUIT TSTP; setpriv --reuid=agent --regid=agent --clear-groups --no-new-privs --inh-caps=-all env -i',
    ...Object.entries({ ...base, TERM: 'screen-256color', ...env }).map(
      ([name, value]) => `${name}=${value}`,
    ),
    `bash -c 'cd "$0" && exec bash -c "$1"' "$TERMINAL_CWD" "$TERMINAL_SCRIPT";`,
    `echo $? > /run/task/over; ${tmux.join(' ')} wait-for -S ended`,
  ].join(' ');
/** Its program's exit status, and what the kernel has counted of memory, by cgroup v2 or v1: what is there of them. */
const ends = ['/run/task/over', '/sys/fs/cgroup/memory.events', '/sys/fs/cgroup/memory/memory.oom_control'];
/** Once its tmux is there. */
const opening = [
  'until [ -e /run/task/ready ]; do sleep 0.05; done',
  `${tmux.join(' ')} new-window -k -t task:1 "$1"`,
].join('; ');

/** @param wayOf what a program finds in its environment while its task has a lease of the network, whose listener it shares */
export function makeTerminals(
  docker: Docker,
  place: Place,
  taskOf: (name: TaskName) => Docker.Container,
  wayOf: (name: TaskName) => Record<string, string>,
) {
  const terminals = new Map<string, Open>();
  const closing = new AbortController();
  const of = (name: TaskName): Open[] =>
    [...terminals.values()].filter((t) => t.name.task === name.task && t.name.workspace === name.workspace);
  const label = { label: [`org.pocketcoder=${place.project}`, 'org.pocketcoder.terminal'] };
  const again = {
    first: 200,
    most: 5000,
    again: (_: unknown, tries: number) => tries < 10,
    signal: closing.signal,
  };
  /** What was promised to be over does not run on: it is tried again, and who waits for it is told where it fails. */
  const remove = (id: string) =>
    retry(() => docker.getContainer(id).remove({ force: true }).catch(ignoring(404, 409)), again);

  /** What it says, or '' where it says nothing in time. */
  const soon = async (said: Promise<string>) => (await within(said, lastLook).catch(() => '')) ?? '';

  /** What stands there: with `back`, so many lines above the screen as well. */
  async function screen({ container }: Open, back = 0): Promise<string> {
    return (await runIn(container, [...tmux, 'capture-pane', '-p', '-S', `-${back}`, '-t', 'task:1'])).text;
  }

  const isOpen = (id: string): boolean => terminals.get(id)?.over === false;

  function opened(id: string): Open {
    const open = terminals.get(id);
    if (!open || open.over)
      throw new SandboxError('there is no such terminal in this task any more; nothing was typed');
    return open;
  }

  return {
    /**
     * Starts the program, and resolves when it has ended, or was ended, and its container is gone.
     * @param onOpen called once, when it runs
     * @throws SandboxError where it could not be started
     */
    async run(name: TaskName, id: string, args: TerminalArgs, onOpen: () => void): Promise<TerminalEnd> {
      const { script, cwd, seconds } = terminalOf(args);
      if (place.runtime) throw new SandboxError('terminals are not tried under gVisor; nothing was started');
      if (of(name).length >= most)
        throw new SandboxError(
          `this task has ${most} terminals already: close one first; nothing was started`,
        );
      const over = Promise.withResolvers<string>();
      const container = docker.getContainer(`${place.project}-terminal-${id}`);
      const end = (why: string) => {
        open.over = true;
        over.resolve(why);
      };
      const open: Open = { name, container, over: false, end };
      terminals.set(id, open);
      const late = setTimeout(() => end('its time was over'), seconds * 1000);
      try {
        const task = await taskOf(name).inspect();
        const Env = [`TERMINAL_SCRIPT=${script}`, `TERMINAL_CWD=${cwd}`];
        await docker.createContainer(terminalOptions(place, name, id, task.Id, seconds + spare, Env));
        await container.start();
        const way = wayOf(name);
        if (Object.keys(way).length > 0)
          await placeCa(container, (await runIn(taskOf(name), ['cat', caFile])).text);
        const { exit } = await runIn(container, ['sh', '-c', opening, 'sh', startWith(way)]);
        if (exit !== 0) throw new SandboxError('its terminal could not be made; nothing was started');
        onOpen();
        const ended = (why: string) => () => end(why);
        const taskEnded = ended('its task’s container ended');
        void taskOf(name).wait().then(taskEnded, taskEnded);
        const program = runIn(container, [...tmux, 'wait-for', 'ended']);
        const room = ({ StatusCode }: { StatusCode: number }) => (StatusCode === roomExit ? noRoom : '');
        const gone = () => soon(container.wait().then(room)).then((why) => end(why || 'its container ended'));
        void program.then(({ exit }) => (exit === 0 ? end('') : gone()), gone);
        const why = await over.promise;
        closing.signal.throwIfAborted();
        const status = why ? '' : await soon(runIn(container, ['cat', ...ends]).then(({ text }) => text));
        const exited = Number.parseInt(status, 10);
        const text = await soon(screen(open, 500));
        return { ...(exited >= 0 && { exit: exited }), why, memory: /^oom_kill [1-9]/m.test(status), text };
      } finally {
        clearTimeout(late);
        open.over = true;
        await remove(container.id);
        terminals.delete(id);
      }
    },
    /** Types exactly these bytes. @throws SandboxError where nothing was typed */
    async type(id: string, bytes: Uint8Array): Promise<void> {
      const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));
      const keys = [...tmux, 'send-keys', '-t', 'task:1', '-H', ...hex];
      if (hex.length > 0 && (await runIn(opened(id).container, keys)).exit !== 0)
        throw new SandboxError('the terminal did not take it; nothing was typed');
    },
    screen: (id: string): Promise<string> => screen(opened(id)),
    /** What stands there once its last line ends with `until`, or, without one, once nothing changed for `quiet` seconds; or when time is over, or it ended. */
    async wait(id: string, { until, quiet, seconds }: Wait, before?: string): Promise<string> {
      const started = Date.now();
      let text = await screen(opened(id));
      let since = started;
      for (let now = started; now < started + seconds * 1000 && isOpen(id); now = Date.now()) {
        const last = text.trimEnd().split('\n').at(-1) ?? '';
        if (until ? text !== before && last.endsWith(until.trimEnd()) : now - since >= quiet * 1000) break;
        await pause(lookEvery);
        const next = await screen(opened(id)).catch(() => text);
        if (next !== text) since = Date.now();
        text = next;
      }
      return text;
    },
    /** Ends the terminal with this id. @returns false where there is none */
    end(id: string, why: string): boolean {
      terminals.get(id)?.end(why);
      return terminals.has(id);
    },
    endOf(name: TaskName, why: string): void {
      for (const { end } of of(name)) end(why);
    },
    /** Takes away what an earlier process left. */
    async sweep(): Promise<void> {
      for (const { Id } of await docker.listContainers({ all: true, filters: label })) await remove(Id);
    },
    /** Ends every terminal; `run` rejects then. */
    close(): void {
      closing.abort();
      for (const { end } of terminals.values()) end('the executor stops');
    },
  };
}
