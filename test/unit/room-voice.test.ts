/** What of the agent's words wakes a phone: its answer, once; neither what it says on the way to it nor an edit. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createVoice } from '../../bot/src/room/voice.ts';
import type { Task, TaskStore } from '../../bot/src/tasks/tasks.ts';
import type { Matrix } from '../../bot/src/types.ts';
import { log, room } from '../harness/desk.ts';

function scene(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const said: string[] = [];
  const sent = new Map<string, string>();
  const matrix = {
    async post(_room: string, _type: string, content: { msgtype: string; body: string }, { txn = '' } = {}) {
      const event = `$${said.push(`${content.msgtype} ${content.body}`)}`;
      sent.set(txn, event);
      return event;
    },
    sentUnder: (_room: string, txn: string) => sent.get(txn),
    edit: async (_room: string, event: string, content: { msgtype: string; body: string }) =>
      void said.push(`edit of ${event} ${content.body}`),
    typing: async () => {},
  } as unknown as Matrix;
  const task = { id: 't', workspace: 'main', session: 's', title: '' } as Task;
  const tasks = { isCurrent: () => true, set() {} } as unknown as TaskStore;
  const start = () => createVoice({ matrix, tasks, lists: { set() {} }, roomOf: () => room, log });
  let voice = start();
  const take = (e: Partial<Parameters<typeof voice.take>[1]>) =>
    voice.take(task, { session: 's', ...e } as Parameters<typeof voice.take>[1]);
  return {
    said,
    restart: () => {
      voice = start();
    },
    text: (text: string, done = true, part = 'p') => take({ type: 'text', part, text, delta: '', done }),
    call: () => take({ type: 'call', tool: 'bash', args: {} }),
    idle: () => take({ type: 'idle' }),
    async pass(ms: number) {
      for (let at = 0; at < ms; at += 100) {
        t.mock.timers.tick(100);
        await new Promise(setImmediate);
      }
    },
  };
}

test('what it says before a call is quiet and stands before the call does; its answer notifies, once', async (t) => {
  const s = scene(t);
  await s.text('I look', false);
  await s.text('I look at it.');
  assert.deepEqual(s.said, []);
  await s.call();
  assert.deepEqual(s.said, ['m.notice agent:\n> I look at it.']);
  await s.pass(5000);
  await s.text('It is mended.', true, 'q');
  await s.idle();
  await s.pass(5000);
  assert.deepEqual(s.said.slice(1), ['m.text agent:\n> It is mended.']);
});

test('an answer that is long in coming grows in one message that notified when it began', async (t) => {
  const s = scene(t);
  await s.text('It was', false);
  await s.pass(1000);
  await s.text('It was the sign.', false);
  await s.pass(2000);
  await s.text('It was the sign. It adds now.');
  await s.idle();
  await s.pass(5000);
  assert.deepEqual(s.said, [
    'm.text agent:\n> It was',
    'edit of $1 agent:\n> It was the sign.',
    'edit of $1 agent:\n> It was the sign. It adds now.',
  ]);
});

test('the first words of a turn are there after a quarter of a second; after a call they are held for longer', async (t) => {
  const s = scene(t);
  const posted = () => s.said.filter((said) => !said.startsWith('edit of'));
  await s.text('I look', false);
  await s.pass(200);
  assert.deepEqual(posted(), []);
  await s.pass(100);
  assert.deepEqual(posted(), ['m.text agent:\n> I look']);
  await s.call();
  await s.text('Then I', false, 'q');
  await s.pass(600);
  await s.text('Then I mend it.', true, 'q');
  assert.equal(posted().length, 1);
  await s.call();
  assert.equal(posted()[1], 'm.notice agent:\n> Then I mend it.');
  await s.idle();
  await s.text('It is', false, 'r');
  await s.pass(300);
  assert.deepEqual(posted().slice(2), ['m.text agent:\n> It is'], 'a new turn');
});

test('words that ended without a turn’s end are quiet: a call is on its way, however long it takes to write', async (t) => {
  const s = scene(t);
  await s.text('I write it.');
  await s.pass(2000);
  assert.equal(s.said.length, 0, 'the end of the turn would still make it the answer');
  await s.pass(2000);
  await s.call();
  await s.idle();
  assert.equal(s.said[0], 'm.notice agent:\n> I write it.');
  assert.ok(
    s.said.slice(1).every((said) => said.startsWith('edit of $1')),
    s.said.join(),
  );
});

test('what is read anew after a restart is the same message, and says what it came to meanwhile', async (t) => {
  const s = scene(t);
  await s.text('I look at it.');
  await s.call();
  await s.text('It is', false, 'q');
  await s.pass(2000);
  s.restart();
  await s.text('I look at it.');
  await s.text('It is mended.', true, 'q');
  await s.idle();
  await s.pass(5000);
  const posts = s.said.filter((said) => !said.startsWith('edit'));
  assert.deepEqual(posts, ['m.notice agent:\n> I look at it.', 'm.text agent:\n> It is']);
  assert.equal(s.said.at(-1), 'edit of $2 agent:\n> It is mended.');
});
