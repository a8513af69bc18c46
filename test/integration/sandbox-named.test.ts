/** The files of the workspace that a card says its script names: on a real ledger, with real containers, and an executor that looks. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { pino } from 'pino';
import { effectOf } from '../../ledger/rules/answers.cjs';
import { type Act, type Action, digestOf, makeAction, newId, sha256 } from '../../ledger/src/action.ts';
import type { Bodies, Named } from '../../ledger/src/bodies.ts';
import type { Entry, Ledger } from '../../ledger/src/client.ts';
import { type Executor, startExecutor } from '../../sandbox/src/executor.ts';
import { makeTasks } from '../../sandbox/src/tasks.ts';
import { startLedger, type TestLedger } from '../harness/ledger.ts';
import { aPolicy } from '../harness/ledger-chain.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

const requester = '@owner:test';
let box: Sandbox;
let server: TestLedger;
let bot: Ledger;
let executor: Executor;

before(async () => {
  [box, server] = await Promise.all([startSandbox(), startLedger()]);
  bot = await server.connect('bot');
  const operator = await server.connect('operator');
  const keys = { master: 'm', device: 'D', ed25519: 'e', curve25519: 'c' };
  await operator.append({ kind: 'identity.enrolled', body: { user: requester, ...keys } });
  executor = startExecutor({
    ledger: await server.connect('executor'),
    tasks: makeTasks(box.docker, box.place),
    ...{ name: 'one', log: pino({ level: process.env['LOG'] ?? 'silent' }) },
  });
  await executor.ready;
});
after(async () => {
  await executor?.stop();
  await box?.stop();
  await server?.stop();
});
beforeEach(() => files('find . -mindepth 1 -delete; echo "echo one" > deploy.sh; mkdir sub; echo 1 > sub/a'));

/** What others do in the workspace, past every action. */
const files = (script: string) => box.beside('sh', '-c', `cd /workspace; ${script}; chown -R agent:agent .`);
const sum = (text: string) => sha256(`${text}\n`);

const bash = (script: string, cwd = '.'): Act => ({
  kind: 'bash',
  args: { script, cwd, env: {}, timeout: 30 },
});
const entryOf = (id: string, ...kinds: string[]): Promise<Entry> =>
  until(`${kinds} of ${id}`, async () => (await bot.story(id)).find(({ kind }) => kinds.includes(kind)));

/** Asked for, as the bot asks. Returns what the executor says before its card. */
async function ask(act: Act | { kind: 'plan'; args: object }): Promise<{ action: Action; named: Named }> {
  const asked = { ...act, workspace: box.name.workspace, task: box.name.task, requester } as const;
  const action = makeAction(asked as Parameters<typeof makeAction>[0], aPolicy());
  await bot.append({ id: action.id, kind: 'requested', action: action.id, body: action });
  const { digest, ...named } = JSON.parse((await entryOf(action.id, 'named')).body) as Bodies['named'];
  assert.equal(digest, digestOf(action));
  return { action, named };
}
async function shown(action: Action): Promise<void> {
  const body = { digest: digestOf(action), room: '!r', event: '$e', form: 'poll' };
  await bot.append({ kind: 'posted', action: action.id, body });
}
async function approve(action: Action): Promise<void> {
  const evidence = { user: requester, device: 'D', event: `$${newId()}`, form: 'poll' };
  const body = { digest: digestOf(action), grade: 'signed', evidence };
  await bot.append({ kind: 'approved', action: action.id, body });
}
/** How it ended, and what it said. */
async function ended({ id }: Action): Promise<string> {
  const { kind, body } = await entryOf(id, 'succeeded', 'failed', 'killed', 'unknown');
  return `${kind}: ${(JSON.parse(body) as { output?: string }).output}`;
}
async function run(act: Act, meanwhile?: string): Promise<string> {
  const { action } = await ask(act);
  await shown(action);
  if (meanwhile) await files(meanwhile);
  await approve(action);
  return ended(action);
}

test('before its card is made the executor says what files a script names: through no link, by what they hold', async () => {
  await files(
    'ln -s deploy.sh link.sh; ln -s sub way; head -c 4194305 /dev/zero > large; mkfifo pipe; echo 2 > "sub/b c"',
  );
  const script =
    'cd sub && cat "b c" a < ../link.sh > out; bash /workspace/deploy.sh ../way/a ../large ../pipe /etc/passwd ../../../etc/hosts none';
  const { named } = await ask(bash(script));
  assert.deepEqual(Object.fromEntries(named.files.map((one) => [one.path, one.sha256])), {
    'sub/b c': sum('2'),
    'sub/a': sum('1'),
    'deploy.sh': sum('echo one'),
    ...{ 'link.sh': '', 'way/a': '', large: '' },
  });
  assert.equal(named.more, undefined);
  assert.deepEqual((await ask(bash('cat a', 'sub'))).named.files, [{ path: 'sub/a', sha256: sum('1') }]);
  assert.deepEqual((await ask(bash('echo hello'))).named, { files: [] });
  await files('for n in $(seq 40); do echo x > f$n; done');
  const { files: some, more } = (
    await ask(bash(`cat ${Array.from({ length: 40 }, (_, n) => `f${n + 1}`).join(' ')}`))
  ).named;
  assert.deepEqual([some.length, more], [32, true]);
});

test('attack-32 a file that a script names, changed, put there, taken away or made a link since its card, has nothing run; as the card had it, it runs', async () => {
  const script = 'touch ran; bash ./deploy.sh; [ ! -e sub/new ] || bash sub/new';
  for (const [meanwhile, path] of [
    ['echo "echo two" > deploy.sh', 'deploy.sh'],
    ['mv deploy.sh other; cp other deploy.sh; echo x >> deploy.sh', 'deploy.sh'],
    ['rm deploy.sh', 'deploy.sh'],
    ['mv deploy.sh other; ln -s other deploy.sh', 'deploy.sh'],
    ['echo "echo new" > sub/new', 'sub/new'],
  ] as const) {
    assert.equal(
      await run(bash(script), meanwhile),
      `failed: changed since its card was made: ${path}. Nothing was run; ask again\n`,
    );
    assert.doesNotMatch(await files('ls'), /ran/, meanwhile);
    await files('rm -rf other deploy.sh sub/new; echo "echo one" > deploy.sh');
  }
  const same =
    'touch deploy.sh; chmod 700 deploy.sh; cp deploy.sh other; mv other deploy.sh; echo x > unnamed';
  assert.equal(
    await run(bash(script), same),
    'succeeded: one\n',
    'its twin: the same bytes, and another file',
  );
  assert.match(await files('ls'), /ran/);
});

test('attack-32 nothing can be said of its files once the card stands, nor twice, nor by anybody but the executor', async () => {
  const { action } = await ask(bash('bash deploy.sh'));
  const writer = await server.connect('executor');
  const named = { digest: digestOf(action), files: [{ path: 'deploy.sh', sha256: sha256('evil') }] };
  const say = (ledger: Ledger, body: object = named, id = action.id) =>
    ledger.append({ kind: 'named', action: id, body });
  await assert.rejects(say(writer), { code: 'lifecycle' });
  await assert.rejects(say(bot), { code: 'not_allowed' });
  await shown(action);
  await assert.rejects(say(writer), { code: 'lifecycle' });
  await approve(action);
  assert.equal(await ended(action), 'succeeded: one\n');
});

test('attack-32 a plan runs its files as its card had them, or as its own steps left them; what others change meanwhile has its next step not run', async () => {
  const write = (content: string): Act => ({ kind: 'write_file', args: { path: 'made.sh', content } });
  const steps = [
    write('echo "# made" >> deploy.sh\n'),
    bash('bash made.sh'),
    bash('bash deploy.sh; bash made.sh'),
    bash('cat sub/a'),
  ];
  for (const [at, meanwhile, path] of [
    [0, 'echo 2 > sub/a', 'sub/a'],
    [1, 'echo evil > made.sh', 'made.sh'],
    [2, 'echo evil > deploy.sh', 'deploy.sh'],
    [undefined, '', ''],
  ] as const) {
    await files('rm -f made.sh; echo "echo one" > deploy.sh; echo 1 > sub/a');
    const { action: plan, named } = await ask({ kind: 'plan', args: { steps, seconds: 600 } });
    assert.deepEqual(
      named.files.map(({ path: one }) => one),
      ['deploy.sh', 'sub/a'],
    );
    await shown(plan);
    await approve(plan);
    const body = effectOf(plan, digestOf(plan), await bot.story(plan.id));
    const { named: _, ...without } = body;
    const apply = (what: object) => bot.append({ kind: 'applied', action: plan.id, body: what });
    await assert.rejects(apply(without), { code: 'body_invalid' }, 'the bot cannot leave it out');
    await apply(body);
    const outcomes: string[] = [];
    for (const [n, step] of steps.entries()) {
      if (n === at) await files(meanwhile);
      const asked = {
        ...step,
        workspace: box.name.workspace,
        task: box.name.task,
        requester: 'brain',
      } as const;
      const action = makeAction(asked, aPolicy());
      await bot.append({ id: action.id, kind: 'requested', action: action.id, body: action });
      const use = { digest: digestOf(action), lease: plan.id, use: n + 1 };
      await bot.append({ kind: 'leased', action: action.id, body: use });
      outcomes.push(await ended(action));
      if (n === at) break;
    }
    const why = `failed: changed since its plan's card was made, or a step of it ended: ${path}. Nothing was run; ask again\n`;
    const all = [
      'succeeded: wrote 27 bytes to /workspace/made.sh\n',
      'succeeded: ',
      'succeeded: one\n',
      'succeeded: 1\n',
    ];
    assert.deepEqual(outcomes, at === undefined ? all : [...all.slice(0, at), why]);
  }
});
