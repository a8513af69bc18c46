/** A real repository, from a prompt on the phone to a patch that a clean clone takes; only the model is scripted. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { answerOf, chipsOf, editOf, fileOf, readerCost, sees } from '../harness/answers.ts';
import { type Instance, startInstance } from '../harness/instance.ts';
import type { Step } from '../harness/model.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import type { Card, Phone } from '../phone/types.ts';

const dir = mkdtempSync(join(tmpdir(), 'repository-'));
const origin = join(dir, 'origin');
const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=A', '-c', 'user.email=a@example.org', ...args], {
    cwd,
    encoding: 'utf8',
  });

/** A program in TypeScript with a fault, and the tests that show it. */
function makeRepository(): void {
  git(dir, 'init', '-q', '-b', 'main', origin);
  const put = (name: string, text: string) => writeFileSync(join(origin, name), text);
  mkdirSync(join(origin, 'src'));
  put(
    'src/sum.ts',
    '/** The sum of its arguments. */\nexport const sum = (...of: number[]): number => of.reduce((a, n) => a - n, 0);\n',
  );
  put(
    'src/sum.test.ts',
    `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sum } from './sum.ts';

test('of nothing', () => assert.equal(sum(), 0));
test('of one', () => assert.equal(sum(3), 3));
test('of some', () => assert.equal(sum(1, 2, 3, 4), 10));
`,
  );
  put('package.json', '{ "type": "module", "scripts": { "test": "node --test" } }\n');
  put('README.md', '# Sums\n\n`sum(1, 2)` is 3.\n');
  put('tsconfig.json', '{ "compilerOptions": { "strict": true, "noEmit": true } }\n');
  put('Makefile', 'test:\n\t@node --test\n');
  git(origin, 'add', '-A');
  git(origin, 'commit', '-qm', 'A sum that is none');
}
/** The program that runs these tests runs those. */
const { NODE_TEST_CONTEXT: _, ...outer } = process.env;
const env = { ...outer, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` };

const wish = 'The tests of this repository fail. Find out why, and repair it.';
const todos = ['Find out why', 'Repair it', 'Run the tests'];
const list = (done: number): Step['call'] => ({
  tool: 'todowrite',
  args: {
    todos: todos.map((content, i) => ({
      ...{ content, priority: 'high' },
      status: i < done ? 'completed' : i === done ? 'in_progress' : 'pending',
    })),
  },
});
const steps: Step[] = [
  { say: 'I run the tests first.', call: { tool: 'bash', args: { script: 'make test' } } },
  { call: list(0) },
  { call: { tool: 'list', args: {} } },
  { call: { tool: 'list', args: { path: 'src' } } },
  { call: { tool: 'read_file', args: { path: 'package.json' } } },
  { call: { tool: 'read_file', args: { path: 'src/sum.test.ts' } } },
  { call: { tool: 'read_file', args: { path: 'Makefile' } } },
  { call: { tool: 'grep', args: { pattern: 'sum' } } },
  { call: { tool: 'grep', args: { pattern: 'reduce', path: 'src' } } },
  { call: { tool: 'read_file', args: { path: 'README.md' } } },
  { call: { tool: 'read_file', args: { path: 'tsconfig.json' } } },
  { call: { tool: 'grep', args: { pattern: 'a - n' } } },
  { call: { tool: 'read_file', args: { path: 'src/sum.ts' } } },
  { call: list(1) },
  {
    say: 'It subtracts where it has to add.',
    call: { tool: 'edit_file', args: { path: 'src/sum.ts', old: 'a - n', new: 'a + n' } },
  },
  { call: list(2) },
  { call: { tool: 'bash', args: { script: 'make test' } } },
  { call: list(3) },
  { say: 'It subtracted where it had to add. The tests pass now.' },
];

let instance: Instance;
let phone: Phone;
before(async () => {
  makeRepository();
  instance = await startInstance({ model: 'scripted', scripts: { [wish]: steps } });
  phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
});
after(async () => {
  await phone?.close();
  await instance?.destroy();
  rmSync(dir, { recursive: true, force: true });
});

test('a task on a cloned repository, from the prompt to the exported patch, through the phone alone', async (t) => {
  const added = await instance.run(['workspace', 'add', 'sums', `file://${origin}`, '--json']);
  assert.equal(added.code, 0, added.err);
  const { room } = added.events.find(({ event }) => event === 'workspace') as { room: string };
  await phone.until('the invitation to its room', (p) => p.rooms().includes(room), 60);

  await until('the first words there', () => phone.say(wish, room)); // its phone learns a moment later that it is encrypted
  const answered: Card[] = [];
  const isNew = (c: Card) =>
    !answered.some(({ id }) => id === c.id) && (c.chips.length === 3 || c.answers.length === 2);
  const done = (p: Phone) =>
    p.timeline().some((e) => JSON.stringify(e.content).includes('The tests pass now.')) && ('done' as const);
  for (;;) {
    const next = await phone.until('a card or the end', (p) => p.cards().find(isNew) ?? done(p), 60);
    if (next === 'done') break;
    answered.push(next);
    if (next.chips.length > 0) await phone.tap(next.id, chipsOf(next).named);
    else await phone.vote(next.id, [answerOf(next, 'Approve')]);
  }
  assert.deepEqual(
    answered.map((c) => /make test|a \+ n/.exec(c.text)?.[0]),
    ['make test', 'a + n', 'make test'],
    'the reads in between went with the first card',
  );
  const state = `/rooms/${encodeURIComponent(room)}/state/m.room.pinned_events`;
  const { pinned } = (await phone.api('GET', state)) as { pinned: string[] };
  assert.equal(pinned.length, 1);
  const list = await phone.until('the list to be done', (p) =>
    p
      .timeline()
      .flatMap((e) => editOf(e) ?? [])
      .find(({ of, text }) => of === pinned[0] && text.includes('idle · 3 of 3')),
  );
  assert.match(list.text, /\n> ☑ Find out why\n> ☑ Repair it\n> ☑ Run the tests\ntoday: [\d,]+ tokens$/);
  const { messages, characters, texts } = readerCost(phone, room);
  t.diagnostic(`${messages} messages, ${characters} characters\n\n${texts.join('\n---\n')}`);
  assert.ok(messages <= 10 && characters <= 1500, `${messages} messages, ${characters} characters`);

  await phone.say('!diff', room);
  assert.match(
    await sees(phone, ' src/sum.ts | 2 +-'),
    /\| -export .* a - n, 0\);\n\| \+export .* a \+ n, 0\);/,
  );
  for (const as of ['patch', 'bundle'] as const) {
    await phone.say(`!export ${as}`, room);
    const file = join(dir, `sums.${as}`);
    writeFileSync(file, await fileOf(phone, instance.address, `sums.${as}`));
    const clone = join(dir, `clean-${as}`);
    git(dir, 'clone', '-q', origin, clone);
    assert.throws(() => execFileSync('make', ['test'], { cwd: clone, env, stdio: 'pipe' }), /make test/);
    if (as === 'patch') git(clone, 'apply', '--index', file);
    else git(clone, 'pull', '-q', '--ff-only', file, 'pocketcoder');
    assert.match(execFileSync('make', ['test'], { cwd: clone, env, encoding: 'utf8' }), /pass 3\n/);
    assert.equal(git(clone, 'diff', '--name-only', 'origin/main'), 'src/sum.ts\n');
  }
});
