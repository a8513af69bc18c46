import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Brain, BrainEvent, Picture } from '../../bot/src/brain/brain.ts';
import { createConversation } from '../../bot/src/chat/conversation.ts';
import { taskStore } from '../../bot/src/chat/tasks.ts';
import type { Matrix } from '../../bot/src/matrix/types.ts';
import { log, room } from '../harness/desk.ts';

const dir = mkdtempSync(join(tmpdir(), 'conversation-'));
after(() => rmSync(dir, { recursive: true, force: true }));

let files = 0;
/** A brain that makes sessions when it is told to, and remembers what it was prompted with. */
function scene() {
  const tasks = taskStore(join(dir, `tasks-${files++}.sqlite`));
  const made: PromiseWithResolvers<string>[] = [];
  const prompts: string[] = [];
  const refuses = new Set<string>();
  const brain = {
    createSession() {
      made.push(Promise.withResolvers<string>());
      return made.at(-1)?.promise;
    },
    async prompt(session: string, text: string, pictures: readonly Picture[] = []) {
      if (refuses.has(session)) throw new Error('no such session');
      prompts.push(`${session}: ${text}${pictures.map(({ mime }) => ` [${mime}]`).join('')}`);
    },
    resume() {},
    events: (fn: (event: BrainEvent) => void) => {
      ears.push(fn);
    },
  } as unknown as Brain;
  const ears: ((event: BrainEvent) => void)[] = [];
  const said: string[] = [];
  const matrix = {
    async post(_room: string, _type: string, content: { body: string }) {
      return `$${said.push(content.body)}`;
    },
    async edit(_room: string, event: string, content: { body: string }) {
      said.push(`edit of ${event}: ${content.body}`);
    },
  } as unknown as Matrix;
  const conversation = createConversation({
    brain,
    model: '',
    hands: (task) => ({ task, url: '', token: '' }),
    tasks,
    matrix,
    roomOf: () => room,
    leak: (text) => (text.includes('AAAA-BBBB') ? 'it holds a secret' : ''),
    picture: async (action) =>
      action === 'seen' ? { mime: 'image/png', bytes: Buffer.from('x') } : undefined,
    log,
  });
  const tell = (event: BrainEvent) => {
    for (const fn of ears) fn(event);
  };
  return { conversation, tasks, made, prompts, refuses, tell, said };
}

test('two quick first messages make one session of the brain, and both go to it, in order', async () => {
  const { conversation, tasks, made, prompts } = scene();
  const both = [conversation.hear('main', 'first'), conversation.hear('main', 'second')];
  await new Promise(setImmediate);
  assert.equal(made.length, 1);
  made[0]?.resolve('s1');
  await Promise.all(both);
  await conversation.hear('main', 'third');
  assert.deepEqual(prompts, ['s1: first', 's1: second', 's1: third']);
  assert.equal(made.length, 1);
  assert.equal(tasks.current('main')?.session, 's1');
});

test('what a brain that is away was told is kept, and told in order as soon as it takes it', async () => {
  const { conversation, tasks, made, prompts } = scene();
  const first = conversation.hear('main', 'first');
  await new Promise(setImmediate);
  made[0]?.reject(new Error('no brain'));
  assert.match(await first, /It is kept, and told to it/);
  assert.deepEqual(
    tasks.owed().map(({ text }) => text),
    ['first'],
  );
  const next = conversation.hear('main', 'again');
  await new Promise(setImmediate);
  made[1]?.resolve('s2');
  assert.equal(await next, '');
  assert.deepEqual(prompts, ['s2: first', 's2: again']);
  assert.deepEqual(tasks.owed(), []);
});

test('a brain that is up and does not take one task’s words is told another’s, and those again', async (t) => {
  const { conversation, tasks, prompts, refuses, tell } = scene();
  for (const id of ['main', 'other'])
    tasks.add({ id, workspace: id, session: `s-${id}`, title: id, createdAt: 0 });
  conversation.listen();
  tell({ type: 'up' });
  await new Promise(setImmediate);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  refuses.add('s-main');
  assert.match(await conversation.hear('main', 'stuck'), /It is kept/);
  assert.equal(await conversation.hear('other', 'other'), '');
  assert.deepEqual(prompts, ['s-other: other']);
  refuses.clear();
  t.mock.timers.tick(10_000);
  await new Promise(setImmediate);
  assert.deepEqual(prompts, ['s-other: other', 's-main: stuck']);
  assert.deepEqual(tasks.owed(), []);
});

test('a model that cannot be reached is told once an outage, and that message says when it answers', async () => {
  const { tasks, tell, said, conversation } = scene();
  for (const id of ['a', 'b'])
    tasks.add({ id, workspace: 'main', session: `s-${id}`, title: id, createdAt: 0 });
  conversation.listen();
  const down = (session: string) =>
    tell({ type: 'error', session, code: 'model_unreachable', message: 'cannot be reached' });
  for (const session of ['s-a', 's-b', 's-a']) down(session);
  await new Promise(setImmediate);
  assert.deepEqual(said, ['⚠️ cannot be reached']);
  const words = (session: string) =>
    tell({ type: 'text', session, part: 'p', delta: '', text: 'here', done: true });
  words('s-b');
  words('s-b');
  await new Promise(setImmediate);
  assert.deepEqual(said.slice(1, 2), ['edit of $1: ✅ The model answers again.']);
  assert.equal(said.filter((text) => text.startsWith('edit')).length, 1);
  down('s-a');
  await new Promise(setImmediate);
  assert.equal(said.at(-1), '⚠️ cannot be reached');
});

test('attack-49 words with an open secret in them do not go to the brain; the next ones do', async () => {
  const { conversation, made, prompts } = scene();
  await assert.rejects(conversation.hear('main', 'is it AAAA-BBBB?'), /Not told to the agent: it holds/);
  const next = conversation.hear('main', 'never mind');
  await new Promise(setImmediate);
  made[0]?.resolve('s1');
  await next;
  assert.deepEqual(prompts, ['s1: never mind']);
});

test('a file that was sent is told once, with its picture where it is one, also when the brain takes it later', async () => {
  const { conversation, tasks, prompts, refuses } = scene();
  tasks.add({ id: 'task', workspace: 'main', session: 's1', title: 't', createdAt: 0 });
  refuses.add('s1');
  assert.match(await conversation.tell('task', 'look', 'seen'), /It is kept/);
  await conversation.tell('task', 'look', 'seen');
  await conversation.tell('task', 'read', 'other');
  refuses.clear();
  assert.equal(await conversation.hear('main', 'seen'), '');
  assert.deepEqual(prompts, ['s1: look [image/png]', 's1: read', 's1: seen']);
  assert.match(
    await conversation.tell('task', 'AAAA-BBBB', 'code'),
    /Not told to the agent: it holds a secret/,
  );
  assert.deepEqual(tasks.owed(), []);
});
