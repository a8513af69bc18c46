/** The pinned message of a room: what it says, when it is edited, and when another one takes its place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBoard } from '../../bot/src/room/board.ts';
import { listStore } from '../../bot/src/room/lists.ts';
import { toHtml } from '../../bot/src/show/blocks.ts';
import type { Seen } from '../../bot/src/tasks/roster.ts';
import type { Content, EventId } from '../../bot/src/types.ts';
import { asked, log, room, startDesk } from '../harness/desk.ts';
import { owner, person } from '../harness/ledger-chain.ts';
import { framed, lines } from '../harness/shown.ts';

function scene() {
  const d = startDesk();
  const lists = listStore(d.db);
  const pinned: string[] = [];
  const redacted: string[] = [];
  const tasks: Seen[] = [];
  const down: string[] = [];
  const fails = { pin: false };
  const matrix = {
    ...d.matrix,
    async pin(_: string, event: string) {
      if (fails.pin) throw new Error('not now');
      pinned.push(event);
    },
    redact: async (_: string, event: string) => void redacted.push(event),
  };
  const start = () =>
    createBoard({ ...d, matrix, lists, overview: () => tasks, today: () => '', down: () => down, log });
  const says = (): Content => {
    const { content = {} } = d.posted.findLast(({ type }) => type !== 'm.reaction') ?? {};
    return (content['m.new_content'] ?? content) as Content;
  };
  const text = () => String(says()['body']).split('\n');
  const count = (type: string) =>
    d.posted.filter((p) => p.type === type && p.content['msgtype'] === 'm.notice').length;
  return { ...d, lists, pinned, redacted, tasks, down, fails, start, says, text, count };
}
const task: Seen = {
  ...{ id: 't', number: 1, title: 'Fix the sums', state: 'working', done: 1, steps: 2 },
  ...{ spent: '0.0123 $', plans: false, current: true },
};

test('nothing is pinned before a task has begun; then one quiet message has what waits, with a way to its card, and the list', async () => {
  const s = scene();
  const board = s.start();
  await board.look();
  assert.deepEqual([s.posted.length, s.pinned.length], [0, 0]);
  s.tasks.push(task, {
    ...task,
    id: 'u',
    number: 2,
    title: 'Another',
    state: 'waits for you',
    steps: 0,
    current: false,
  });
  s.lists.set('t', [
    { text: 'Find out why', state: 'completed' },
    { text: 'Repair it', state: 'in_progress' },
    { text: 'Dance', state: 'cancelled' },
  ]);
  const waits = await s.desk.ask(asked('make test'));
  await s.questions.put('u', { question: 'Which?', options: ['this', 'that'] });
  const question = encodeURIComponent(s.questions.of('u')?.event ?? '');
  s.down.push('⚠️ The agent is down since 14:03');
  await board.look();
  assert.deepEqual(s.text(), [
    `#${waits.number} run a command · ⏳ waits for your answer`,
    '❓ Another · asks you something',
    '⚠️ The agent is down since 14:03',
    '▶️ 👉 1 · Fix the sums: working · 1 of 2 · 0.0123 $',
    '> ☑ Find out why',
    '> ▶ Repair it',
    '⏳ 2 · Another: waits for you · 0.0123 $',
  ]);
  const { formatted_body: html, msgtype, 'm.mentions': mentions } = s.says();
  const card = s.cards.get(waits.action)?.event ?? '';
  const link = `https://matrix.to/#/${encodeURIComponent(room)}/${encodeURIComponent(card)}?via=x`;
  assert.ok(String(html).startsWith(`<p><a href="${link}">#${waits.number} run a command`), String(html));
  const asks = `<p><a href="https://matrix.to/#/${encodeURIComponent(room)}/${question}?via=x">❓ Another`;
  assert.ok(String(html).includes(asks), String(html));
  assert.deepEqual([msgtype, mentions], ['m.notice', {}]);
  assert.deepEqual(s.pinned, [`$${s.posted.length}`]);
  assert.equal(
    toHtml([{ line: '<b>', link: '"><i>' }]),
    '<p><a href="&quot;&gt;&lt;i&gt;">&lt;b&gt;</a></p>',
  );
});

test('it is edited when something changed and not otherwise; a restart goes on in it', async () => {
  const s = scene();
  s.tasks.push(task);
  s.fails.pin = true;
  const board = s.start();
  await board.look();
  s.fails.pin = false;
  await board.look();
  await board.look();
  assert.deepEqual(
    [s.count('m.room.message'), s.pinned],
    [1, ['$1']],
    'what was not pinned is pinned by the next look',
  );
  s.tasks[0] = { ...task, state: 'idle' };
  await board.look();
  await s.start().look();
  await s.start().look();
  assert.equal(s.text()[0], '✅ 1 · Fix the sums: idle · 1 of 2 · 0.0123 $');
  assert.equal(s.count('m.room.message'), 1);
  assert.deepEqual(s.pinned, ['$1'], 'once');
});

test('another takes its place where it was removed, where a new device could not read it, and after many edits', async () => {
  const s = scene();
  s.tasks.push(task);
  const board = s.start();
  await board.look();
  board.removed('$other');
  board.removed('$1');
  await board.look();
  assert.deepEqual([s.pinned, s.redacted], [['$1', '$2'], []]);
  const ann = { ...person('ann'), role: 'approves' };
  s.put({ author: 'operator', kind: 'identity.enrolled', body: ann });
  s.tasks[0] = { ...task, state: 'idle' };
  await board.look();
  assert.deepEqual([s.pinned, s.redacted], [['$1', '$2', '$3'], ['$2']]);
  for (let at = 0; at <= 200; at++) {
    s.tasks[0] = { ...task, spent: `${at + 1} $` };
    await board.look();
  }
  assert.equal(s.pinned.length, 4);
  assert.equal(
    new Set(s.posted.filter(({ txn }) => txn).map(({ txn }) => txn)).size,
    4,
    'each by an id of its own',
  );
  assert.ok(s.book.enrolled().some(({ device }) => device === owner.device));
});

test('attack-22 a list is the agent’s words: marked, line by line, in both bodies, whatever it holds', async () => {
  const s = scene();
  s.tasks.push(task);
  const hostile =
    'look\n#4 run a command · ✅ approved</blockquote><p>✅</p>\u202E <b>@room</b> https://matrix.to/#/@owner:x';
  s.lists.set('t', [{ text: hostile, state: 'pending' }]);
  await s.start().look();
  const { own, said, quoted } = lines(String(s.says()['body']));
  assert.deepEqual([own, quoted], [['▶️ 1 · Fix the sums: working · 1 of 2 · 0.0123 $'], '']);
  assert.match(said, /^☐ look #4 run a command · ✅ approved<\/blockquote><p>✅<\/p>\\u\{202E\} /);
  const frame = framed(String(s.says()['formatted_body']));
  assert.deepEqual([frame.own, frame.links], [own, []]);
  assert.deepEqual(s.says()['m.mentions'], {});
  assert.ok((s.posted.at(-1)?.txn as EventId | undefined)?.startsWith('board-'));
});

test('a list that would make it too large to be edited is cut; what waits and the tasks stay', async () => {
  const s = scene();
  s.tasks.push(task);
  s.lists.set(
    't',
    Array.from({ length: 30 }, () => ({ text: '"'.repeat(120), state: 'pending' as const })),
  );
  await s.start().look();
  const all = s.says();
  assert.ok(Buffer.byteLength(JSON.stringify({ ...all, 'm.new_content': all })) <= 40_000);
  assert.equal(s.text()[0], '▶️ 1 · Fix the sums: working · 1 of 2 · 0.0123 $');
  assert.ok(s.text().length > 10 && s.text().length < 31, `${s.text().length} lines`);
});
