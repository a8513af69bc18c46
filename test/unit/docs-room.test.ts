/** docs/room.md shows what a phone shows: each of its blocks is a message, rendered here by the code that renders it there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createBoard } from '../../bot/src/room/board.ts';
import type { CommandContext } from '../../bot/src/room/commands/command.ts';
import { runCommand } from '../../bot/src/room/commands/table.ts';
import { listStore } from '../../bot/src/room/lists.ts';
import { createOutages } from '../../bot/src/room/outages.ts';
import { createOutcomes } from '../../bot/src/room/outcomes.ts';
import type { Seen } from '../../bot/src/tasks/roster.ts';
import { createRoster } from '../../bot/src/tasks/roster.ts';
import { taskStore } from '../../bot/src/tasks/tasks.ts';
import type { Content } from '../../bot/src/types.ts';
import { checkout } from '../../console/instance/paths.ts';
import { policyFrom } from '../../console/instance/policy.ts';
import { readsOf } from '../../ledger/rules/answers.cjs';
import { reasons } from '../../ledger/rules/codes.cjs';
import { scriptsOf } from '../../ledger/rules/named.cjs';
import { type Asked, makeAction, sha256 } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { wrap } from '../demo/screen.ts';
import { asked, log, startDesk, workspace } from '../harness/desk.ts';
import { controlWay, owner, person } from '../harness/ledger-chain.ts';

/** Characters of a line on a six-inch screen. */
const columns = 38;

/** What differs from one card to the next, made alike. */
const alike = (text: string): string =>
  text
    .replace(/tap \S+ to approve/, 'tap 🦊 to approve')
    .replace(/digest \w{10}/g, 'digest C6A9CNA0N1')
    .replace(/⛓ \d+ [0-9a-f]{12}/g, '⛓ 8 84c8cb97e9e1');
const onPhone = (text: string): string => wrap(alike(text), columns).join('\n');
/** Of a message that was edited, what stands below the action now. */
const below = (text: string): string => {
  const lines = text.split('\n');
  const stands = lines.findLastIndex((line) => /^(#\d+ )?[👍▶🛑✅⚠❌]/u.test(line));
  return lines.slice(stands).join('\n');
};

test('docs/room.md shows the messages as they are', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: new Date('2026-01-01T14:02:00') });
  const ears: { take(entry: Entry): void } = { take() {} };
  const titles = new Map<string, string>();
  const d = startDesk({
    onEntry(entry) {
      ears.take(entry);
      if (entry.kind !== 'requested' || !scriptsOf(JSON.parse(entry.body) as Asked).length) return;
      const files = entry.body.includes('./release.sh') ? [{ path: 'release.sh', sha256: sha256('x') }] : [];
      by(entry.action, 'named', { files });
    },
    titleOf: (task) => titles.get(task) ?? '',
  });
  t.after(d.stop);
  Object.assign(
    ears,
    createOutcomes({ ...d, log, onOver: async () => {}, onShown: async () => {}, onOpen: async () => {} }),
  );
  const pass = async (seconds: number) => {
    for (let at = 0; at < seconds * 10; at++) {
      t.mock.timers.tick(100);
      d.memory.clock.now = Date.now();
      await new Promise(setImmediate);
    }
  };
  const shown: string[] = [];
  const show = (text: string) => shown.push(onPhone(text));
  const last = (): string => {
    const { content = {} } = d.posted.findLast((p) => p.type !== 'm.reaction') ?? {};
    const now = (content['m.new_content'] ?? content) as Content;
    return String(now['body'] ?? now['org.matrix.msc1767.text']);
  };
  const setPolicy = (policy: ReturnType<typeof policyFrom>, by = [owner]) => {
    const ask = { kind: 'policy', args: { policy }, workspace, task: 'task', requester: 'operator' };
    for (const entry of controlWay(makeAction(ask as Asked, d.book.policy()), by)) d.put(entry);
  };
  const by = (action: string, kind: string, body: object = {}, author = 'executor') =>
    d.put({ author, kind, action, body: { digest: d.book.page(action)?.digest, ...body } });
  const answer = async (action: string, event: string, who = owner, form: 'chip' | 'poll' = 'chip') => {
    const card = d.secrets.get(action);
    assert.ok(card);
    const evidence = { user: who.user, event, form, ...(form === 'poll' && { device: who.device }) };
    const grade = form === 'poll' ? 'signed' : 'sealed';
    assert.equal(await d.apply({ do: 'approve', card, grade, evidence }), '');
  };
  const begin = (action: string) => {
    for (const kind of ['claimed', 'running']) by(action, kind, { executor: 'one' });
  };
  const ends = { exit: 0, signal: null };
  const failing = `${'at Test.run (node:internal/test_runner/test)\n'.repeat(9)}ℹ pass 2\nℹ fail 1\n
✖ greets by name
  'Hello, !' !== 'Hello, Ann!'\n`;
  setPolicy(policyFrom());

  const content = '#!/bin/sh\nname="$1"\necho "Hello, $name!"\n';
  const first = { kind: 'write_file', args: { path: 'hello.sh', content }, workspace, task: 'task' };
  const write = await d.desk.ask({ ...first, requester: 'brain' } as Asked);
  show(`${last()}\n[🦊 4F7KQ2ZD] [🌵 M2XT9QRB] [❌]`);
  await answer(write.action, '$1');
  begin(write.action);
  const asks = d.book.page(write.action);
  assert.ok(asks);
  by(write.action, 'lease.granted', readsOf(asks.action, asks.digest, asks.story));
  await pass(2);
  show(below(last()));
  by(write.action, 'succeeded', { ...ends, output: 'wrote 41 bytes to /workspace/hello.sh\n' });
  await pass(2);
  show(below(last()));

  for (const path of ['package.json', 'greet.js', 'greet.test.js']) {
    const args = { path, offset: 0, limit: 1000 };
    const read = { kind: 'read_file', args, workspace, task: 'task', requester: 'brain' } as Asked;
    const { action } = await d.desk.ask(read);
    begin(action);
    by(action, 'succeeded', { ...ends, output: '{}\n' });
  }
  await pass(2);
  show(last());

  for (const [state, exit, output] of [
    ['failed', 1, failing],
    ['succeeded', 0, 'ℹ pass 3\nℹ fail 0\n'],
  ] as const) {
    const check = await d.desk.ask({ ...asked('npm test'), requester: 'brain' });
    await answer(check.action, `$check${exit}`);
    begin(check.action);
    await pass(2);
    by(check.action, state, { ...ends, exit, output });
    await pass(2);
    show(below(last()));
  }

  const slow = await d.desk.ask({ ...asked('npm test'), requester: 'brain' });
  const own = await d.desk.ask(asked('git status'));
  await answer(slow.action, '$2');
  begin(slow.action);
  await pass(2);
  await answer(own.action, '$3');
  await pass(2);
  show(below(last()));
  const context = {
    ...{ ...d, workspace, role: 'owner' },
    conversation: { asking: () => [] },
  } as unknown as CommandContext;
  show(await runCommand('!pending', context));
  show(await runCommand('!leases', context));
  const lists = listStore(d.db);
  lists.set('task', [
    { text: 'Write the greeting', state: 'completed' },
    { text: 'Run its tests', state: 'in_progress' },
    { text: 'Say what it does in the README', state: 'pending' },
  ]);
  const task: Seen = {
    ...{ id: 'task', number: 1, title: 'Greet by name', done: 1, steps: 3 },
    ...{ state: 'working', spent: '0.0312 $', plans: false, current: true },
  };
  const pins = { ...d.matrix, pin: async () => {} };
  await createBoard({
    ...d,
    matrix: pins,
    lists,
    overview: () => [task],
    today: () => '0.2100 $',
    down: () => [],
    log,
  }).look();
  show(last());
  await d.desk.stop(workspace, owner.user);
  by(slow.action, 'killed', { exit: null, signal: 'SIGKILL', reason: 'stopped', output: '' });
  await pass(3);
  show(below(d.said.findLast((text) => text.includes('🛑 stopped')) ?? ''));
  show(below(d.said.findLast((text) => text.includes('❌ denied')) ?? ''));

  const tasks = taskStore(d.db);
  for (const [id, title] of ['fix the login', 'write the docs'].entries())
    tasks.add({ id: `t${id}`, workspace, session: '', title, createdAt: 0 });
  titles.set('t0', 'fix the login');
  tasks.set('t0', { done: 2, steps: 5 });
  const works = () => false;
  const roster = createRoster({
    tasks,
    planning: { is: () => false },
    spent: (id) => (id === 't0' ? '0.0312 $' : ''),
    works,
    helps: () => false,
    waits: (id) => id === 't1',
    asks: (id) => id === 't0',
  });
  const other = { kind: 'list', args: { path: 'src' }, workspace, task: 't0', requester: 'brain' };
  await d.desk.ask(other as Asked);
  show(last().split('\n').slice(0, 3).join('\n'));
  show(await runCommand('!tasks', { ...context, conversation: { overview: roster.view } } as never));
  await d.desk.stop(workspace, owner.user, 't0');

  const [ann, bob] = [person('ann'), person('bob')];
  for (const who of [ann, bob])
    d.put({ author: 'operator', kind: 'identity.enrolled', body: { ...who, role: 'approves' } });
  setPolicy(policyFrom({ classes: { exec: { grade: 'signed', approvers: 2 } } }));
  const both = await d.desk.ask(asked('./release.sh 2.0'));
  show(`${last()}\n( ) Approve   ( ) Deny`);
  await answer(both.action, '$4', ann, 'poll');
  await pass(2);
  show(last());
  await answer(both.action, '$5', bob, 'poll');
  begin(both.action);
  await pass(75);
  by(both.action, 'failed', { ...ends, exit: 2, output: '' });
  await pass(2);
  show(last());

  setPolicy(policyFrom());
  const words = '1. See what test there is.\n2. Mend the greeting.\n3. The test is green.';
  const test = { kind: 'bash', args: { script: 'npm test', cwd: '.', env: {}, timeout: 60 } };
  const planned = { kind: 'plan', workspace, task: 'task', requester: 'brain' };
  const planning = async (steps: object[]) =>
    d.desk.ask({ ...planned, args: { words, steps, seconds: 3600 } } as Asked);
  await planning([test]);
  show(`${last()}\n( ) Approve   ( ) Deny`);
  await d.desk.replace(({ kind }) => kind === 'plan', reasons.replaced);
  await pass(2);
  show(last());

  await d.questions.put('task', {
    question: 'The greeting has no test. What should it say where no name is given?',
    options: ['Hello, world!', 'Nothing', 'An error'],
  });
  const poll = d.posted.at(-1)?.content['org.matrix.msc3381.poll.start'] as { question: Content };
  show(`${poll.question['body']}\n( ) Hello, world!\n( ) Nothing\n( ) An error`);

  const outages = createOutages({
    ...{ db: d.db, matrix: d.matrix, log },
    rooms: () => [...d.book.rooms().values()] as never,
  });
  const well = { ledger: 'up', history: 'up', brain: 'up', disk: 'up', homeserver: 'up' } as const;
  for (const executor of ['down', 'up'] as const) {
    for (let at = 0; at < 12; at++) {
      outages.look({ ...well, executor }, Date.now());
      await pass(5);
    }
    show(last());
  }
  show(await runCommand('!help', context));

  const written = readFileSync(join(checkout, 'docs/room.md'), 'utf8');
  const blocks = [...written.matchAll(/^```\n([\s\S]*?)\n```$/gm)].map(([, text]) => text);
  assert.deepEqual(blocks, shown, `docs/room.md has to show:\n\n${shown.join('\n\n')}`);
});
