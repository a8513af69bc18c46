/** `!btw`: a question aside is answered below itself, costs what it costs, and is never left hanging; the task goes on and hears nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Brain, BrainEvent } from '../../bot/src/brain/brain.ts';
import { createCosts } from '../../bot/src/brain/costs.ts';
import { openDatabase } from '../../bot/src/database.ts';
import type { CommandContext } from '../../bot/src/room/commands/command.ts';
import { runCommand } from '../../bot/src/room/commands/table.ts';
import { createConversation } from '../../bot/src/tasks/conversation.ts';
import { planningStore } from '../../bot/src/tasks/planning.ts';
import { taskStore } from '../../bot/src/tasks/tasks.ts';
import type { Content, Matrix } from '../../bot/src/types.ts';
import { log, room } from '../harness/desk.ts';

type AskedAside = Parameters<Brain['aside']>[0] & PromiseWithResolvers<{ said: string; note: string }>;

function scene({ model = true } = {}) {
  const db = openDatabase(':memory:');
  const tasks = taskStore(db);
  const costs = createCosts(db, { task_tokens: 1000 }, () => '');
  const asked: AskedAside[] = [];
  const done: string[] = [];
  const ears: ((event: BrainEvent) => void)[] = [];
  const brain = {
    aside(o: Parameters<Brain['aside']>[0]) {
      const answer = Promise.withResolvers<{ said: string; note: string }>();
      o.signal.addEventListener('abort', () => answer.reject(new Error('It was stopped.')));
      asked.push({ ...o, ...answer });
      return answer.promise;
    },
    prompt: async (session: string, text: string) => void done.push(`${session}: ${text}`),
    abort: async (session: string) => void done.push(`abort ${session}`),
    resume() {},
    events: (fn: (event: BrainEvent) => void) => void ears.push(fn),
  } as unknown as Brain;
  const posted: { body: string; below: string; txn: string }[] = [];
  const matrix = {
    async post(_room: string, _type: string, content: Content, { txn = '' } = {}) {
      const relation = content['m.relates_to'] as { 'm.in_reply_to'?: { event_id: string } } | undefined;
      const below = relation?.['m.in_reply_to']?.event_id ?? '';
      posted.push({ body: String(content['body']), below, txn });
    },
    sentUnder: () => undefined,
    typing: async () => {},
  } as unknown as Matrix;
  const start = () =>
    createConversation({
      ...{ tasks, costs, matrix, log, planning: planningStore(db), lists: { set() {} } },
      questions: { of: () => undefined, close() {} },
      brain: model ? brain : undefined,
      hands: (task) => ({ task, url: '', token: '' }),
      roomOf: () => room,
      helps: () => false,
      waits: () => false,
      asks: () => false,
      leak: (text) => (text.includes('AAAA-BBBB') ? 'it holds a secret' : ''),
    });
  tasks.add({ id: 'main', workspace: 'main', session: 's-main', title: 'first', createdAt: 0 });
  const conversation = start();
  conversation.listen();
  const tell = (event: BrainEvent) => {
    for (const fn of ears) fn(event);
  };
  tell({ type: 'up' });
  const says = (line: string) =>
    runCommand(line, {
      ...{ workspace: 'main', user: '@owner:x', role: 'owner', conversation, event: '$asks' },
      task: () => conversation.currentTask('main'),
    } as unknown as CommandContext);
  return { tasks, costs, asked, done, posted, start, conversation, tell, says };
}
const settled = async () => {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
};

test('a question aside is answered below itself, by a message that a reply to finds the task by; the task is told nothing', async () => {
  const { says, asked, done, posted, tasks } = scene();
  assert.equal(await says('!btw how far is it?'), '');
  assert.deepEqual(
    asked.map(({ session, task }) => [session, task.task]),
    [['s-main', 'main']],
  );
  assert.match(asked[0]?.text ?? '', /You have no tools here[\s\S]*\n\nhow far is it\?$/);
  asked[0]?.resolve({ said: 'Half of it.', note: '⚠️ It was cut off.' });
  await settled();
  assert.deepEqual(
    posted.map(({ body, below }) => [body, below]),
    [
      ['agent, asked aside:\n> Half of it.', '$asks'],
      ['⚠️ It was cut off.', ''],
    ],
  );
  assert.match(posted[0]?.txn ?? '', /^task-main-[0-9a-f-]{36}$/);
  assert.deepEqual([done, tasks.asides()], [[], []]);
  // Of a task that the room does not speak with now, its title says so.
  tasks.add({ id: 'other', workspace: 'main', session: '', title: 'second', createdAt: 1 });
  await says('!btw and you?');
  assert.equal(asked[1]?.session, '', 'one that was told nothing yet is asked from nothing');
  tasks.choose('main');
  asked[1]?.resolve({ said: 'Me too.', note: '' });
  await settled();
  assert.equal(posted.at(-1)?.body, 'agent, asked aside (second):\n> Me too.');
});

test('what it costs is the task’s; the cap ends it and the task’s turn, and nothing is asked past it', async () => {
  const { says, asked, done, posted, costs, tell } = scene();
  tell({ type: 'busy', session: 's-main' });
  await says('!btw hm?');
  asked[0]?.spent('s-aside', { dollars: 0, tokens: 400 });
  assert.equal(costs.of('main').tokens, 400);
  asked[0]?.spent('s-aside', { dollars: 0, tokens: 1100 });
  await settled();
  assert.equal(costs.of('main').tokens, 1100);
  assert.deepEqual(done, ['abort s-main']);
  assert.ok(posted.some(({ body }) => body.includes('This task has used 1,100 of 1,000 tokens')));
  assert.equal(posted.at(-1)?.body, '⚠️ asked aside: It was stopped.');
  assert.match(await says('!btw more?'), /used 1,100 of 1,000 tokens.*Nothing was asked\./);
  assert.equal(asked.length, 1);
});

test('a stop ends it too, of its task or of all', async () => {
  const { says, asked, posted, conversation, tasks } = scene();
  await says('!btw one?');
  tasks.add({ id: 'other', workspace: 'main', session: '', title: '', createdAt: 1 });
  await conversation.interrupt('main', 'other');
  assert.equal(asked[0]?.signal.aborted, false);
  await conversation.interrupt('main', 'main');
  await settled();
  assert.ok(asked[0]?.signal.aborted);
  assert.equal(posted.at(-1)?.below, '$asks');
  await says('!btw two?');
  await conversation.interrupt('main');
  assert.ok(asked[1]?.signal.aborted);
});

test('a restart of the bot in the middle says that it is lost, once, under the id that its answer would have had', async () => {
  const { says, asked, posted, start, tasks } = scene();
  await says('!btw hm?');
  const [row] = tasks.asides();
  const again = start();
  again.listen();
  await settled();
  const lost = '⚠️ asked aside: the bot was restarted before the answer came. Ask it again.';
  assert.deepEqual(posted, [{ body: lost, below: '$asks', txn: `task-main-${row?.id}` }]);
  start().listen();
  await settled();
  assert.deepEqual([posted.length, tasks.asides(), asked.length], [1, [], 1]);
});

test('a secret is not asked, and where nobody can answer that is said', async () => {
  const { says, asked } = scene();
  assert.match(await says('!btw what is AAAA-BBBB?'), /Not told to the agent: it holds a secret/);
  assert.match(await says('!btw'), /It is written !btw TEXT/);
  assert.equal(asked.length, 0);
  assert.match(await scene({ model: false }).says('!btw hm?'), /No model is configured/);
});
