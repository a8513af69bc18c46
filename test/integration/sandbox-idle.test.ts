/** How many containers are kept running: those unused for longest are stopped, and started again when they are needed. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newId } from '../../ledger/src/action.ts';
import { runningTasks } from '../../sandbox/src/docker.ts';
import { makeTasks, type Tasks } from '../../sandbox/src/tasks.ts';
import { bashScript, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox();
});
after(() => box?.stop());

type Name = { task: string; workspace: string };
const run = async (tasks: Tasks, name: Name, script: string) =>
  ran(await tasks.run(name, newId(), bashScript(script), () => {})).text;
const running = async () => (await runningTasks(box.docker, box.place)).map((one) => one.task).sort();
const only = (...names: Name[]) => {
  const wanted = names.map((name) => name.task).sort();
  return until(`${names.length} to run`, async () => (await running()).join() === wanted.join());
};

test('idle ones beyond those kept are stopped, the longest unused first, and start again with their files', async () => {
  const tasks = makeTasks(box.docker, box.place, 2);
  const workspace = newId();
  const [a, b, c] = ['a', 'b', 'c'].map((task) => ({ task, workspace })) as [Name, Name, Name];
  for (const name of [a, b]) await run(tasks, name, `echo ${name.task} >> seen`);
  await only(a, b); // the one of before was there when this client came, and was unused for longest
  await run(tasks, a, 'true');
  await run(tasks, c, 'echo c >> seen');
  await only(a, c);
  assert.equal(await run(tasks, b, 'cat seen'), 'a\nb\nc\n');
  await only(b, c);
  // Together: whatever is stopped meanwhile, each runs once.
  const many = ['d', 'e', 'f', 'g'].map((task) => ({ task, workspace }));
  await Promise.all([a, b, c, ...many].map((name) => run(tasks, name, 'echo $$ >> counted; sleep 0.2')));
  assert.equal(await run(tasks, a, 'wc -l < counted'), '7\n');
  await until('two to be left', async () => (await running()).length === 2);
  tasks.close();
});

test('one in which something runs is never stopped for others', async () => {
  const tasks = makeTasks(box.docker, box.place, 1);
  const workspace = newId();
  let begun = '';
  const long = tasks.run(
    { task: 'long', workspace },
    newId(),
    bashScript('echo begun; until [ -e go ]; do sleep 0.05; done; echo ended'),
    (bytes) => {
      begun += Buffer.from(bytes).toString();
    },
  );
  await until('it to begin', () => begun.includes('begun'));
  for (const task of ['x', 'y', 'z']) await run(tasks, { task, workspace }, 'true');
  await only({ task: 'long', workspace }, { task: 'z', workspace });
  await run(tasks, { task: 'x', workspace }, 'touch go');
  assert.equal(ran(await long).text, 'begun\nended\n');
  tasks.close();
});
