/** What a hostile script cannot do; each with a twin that shows that the way itself works. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newId } from '../../ledger/src/action.ts';
import { bashScript, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox({ memory_mb: 384, pids: 128, cpus: 2 });
});
after(() => box?.stop());

const agents = async () =>
  (await box.root('ps', '-U', 'agent', '-o', 'pid,args', '--no-headers')).text.trim();

test('attack-43 a script has no capabilities, cannot gain any, and inherits no files', async () => {
  const { text } = await box.bash(
    'grep -E "^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|Seccomp):" /proc/self/status | tr -d "\\t"; ' +
      // Each by its number: listing the folder, or piping the list on, opens files of its own.
      'id -u; id -G; for n in {0..1023}; do [ -L /proc/$$/fd/$n ] && printf "%s " $n; done; echo; find / -xdev -perm /6000 -type f 2>/dev/null',
  );
  const zero = '0'.repeat(16);
  const expected = ['Inh', 'Prm', 'Eff', 'Amb'].map((c) => `Cap${c}:${zero}`);
  assert.deepEqual(text.split('\n'), [
    ...expected,
    'NoNewPrivs:1',
    'Seccomp:2',
    '65525',
    '65525',
    '0 1 2 255 ',
    '', // and no file that would change who runs it
  ]);
  // The twin: the runner, root in the same container, does hold the three.
  assert.match((await box.root('grep', 'CapEff', '/proc/1/status')).text, /00000000000000e0/);
});

test('a script that daemonises in every way leaves nothing behind', async () => {
  const script = `
    sleep 1000 & disown
    setsid sleep 1001 &
    nohup sleep 1002 >/dev/null 2>&1 &
    (setsid bash -c '(trap "" TERM HUP INT; setsid sleep 1003 & disown) &' &)
    python3 - <<'P'
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 64)
        time.sleep(1004)
    os._exit(0)
P
    until [ "$(pgrep -U agent -x sleep | wc -l)" = 4 ] && pgrep -U agent python3 >/dev/null; do sleep 0.01; done
    echo alive`;
  const result = await box.bash(script);
  assert.equal(result.text, 'alive\n'); // the twin: they did run
  assert.equal(result.how, 'exit');
  assert.equal(await agents(), '');
});

test('a script cannot end the runner, the killer, tmux or the first process', async () => {
  const before = (await box.root('pgrep', '-f', 'tmux -f')).text;
  const script = `
    for pid in $(ls /proc | grep -E '^[0-9]+$'); do
      if [ "$(stat -c %u /proc/$pid 2>/dev/null)" = 0 ]; then kill -9 $pid 2>/dev/null && echo killed $pid; fi
    done
    sleep 1000 & kill -9 $! && echo twin killed
    exit 3`;
  const result = await box.bash(script);
  assert.equal(result.text.replace(/^.*line \d+:.*Killed.*\n/m, ''), 'twin killed\n');
  assert.equal(result.number, 3);
  assert.equal((await box.root('pgrep', '-f', 'tmux -f')).text, before);
  assert.equal((await box.bash('kill -9 -1; exit 5')).how, 'exit'); // its own processes alone
});

test('attack-39 status, output, script and tmux are out of a script’s reach', async () => {
  const result = await box.bash(`
    ls /var/lib/task; ls /run/tmux; ls /run/task; echo x > /var/lib/task/x; tmux -S /run/tmux/socket ls
    echo x > "$0"; rm -f "$0"; mv "$0" /tmp; for tty in /dev/pts/[0-9]*; do echo forged > $tty; done
    ls /proc/1/fd; for p in $(pgrep -u 0 task); do cat /proc/$p/mem | head -c1; ls /proc/$p/fd; done
    python3 -c 'import os; os.ftruncate(1, 0)'
    exit 6`);
  assert.equal(result.number, 6);
  // Every one of these lines is a refusal.
  const lines = result.text
    .split('\n')
    .filter((l) => l !== '' && !/Permission denied|^Traceback|^ {2}File|Not permitted/i.test(l));
  assert.deepEqual(lines, ['OSError: [Errno 22] Invalid argument']);
  assert.equal((await box.bash('cat "$0" >/dev/null && echo x > /tmp/x && cat /tmp/x')).text, 'x\n');
});

test('no script of an earlier action can be read', async () => {
  await box.bash('echo secret-of-the-first');
  const result = await box.bash(
    's=secret; grep -rl "$s-of-the-first" /run /tmp /home /workspace /var/lib /proc/[0-9]*/cmdline 2>/dev/null; true',
  );
  assert.equal(result.text, '');
});

test('attack-31 there is no network but loopback', async () => {
  const result = await box.bash(`
    ls /sys/class/net
    python3 - <<'P'
import socket
for host, port in [('1.1.1.1', 53), ('172.17.0.1', 22), ('169.254.169.254', 80)]:
    s = socket.socket(); s.settimeout(2)
    try:
        s.connect((host, port)); print('connected', host)
    except OSError as e:
        print(e.errno)
a = socket.socket(); a.bind(('127.0.0.1', 0)); a.listen(); b = socket.create_connection(a.getsockname()); print('twin connected')
P
    getent hosts debian.org || echo no name`);
  assert.equal(result.text, 'lo\n101\n101\n101\ntwin connected\nno name\n');
});

test('attack-43 only the workspace, the home and /tmp can be written', async () => {
  const result = await box.bash(`
    for d in / /base /etc /usr/bin /usr/lib/pocketcoder /var/tmp /run /run/task /home /root /var/lib/task /sys /proc/sys/kernel; do
      ( : > $d/x ) 2>/dev/null && echo wrote $d
    done
    for d in /workspace /home/agent /tmp; do : > $d/x && echo twin $d; done
    mount -t tmpfs x /mnt 2>/dev/null && echo mounted; unshare -Ur true 2>/dev/null && echo unshared; mknod /tmp/n c 1 3 2>/dev/null && echo made
    ls /var/run/docker.sock /dev/sda /dev/mem 2>/dev/null; true`);
  assert.equal(result.text, 'twin /workspace\ntwin /home/agent\ntwin /tmp\n');
});

test('attack-43 a fork bomb is contained and ended, and the next action runs', async () => {
  const bomb = 'echo lit; bomb() { bomb | bomb & bomb; }; bomb 2>/dev/null; sleep 60';
  const result = await box.bash(bomb, { timeout: 3 });
  assert.match(result.text, /^lit\n/);
  assert.equal(await agents(), '');
  assert.equal((await box.bash('echo next')).text, 'next\n');
});

test('attack-43 filling memory ends the script and not its runner', async () => {
  const result = await box.bash('python3 -c "x = bytearray(700 << 20); print(len(x))"; echo "status $?"');
  assert.match(result.text, /status 137\n$/);
  const twin = await box.bash('python3 -c "x = bytearray(100 << 20); print(len(x))"');
  assert.equal(twin.text, '104857600\n');
  const shared = await box.bash('head -c 700M /dev/zero > /tmp/fill; stat -c %s /tmp/fill; rm /tmp/fill');
  assert.ok(Number(shared.text.match(/^\d+$/m)?.[0]) <= 192 << 20, shared.text);
});

test('an action is started once, whoever asks again', async () => {
  const id = newId();
  const script = bashScript('echo run >> /workspace/times');
  assert.equal(ran(await box.tasks.run(box.name, id, script, () => {})).number, 0);
  const again = await box.tasks.run(box.name, id, script, () => {});
  assert.deepEqual(again, { end: 'unknown', why: 'the container refused it: already started' });
  assert.equal((await box.root('/usr/lib/pocketcoder/task', 'run', id)).code, 1);
  assert.equal((await box.bash('cat times')).text, 'run\n');
  assert.equal(ran(await box.tasks.run(box.name, newId(), script, () => {})).number, 0);
  assert.equal((await box.bash('cat times')).text, 'run\nrun\n');
});

test('two actions never run side by side in a task', async () => {
  let started = false;
  const first = box.tasks.run(
    box.name,
    newId(),
    bashScript('echo go; until [ -e end ]; do sleep 0.02; done'),
    () => {
      started = true;
    },
  );
  await until('the first to run', () => started);
  const waiting = [newId(), newId()];
  const [second, third] = waiting.map((id) =>
    box.tasks.run(box.name, id, bashScript('test -e end && echo after'), () => {}),
  );
  await box.tasks.kill(box.name, waiting[1] ?? '');
  assert.equal(ran((await third) ?? { end: 'unknown', why: '' }).how, 'stopped'); // before its turn
  await box.root('setpriv', '--reuid=agent', 'touch', '/workspace/end');
  assert.equal(ran(await first).how, 'exit');
  assert.equal(ran((await second) ?? { end: 'unknown', why: '' }).text, 'after\n');
});

test('another task has other processes and another /tmp, and the workspace it names', async () => {
  await box.bash('echo mine > /tmp/mine; echo shared > /workspace/shared');
  const run = async (workspace: string, task: string) =>
    ran(
      await box.tasks.run(
        { task, workspace },
        newId(),
        bashScript('ls /tmp; cat /workspace/shared; ps -e | grep -c sleep'),
        () => {},
      ),
    );
  assert.equal((await run(box.name.workspace, newId())).text, 'shared\n1\n');
  assert.match((await run(newId(), newId())).text, /shared: No such file/);
});
