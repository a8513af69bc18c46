/** A real repository, from a prompt on the phone to a patch that a clean clone takes; only the model is scripted. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { answerOf, chipsOf, fileOf, sees } from '../harness/answers.ts';
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

/** A program with a fault, and the test that shows it. */
function makeRepository(): void {
  git(dir, 'init', '-q', '-b', 'main', origin);
  const put = (name: string, text: string) => writeFileSync(join(origin, name), text);
  put(
    'sum.sh',
    '#!/bin/sh\n# Prints the sum of its arguments.\nsum=0\nfor n; do sum=$((sum - n)); done\necho "$sum"\n',
  );
  put(
    'test.sh',
    '#!/bin/sh\nfor want in "0" "3 1 2" "10 1 2 3 4"; do\n  set -- $want\n  is=$1; shift\n  got=$(./sum.sh "$@")\n  [ "$got" = "$is" ] || { echo "sum of $* is $got, not $is"; exit 1; }\ndone\necho all tests pass\n',
  );
  put('Makefile', 'test:\n\t@./test.sh\n');
  for (const name of ['sum.sh', 'test.sh']) chmodSync(join(origin, name), 0o755);
  git(origin, 'add', '-A');
  git(origin, 'commit', '-qm', 'A sum that is none');
}

const wish = 'The tests of this repository fail. Find out why, and repair it.';
const steps: Step[] = [
  { call: { tool: 'bash', args: { script: 'make test' } } },
  { call: { tool: 'list', args: {} } },
  { call: { tool: 'grep', args: { pattern: 'sum - n' } } },
  { call: { tool: 'read_file', args: { path: 'sum.sh' } } },
  { call: { tool: 'edit_file', args: { path: 'sum.sh', old: 'sum - n', new: 'sum + n' } } },
  { call: { tool: 'bash', args: { script: 'make test' } } },
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

test('a task on a cloned repository, from the prompt to the exported patch, through the phone alone', async () => {
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
    answered.map((c) => /make test|sum \+ n/.exec(c.text)?.[0]),
    ['make test', 'sum + n', 'make test'],
    'the reads in between went with the first card',
  );
  await sees(phone, '| all tests pass');

  await phone.say('!diff', room);
  assert.match(
    await sees(phone, ' sum.sh | 2 +-'),
    /\| -for n; do sum=\$\(\(sum - n\)\); done\n\| \+for n; do sum=\$\(\(sum \+ n\)\); done/,
  );
  for (const as of ['patch', 'bundle'] as const) {
    await phone.say(`!export ${as}`, room);
    const file = join(dir, `sums.${as}`);
    writeFileSync(file, await fileOf(phone, instance.address, `sums.${as}`));
    const clone = join(dir, `clean-${as}`);
    git(dir, 'clone', '-q', origin, clone);
    assert.throws(() => execFileSync('make', ['test'], { cwd: clone, stdio: 'pipe' }), /make test/);
    if (as === 'patch') git(clone, 'apply', '--index', file);
    else git(clone, 'pull', '-q', '--ff-only', file, 'pocketcoder');
    assert.equal(execFileSync('make', ['test'], { cwd: clone, encoding: 'utf8' }), 'all tests pass\n');
    assert.equal(git(clone, 'diff', '--name-only', 'origin/main'), 'sum.sh\n');
  }
});
