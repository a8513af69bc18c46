/** What ends an action besides itself: a stop, a limit, and where its runner is kept from it, the end of its container. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newId } from '../../ledger/src/action.ts';
import { resultOf } from '../../sandbox/src/result.ts';
import { makeTasks } from '../../sandbox/src/tasks.ts';
import { bashScript, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox({ memory_mb: 384, pids: 128, cpus: 2 });
});
after(() => box?.stop());

/** Starts a script that says `go` first, and waits until it has. */
async function started(script: string, timeout = 600) {
  const id = newId();
  let said = false;
  const outcome = box.tasks.run(box.name, id, bashScript(script, { timeout }), () => {
    said = true;
  });
  await until('the first byte', () => said);
  return { id, outcome };
}

const containerId = async () => (await box.container.inspect()).Id;

/** Makes every process in the container that it may slow down as slow as can be, and keeps the processor busy. */
const starving = `exec python3 - <<'P'
import os, signal
for pid in [int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]:
    for slow in (lambda: os.sched_setaffinity(pid, {0}), lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
                 lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))):
        try:
            slow()
            print('slowed', pid, flush=True)
        except OSError:
            pass
print('go', flush=True)
for n in range(100):
    if os.fork() == 0:
        os.sched_setaffinity(0, {0})
        while True: pass
signal.pause()
P`;

test('attack-53 a script that starves its killer is ended in time, by its limit and by a stop', {
  timeout: 120_000,
}, async () => {
  const before = await containerId();
  const limited = await started(starving, 4);
  const began = Date.now();
  const end = ran(await limited.outcome);
  assert.ok(Date.now() - began < 20_000, `it outlived a limit of 4 s by ${Date.now() - began - 4000} ms`);
  assert.deepEqual([end.how, end.text], ['timeout', 'go\n']);
  const long = await started(starving);
  await box.tasks.kill(box.name, long.id);
  const stopped = Date.now();
  assert.equal(ran(await long.outcome).how, 'stopped');
  assert.ok(Date.now() - stopped < 20_000);
  // The genuine twin: a long script that is stopped, and a container that stays.
  const twin = await started('echo go; sleep 1000');
  await box.tasks.kill(box.name, twin.id);
  assert.equal(ran(await twin.outcome).how, 'stopped');
  assert.equal(await containerId(), before);
});

/** Whatever a script may find to keep its killer from its work: here it stands still. It is the first process's child. */
const stopKiller = async (): Promise<void> => {
  const { code } = await box.root('pkill', '-STOP', '-P', '1', '-f', '^/usr/lib/pocketcoder/task run');
  assert.equal(code, 0);
};

test('attack-53 what nothing else ends is ended with its container; what is unsure beside it is unknown', {
  timeout: 120_000,
}, async () => {
  await box.bash('echo kept > /workspace/kept');
  const before = await containerId();
  const held = await started('echo go; sleep 1000');
  const waits = newId();
  const beside = box.tasks.run(box.name, waits, bashScript('touch /workspace/beside'), () => {});
  // The first with its killer, and the second.
  const runners = async () => (await box.root('pgrep', '-fc', '^/usr/lib/pocketcoder/task run')).text.trim();
  await until('the second to wait', async () => (await runners()) === '3');
  await stopKiller();
  // Who takes it up again when its time is over waits for no more than the ten seconds.
  const later = makeTasks(box.docker, box.place);
  const [first, second] = await Promise.all([
    later.adopt(box.name, held.id, 0, () => {}),
    later.adopt(box.name, waits, 600, () => {}),
  ]);
  later.close();
  await Promise.all([held.outcome, beside]);
  assert.deepEqual(
    [first.end, first.end === 'cut' && first.why, first.end !== 'unknown' && first.output.size],
    ['cut', 'its container was ended, because it still ran 10 s after its time limit', 3],
  );
  const under = { limits: box.place.limits, timeout: 2 };
  const { kind, body } = resultOf('d', first, under);
  assert.deepEqual(
    [kind, (body as { signal: string }).signal, (body as { output: string }).output],
    ['killed', 'SIGKILL', 'go\n'],
  );
  assert.deepEqual(second, {
    end: 'unknown',
    why: 'its container was ended, because another action in it could not be stopped',
  });
  // The next action has a fresh container and the same files.
  assert.equal(
    (await box.bash('cat kept; ls /tmp; pgrep -c sleep; ls beside 2>&1')).text.split('\n')[0],
    'kept',
  );
  assert.notEqual(await containerId(), before);
  // And a stop ends it in the same way.
  const stuck = await started('echo go; sleep 1000');
  await stopKiller();
  await box.tasks.kill(box.name, stuck.id);
  const last = await stuck.outcome;
  assert.deepEqual(
    [last.end, last.end === 'cut' ? last.why : last],
    ['cut', 'its container was ended, because it still ran 10 s after it was stopped'],
  );
});

/** The reason in the entry of a script's result. */
async function reasonOf(script: string, timeout = 30) {
  const outcome = await box.tasks.run(box.name, newId(), bashScript(script, { timeout }), () => {});
  const { kind, body } = resultOf('d', outcome, { limits: box.place.limits, timeout });
  const { exit, signal, reason } = body as { exit: number; signal: string; reason?: string };
  return [kind, exit ?? signal, reason];
}

test('a limit that ended a script is named with its number and its setting', async () => {
  const memory = 'out of memory: the limit is 384 MB (setting sandbox.memory_mb)';
  const fill = 'python3 -c "x = bytearray(700 << 20)"';
  assert.deepEqual(await reasonOf(`exec ${fill}`), ['killed', 'SIGKILL', memory]);
  assert.deepEqual(await reasonOf(`${fill}; exit 3`), ['failed', 3, memory]);
  assert.deepEqual(await reasonOf('sleep 60', 1), ['killed', 'SIGKILL', 'its time limit of 1 s was over']);
  const [kind, , reason] = await reasonOf('for n in {1..300}; do sleep 60 & done; wait', 5);
  assert.equal(kind, 'killed');
  assert.match(String(reason), /too many processes: the limit is 128 \(setting sandbox\.pids\)/);
  // The twin: what keeps within them has nothing to say, nor has what ends itself.
  assert.deepEqual(await reasonOf('python3 -c "x = bytearray(100 << 20)"; exit 3'), ['failed', 3, undefined]);
  assert.deepEqual(await reasonOf('kill -9 $$'), ['killed', 'SIGKILL', undefined]);
});

test('processes that a script leaves behind are counted and told', async () => {
  assert.deepEqual(await reasonOf('sleep 900 & echo started'), [
    'succeeded',
    0,
    '1 process still ran and was ended',
  ]);
  assert.deepEqual(await reasonOf('sleep 900 & setsid sleep 900 & nohup sleep 900 & exit 4'), [
    'failed',
    4,
    '3 processes still ran and were ended',
  ]);
  assert.deepEqual(await reasonOf('sleep 0.1 & wait; seq 100000 | tail -1'), ['succeeded', 0, undefined]);
});

test('git commits in a fresh workspace by the settings, and by what a repository or a person says before them', async () => {
  const commit = 'git commit -q --allow-empty -m x && git log -1 --format="%an <%ae> %cn <%ce>"';
  await box.bash('git init -q fresh');
  assert.equal(
    (await box.bash(`cd fresh; ${commit}`)).text,
    'T"e\\s;t <test@localhost> T"e\\s;t <test@localhost>\n',
  );
  await box.bash('cd fresh; git config user.name Own; git config user.email own@example.org');
  assert.equal((await box.bash(`cd fresh; ${commit}`)).text, 'Own <own@example.org> Own <own@example.org>\n');
  const home = 'git init -q other; git config --global user.name Home';
  assert.equal(
    (await box.bash(`${home}; cd other; ${commit}`)).text,
    'Home <test@localhost> Home <test@localhost>\n',
  );
});
