/** `./pocketcoder attach` at a real terminal: what runs is seen as it is, no key goes there, and the terminal is given back. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { type IPty, spawn } from 'node-pty';
import { findEngine } from '../../console/engine/engine.ts';
import { checkout } from '../../console/instance/paths.ts';
import { approve, askAndSee, endsWith } from '../harness/answers.ts';
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
async function inTask(...Cmd: string[]): Promise<string> {
  const { docker } = findEngine();
  const label = [`org.pocketcoder=${instance.project}`, 'org.pocketcoder.task'];
  const [task] = await docker.listContainers({ filters: { label } });
  const exec = await docker.getContainer(task?.Id ?? '').exec({ Cmd, AttachStdout: true, Tty: true });
  return text(await exec.start({ Tty: true }));
}
/** What looks at the task's terminal: its flags and its width. */
const clients = async (): Promise<string[]> =>
  (await inTask(...tmux, 'list-clients', '-F', '#{client_flags} #{client_width}'))
    .split(/\r?\n/)
    .filter((line) => line.includes('read-only'));
const tmux = ['tmux', '-S', '/run/tmux/socket'];

test('where nothing has run there is nothing to look at; without a terminal it says that it needs one', async () => {
  const at = attached();
  assert.notEqual(await at.ended, 0);
  assert.match(at.shown(), /no task of the workspace main has a container now/);
  const piped = await launch(['attach'], { env: { POCKETCODER_HOME: instance.home } });
  assert.match(piped.err, /attach shows a terminal, so it needs one/);
});

test('what runs is seen at the size of the terminal; no key goes there; q gives the terminal back', async () => {
  const script = `echo begun; printf '\\033]52;c;c2VjcmV0\\007'; until [ -e go ]; do sleep 0.1; done; echo over`;
  const card = await askAndSee(phone, `!run ${script}`);
  await approve(phone, card);
  const at = attached('main');
  await shows(at, 'begun');
  at.pty.write('x');
  at.pty.write('\x02:kill-server\r');
  at.pty.resize(100, 30);
  await until('the new size', async () => (await clients()).some((line) => line.endsWith(' 100')));
  assert.ok((await clients()).every((line) => line.includes('read-only') && line.includes('ignore-size')));
  await inTask('touch', '/workspace/go');
  await endsWith(phone, card, 'exit 0');
  at.pty.write('q');
  assert.equal(await at.ended, 0);
  assert.match(at.shown(), /No longer at the terminal of main; what runs there runs on\./);
  assert.ok(!at.shown().includes('c2VjcmV0'), 'nothing is put into the clipboard');
  assert.ok(at.shown().includes('\x1b[?25h'), 'the cursor is there again');
  assert.deepEqual(await clients(), []);
});

test('told to end, or its container gone, it gives the terminal back as well', async () => {
  const one = attached();
  await until('a client', async () => (await clients()).length === 1);
  one.pty.kill('SIGTERM');
  assert.equal(await one.ended, 0);
  const two = attached();
  await until('a client', async () => (await clients()).length === 1);
  const { docker } = findEngine();
  const label = [`org.pocketcoder=${instance.project}`, 'org.pocketcoder.task'];
  const [task] = await docker.listContainers({ filters: { label } });
  await docker.getContainer(task?.Id ?? '').kill();
  await two.ended;
  assert.match(two.shown(), /No longer at the terminal of main/);
});
