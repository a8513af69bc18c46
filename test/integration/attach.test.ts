/** `./pocketcoder attach` at a real terminal: what runs is seen as it is, no key goes there, and the terminal is given back. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { Container } from 'dockerode';
import { type IPty, spawn } from 'node-pty';
import { findEngine } from '../../console/engine/engine.ts';
import { checkout } from '../../console/instance/paths.ts';
import { approve, askAndSee } from '../harness/answers.ts';
import { type Instance, launch, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import type { Phone } from '../phone/phone.ts';

let instance: Instance;
let phone: Phone;
before(async () => {
  instance = await startInstance();
  phone = await pairedPhone({ address: instance.address, home: instance.home, ...instance.owner });
});
after(async () => {
  await phone?.close();
  await instance?.destroy();
});

type At = { pty: IPty; shown(): string; ended: Promise<number> };
function attached(...words: string[]): At {
  let shown = '';
  const env = { ...process.env, POCKETCODER_HOME: instance.home, TERM: 'xterm-256color' };
  const pty = spawn(join(checkout, 'pocketcoder'), ['attach', ...words], { env, cols: 80, rows: 24 });
  pty.onData((text) => {
    shown += text;
  });
  const ended = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
  return { pty, shown: () => shown, ended };
}
const shows = (at: At, what: string) => until(`${what} at the terminal`, () => at.shown().includes(what));
async function task(): Promise<Container> {
  const { docker } = findEngine();
  const label = [`org.pocketcoder=${instance.project}`, 'org.pocketcoder.task'];
  const [task] = await docker.listContainers({ filters: { label } });
  return docker.getContainer(task?.Id ?? '');
}
async function as(User: string, ...Cmd: string[]): Promise<string[]> {
  const exec = await (await task()).exec({ Cmd, User, AttachStdout: true, Tty: true });
  return (await text(await exec.start({ Tty: true }))).split(/\r?\n/).filter(Boolean);
}
const inTask = (...words: string[]) => as('0', ...words);
const tmux = ['tmux', '-S', '/run/tmux/socket'];
/** What looks at the task's terminal (not the feeder, which takes no output), and the windows that are there. */
const clients = async () =>
  (await inTask(...tmux, 'list-clients', '-F', '#{client_flags} #{client_width}')).filter(
    (line) => !line.includes('no-output'),
  );
const windows = () => inTask(...tmux, 'list-windows', '-t', 'task', '-F', '#{window_width}x#{window_height}');
/** Keys that tmux, a shell or a program would do something about. */
const keys = ['x', '\r', '\x02c', '\x02:kill-server\r', '\x1b[200~pasted\x1b[201~', '\x1a', '\x02%'];
const over = /No longer at the terminal of main; what runs there runs on\./;

test('where nothing has run there is nothing to look at; without a terminal it says that it needs one', async () => {
  const at = attached();
  assert.notEqual(await at.ended, 0);
  assert.match(at.shown(), /no task of the workspace main has a container now/);
  const piped = await launch(['attach'], { env: { POCKETCODER_HOME: instance.home } });
  assert.match(piped.err, /attach shows a terminal, so it needs one/);
});

const toTheTerminalItself = [
  '\\033]52;c;c2VjcmV0\\007',
  '\\033]0;a title\\007',
  '\\033Ptmux;\\033\\033]52;c;c2VjcmV0\\007\\033\\\\',
].join('');

test('attack-61 what runs is seen at the size of the terminal; no key goes there; C-b d gives the terminal back', async () => {
  const script = `echo 'begun, é'; printf '${toTheTerminalItself}'; until [ -e go ]; do sleep 0.1; done; echo over; exit 3`;
  const card = await askAndSee(phone, `!run ${script}`);
  await approve(phone, card);
  const at = attached('main');
  await shows(at, 'begun, é');
  for (const key of keys) at.pty.write(key);
  at.pty.resize(100, 30);
  await until('the new size', async () => (await windows())[1] === '100x30');
  assert.match((await clients()).join(), /^[^,]*(,\S+)*,read-only,\S+ 100$/);
  assert.deepEqual(await as('agent', 'touch', '/workspace/go'), []);
  await shows(at, 'over');
  assert.equal((await windows()).length, 2);
  at.pty.write('\x02');
  at.pty.write('d');
  assert.equal(await at.ended, 0);
  assert.match(at.shown(), over);
  assert.ok(!/c2VjcmV0|a title|pasted/.test(at.shown()), 'nothing is put into the clipboard, title or task');
  assert.ok(at.shown().includes('\x1b[?25h'), 'the cursor is there again');
  assert.deepEqual(await clients(), []);
});

test('attack-61 its twin, a client that may type, does something about such a key', async () => {
  const Cmd = [...tmux, 'attach-session', '-t', 'task'];
  const exec = await (await task()).exec({ Cmd, Tty: true, AttachStdin: true, AttachStdout: true });
  const stream = await exec.start({ hijack: true, stdin: true, Tty: true });
  stream.resume();
  await until('a client', async () => (await clients()).length === 1);
  stream.write('\x02c');
  await until('a window more', async () => (await windows()).length === 3);
  await inTask(...tmux, 'kill-window', '-t', 'task:2');
  stream.write('\x02d');
  await until('no client', async () => (await clients()).length === 0);
});

test('the next action is seen in the place of the last', async () => {
  const at = attached();
  await shows(at, 'over');
  const card = await askAndSee(phone, '!run echo the second');
  await approve(phone, card);
  await shows(at, 'the second');
  at.pty.write('q');
  assert.equal(await at.ended, 0);
});

test('told to end it gives the terminal back; so it does where the container stands still, or is killed', async () => {
  const one = attached();
  await until('a client', async () => (await clients()).length === 1);
  one.pty.kill('SIGTERM');
  assert.equal(await one.ended, 0);
  assert.match(one.shown(), over);
  for (const what of ['pause', 'kill'] as const) {
    const two = attached();
    await until('a client', async () => (await clients()).length === 1);
    const container = await task();
    await container[what]();
    assert.equal(await two.ended, 69);
    const [, after = ''] = two.shown().split('\x1b[0 q');
    assert.match(after, /The terminal of main is gone: its task's container ended, stands still/);
    if (what === 'pause') await container.unpause();
    if (what === 'pause') await inTask('pkill', '-f', 'attach-session -t task -f read-only$');
  }
});
