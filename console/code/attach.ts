/** `pocketcoder attach`: the terminal of a workspace's task as it is, to look at. No key of this terminal goes there. */
import { finished } from 'node:stream/promises';
import type Docker from 'dockerode';
import { findEngine, requireEngine } from '../engine/engine.ts';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';

/**
 * A client of the task's tmux that can type nothing. What a terminal is asked for by name (clipboard, title, bytes for itself alone) ends
 * at that tmux; one that does not know such an option ends before it shows anything.
 */
const look = [
  ...['tmux', '-u', '-S', '/run/tmux/socket', 'set', '-g', 'allow-passthrough', 'off', ';'],
  ...['set', '-g', 'set-clipboard', 'off', ';', 'set', '-g', 'set-titles', 'off', ';'],
  ...['attach-session', '-t', 'task', '-f', 'read-only'],
];
/** What tmux's own keys for it send: the client in there ends, where a connection that is cut would leave it. */
const detach = '\x02d';
/** Ends what a program may have asked of a terminal: second screen, edges, cursor's look, mouse, focus, pasting, colours. */
const restored = '\x1b[?1049l\x1b[r\x1b[?25h\x1b[0 q\x1b]112\x07\x1b[?1000;1002;1003;1004;1006;2004l\x1b[0m';
/** q, Ctrl-C, Ctrl-D; and tmux's own. */
const ending = ['q', 'Q', '\x03', '\x04', detach];
/** Milliseconds for the client in there to end; between two looks whether its container still goes. */
const patience = 2000;
const known = ['xterm', 'xterm-256color', 'screen', 'screen-256color', 'tmux', 'tmux-256color', 'linux'];

/** The container of the task that the workspace had last. @throws Fault where it has none */
async function containerOf(docker: Docker, project: string, workspace: string): Promise<Docker.Container> {
  const label = [
    `org.pocketcoder=${project}`,
    `org.pocketcoder.workspace=${workspace}`,
    'org.pocketcoder.task',
  ];
  const running = await docker.listContainers({ filters: { label, status: ['running'] } });
  const last = running.toSorted((a, b) => b.Created - a.Created)[0];
  if (last) return docker.getContainer(last.Id);
  throw fault.unavailable(
    `Nothing to look at: no task of the workspace ${workspace} has a container now. It gets one with its next action.`,
  );
}

/**
 * Shows it until a key is pressed that ends that, or this process is told to end.
 * @throws Fault also where the task's container ended or stands still meanwhile
 */
export async function attach(instance: Instance, workspace = 'main'): Promise<void> {
  const { stdin, stdout } = process;
  if (!stdin.isTTY || !stdout.isTTY)
    throw fault.usage('attach shows a terminal, so it needs one. Nothing was done.');
  const { docker } = await requireEngine(findEngine());
  const container = await containerOf(docker, instance.state.project, workspace);
  const { TERM = '' } = process.env;
  const exec = await container.exec({
    ...{ Cmd: look, Tty: true, AttachStdin: true, AttachStdout: true, AttachStderr: true },
    Env: [`TERM=${known.includes(TERM) ? TERM : 'xterm-256color'}`],
  });
  stdout.write(`The terminal of ${workspace}, to look at: q or Ctrl-C ends this.\n`);
  const stream = await exec.start({ hijack: true, stdin: true, Tty: true });
  const resize = () => void exec.resize({ h: stdout.rows, w: stdout.columns }).catch(() => {});
  let left = false;
  const leave = () => {
    left = true;
    stream.write(detach);
    setTimeout(() => stream.destroy(), patience).unref();
  };
  let before = '';
  // No key goes on. What the terminal answers by itself is longer than any of these.
  const press = (keys: Buffer) => {
    if (ending.includes(keys.toString()) || ending.includes(before + keys)) leave();
    before = keys.toString();
  };
  const watching = setInterval(async () => {
    const { State } = await container.inspect().catch(() => ({ State: undefined }));
    if (State && (State.Paused || !State.Running)) stream.destroy();
  }, patience);
  const signals = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const;
  for (const signal of signals) process.on(signal, leave);
  stdin.setRawMode(true).on('data', press).resume();
  stdout.on('resize', resize);
  try {
    stream.on('data', (bytes: Buffer) => stdout.write(bytes));
    resize();
    await finished(stream, { writable: false }).catch(() => {});
  } finally {
    clearInterval(watching);
    stdout.off('resize', resize);
    stdin.off('data', press).setRawMode(false).pause();
    for (const signal of signals) process.off(signal, leave);
    stdout.write(`${restored}\n`);
  }
  if (left) stdout.write(`No longer at the terminal of ${workspace}; what runs there runs on.\n`);
  else throw await lost(exec, workspace);
}

async function lost(exec: Docker.Exec, workspace: string): Promise<Error> {
  const { ExitCode } = await exec.inspect().catch(() => ({ ExitCode: null }));
  return fault.unavailable(
    `The terminal of ${workspace} is gone: its task's container ended, stands still, or shows none (exit ${ExitCode ?? 'unknown'}). ` +
      'It gets another with its next action; ./pocketcoder logs executor says more.',
  );
}
