/** Terminals in the engine: a program that stays beside the scripts of its task, typed into to the byte, and each of its ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { newId } from '../../ledger/src/action.ts';
import type { TerminalEnd } from '../../sandbox/src/terminals.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox();
});
after(() => box?.stop());

async function opened(script: string, seconds = 120, cwd = '.') {
  const id = newId();
  const open = Promise.withResolvers<void>();
  const over: Promise<TerminalEnd> = box.tasks.terminal(box.name, id, { script, cwd, seconds }, open.resolve);
  await Promise.race([open.promise, over]);
  const { terminals, kill } = box.tasks;
  return {
    id,
    over,
    type: (text: string) => terminals.type(id, Buffer.from(text)),
    shows: (text: string) => until(text, async () => (await terminals.screen(id)).includes(text)),
    wait: (text: string, before?: string) =>
      terminals.wait(id, { until: text, quiet: 1, seconds: 20 }, before),
    stop: () => kill(box.name, id),
  };
}
const standing = async () => {
  const label = [`org.pocketcoder=${box.place.project}`, 'org.pocketcoder.terminal'];
  return (await box.docker.listContainers({ all: true, filters: { label } })).length;
};
/** What would end as a word, be read by a shell, or by tmux; and what is no ASCII. */
const hostile = `a;b; $(id) \`id\` 'q' "é漢" ;`;

test('exactly what is sent is typed: a line that asks gets it to the byte, and its end says how it ended', async () => {
  const t = await opened(`read -r line; printf '%s' "$line" | od -An -v -tx1; stty size; tty; id -u; exit 7`);
  await t.type(`${hostile}\r`);
  const { exit, why, text } = await t.over;
  assert.deepEqual([exit, why], [7, '']);
  assert.equal(
    text.slice(text.indexOf('\n')).replace(/\s+/g, ' ').split(' 50 200')[0],
    ` ${Buffer.from(hostile)
      .toString('hex')
      .replace(/..(?=.)/g, '$& ')}`,
  );
  assert.match(text, /\/dev\/pts\/\d+\n65525\n/);
  await assert.rejects(t.type('x'), /no such terminal/);
  assert.equal(await standing(), 0);
});

test('its program is the agent’s without a right, in an environment of ours', async () => {
  const t = await opened(
    `grep -E 'Cap(Eff|Prm|Inh)|NoNewPrivs' /proc/self/status; git config user.email; env | grep -v ^_= | sort; exec sleep 60`,
  );
  const shown = await t.wait('USER=agent');
  assert.equal([...shown.matchAll(/^Cap\w+:\s+0{16}$/gm)].length, 3);
  assert.match(shown, /NoNewPrivs:\s+1/);
  assert.match(shown, /^test@localhost$/m);
  assert.doesNotMatch(shown, /TMUX|TERMINAL_|GIT_/);
  await assert.rejects(opened('true; echo \0'), /without a NUL byte; nothing was run/);
  await t.stop();
  assert.equal((await t.over).why, 'stopped');
});

test('attack-53 from the moment of its stop nothing is typed, and nothing that its program does holds its end up; its twin until then is', async () => {
  const t = await opened('while read -r line; do echo "got $line"; done; :');
  await t.type('one\r');
  await t.shows('got one');
  const container = box.docker.getContainer(`${box.place.project}-terminal-${t.id}`);
  await container.pause(); // as where it uses up all that it has: nothing more is answered from in there
  const stopped = t.stop();
  await assert.rejects(t.type('two\r'), /no such terminal.*nothing was typed/);
  await stopped;
  const { why, text } = await t.over;
  assert.deepEqual([why, text], ['stopped', '']);
  assert.equal(await standing(), 0);
});

test('a server in it is reached by scripts and outlives them, also one that ends all that it can', async () => {
  const t = await opened('exec python3 -m http.server --bind 127.0.0.1 3000');
  const asks = () => box.bash('curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:3000/');
  await until('it answers', async () => (await asks()).text === '200');
  await box.bash('kill -9 -1');
  assert.equal((await asks()).text, '200');
  const reach = await box.bash('ps ax | grep -c [h]ttp.server; ls /proc/*/exe 2>/dev/null | wc -l');
  assert.match(reach.text, /^0\n/);
  await t.stop();
  await t.over;
  assert.equal((await asks()).text, '000');
});

test('an interpreter is waited for by its prompt; Ctrl-C reaches it', async () => {
  const t = await opened('exec python3 -q');
  const first = await t.wait('>>>');
  await t.type('1200 + 34\r');
  const second = await t.wait('>>>', first);
  assert.match(second, /\n1234\n>>>/);
  await t.type('while True: pass\r\r');
  await t.type('\x03');
  assert.match(await t.wait('>>>', second), /KeyboardInterrupt/);
  await t.type('exit()\r');
  const end = await t.over;
  assert.equal(end.exit, 0, end.text);
});

test('a terminal whose program is killed for memory says so; one that is killed otherwise does not', async () => {
  const ended = async (script: string) => {
    const { exit, why, memory } = await (await opened(script)).over;
    return [exit, why, memory];
  };
  assert.deepEqual(await ended('exec python3 -c "bytearray(900 << 20)"'), [137, '', true]);
  assert.deepEqual(await ended('kill -9 $$'), [137, '', false]);
});

test('no more than two at once; its time, the end of the task’s container and a sweep each end it', async () => {
  const one = await opened('exec sleep 600', 3);
  const two = await opened('exec sleep 600');
  await assert.rejects(opened('exec sleep 600'), /2 terminals already/);
  assert.equal((await one.over).why, 'its time was over');
  assert.equal(await standing(), 1);
  await box.container.kill();
  assert.equal((await two.over).why, 'its task’s container ended');
  assert.equal(await standing(), 0);
  await box.tasks.warm(box.name);
  const three = await opened('exec sleep 600');
  await box.tasks.sweep();
  assert.match((await three.over).why, /container ended/);
});

/** The state that the engine has of a terminal, by the id of its action. */
const isRunning = async (id: string) =>
  (await box.docker.getContainer(`${box.place.project}-terminal-${id}`).inspect()).State.Running;

test('attack-62 the process that opened a terminal is killed and nothing takes its place: its program ends at its approved time; the twin, whose time is not over, runs on', async () => {
  await box.tasks.warm(box.name);
  const [short, long] = [newId(), newId()];
  const source = (name: string) => new URL(`../../${name}`, import.meta.url).href;
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { findEngine } from '${source('console/engine/engine.ts')}';
      import { makeTasks } from '${source('sandbox/src/tasks.ts')}';
      const tasks = makeTasks(findEngine().docker, ${JSON.stringify(box.place)});
      const open = (id, seconds) => tasks.terminal(${JSON.stringify(box.name)}, id,
        { script: 'trap "" HUP INT TERM; setsid sleep 600 & sleep 600', cwd: '.', seconds }, () => console.log(id));
      open('${short}', 4); open('${long}', 60);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes;
  });
  await until('both are open', () => said.includes(short) && said.includes(long));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.deepEqual(await Promise.all([short, long].map(isRunning)), [true, true]);
  await until('its end', async () => !(await isRunning(short)));
  assert.equal(await isRunning(long), true);
  await box.tasks.sweep();
  assert.equal(await standing(), 0);
});
