import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Brain } from '../../bot/src/brain/brain.ts';
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
  const brain = {
    createSession() {
      made.push(Promise.withResolvers<string>());
      return made.at(-1)?.promise;
    },
    prompt: async (session: string, text: string) => void prompts.push(`${session}: ${text}`),
  } as unknown as Brain;
  const conversation = createConversation({
    brain,
    model: '',
    hands: (task) => ({ task, url: '', token: '' }),
    tasks,
    matrix: {} as Matrix,
    roomOf: () => room,
    leak: (text) => (text.includes('AAAA-BBBB') ? 'it holds a secret' : ''),
    log,
  });
  return { conversation, tasks, made, prompts };
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

test('a session that could not be made is tried again with the next words', async () => {
  const { conversation, made, prompts } = scene();
  const failing = conversation.hear('main', 'first');
  await new Promise(setImmediate);
  made[0]?.reject(new Error('no brain'));
  await assert.rejects(failing, /no brain/);
  const next = conversation.hear('main', 'again');
  await new Promise(setImmediate);
  made[1]?.resolve('s2');
  await next;
  assert.deepEqual(prompts, ['s2: again']);
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
