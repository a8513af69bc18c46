/** What follows the look that `!undo` takes, and what the agent is told of an undo. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from '../../bot/src/approval/view.ts';
import type { Whole } from '../../bot/src/room/output.ts';
import { createUndo } from '../../bot/src/room/undo.ts';
import type { Asked } from '../../ledger/src/action.ts';

function scene() {
  const asked: { asked: Asked; id: string }[] = [];
  const told: string[] = [];
  const others: string[] = [];
  const said: string[] = [];
  const undo = createUndo({
    desk: {
      async ask(what, { id = '' } = {}) {
        if (what.workspace === 'troubled') throw new Error('somebody joined');
        asked.push({ asked: what, id });
        return { action: id, number: 9 };
      },
    },
    book: { page: (id) => (asked.some((a) => a.id === id) ? ({} as Page) : undefined) },
    conversation: {
      taskBeside: (workspace) => (workspace === 'alone' ? undefined : ({ id: 'beside' } as never)),
      currentTask: (workspace) => ({ id: `now-${workspace}` }) as never,
      noteOthers: (...words) => void others.push(words.join(' ')),
      tell: async (task, text) => {
        told.push(`${task}: ${text}`);
        return '';
      },
    },
    say: async (_, text) => said.push(text),
  });
  const over = (
    kind: string,
    args: object,
    text: string,
    more: Partial<Whole> & { workspace?: string; task?: string } = {},
  ) => {
    const first = Buffer.from(text);
    const { workspace = 'main', task = 't', ...rest } = more;
    const action = { id: 'x', kind, args, workspace, task, requester: '@ann:home' };
    return undo(
      { action } as unknown as Page,
      { state: 'succeeded', size: first.length, first, ...rest } as Whole,
    );
  };
  return { asked, told, others, said, over };
}
const text = 'returns: a\nfrom the tree 0123\n';

test('the card asks for exactly what was shown, for who looked, and once', async () => {
  const s = scene();
  await s.over('undo_diff', { number: 3 }, text);
  await s.over('undo_diff', { number: 3 }, text);
  assert.deepEqual(
    s.asked.map((a) => a.asked),
    [
      {
        kind: 'undo',
        args: { number: 3, difference: text },
        workspace: 'main',
        task: 't',
        requester: '@ann:home',
      },
    ],
  );
  assert.deepEqual([s.told, s.said], [[], []]);
});

test('nothing is asked where the look failed, was not whole, or something else ran', async () => {
  const s = scene();
  await s.over('undo_diff', { number: 3 }, text, { state: 'failed' });
  await s.over('bash', { script: 'echo' }, text);
  assert.equal(s.said.length, 0);
  await s.over('undo_diff', { number: 3 }, text, { size: 100_000 });
  await s.over('undo_diff', { number: 3 }, text, { workspace: 'troubled' });
  assert.deepEqual(s.asked, []);
  assert.deepEqual(
    s.said.map((one) => one.replace(/ Say it again\.$/, '')),
    ['Not asked to undo: the difference is too long for a card.', 'Not asked to undo: somebody joined.'],
  );
});

test('the agent of the workspace’s task now is told of an undo that was done, and of no other; those of its other tasks hear it with what comes next', async () => {
  const s = scene();
  await s.over('undo', { number: 3, difference: text }, text, { state: 'failed' });
  assert.deepEqual([s.told, s.others], [[], []]);
  await s.over('undo', { number: 3, difference: text }, text);
  assert.match(s.others.join(), /^now-main The owner UNDID [\s\S]* x$/);
  assert.match(s.told.join(), /^now-main: The owner UNDID what was done since action #3[\s\S]*returns: a/);
});

test('what a merge would bring is asked for in a task of the workspace itself; once it is done all those are told, and the one that worked apart is not', async () => {
  const s = scene();
  const task = 'apart-abcdefgh';
  await s.over('merge_look', { number: 2 }, text, { task, state: 'failed' });
  await s.over('merge_look', { number: 2 }, text, { task });
  assert.deepEqual(
    s.asked.map(({ asked }) => asked),
    [
      {
        ...{ kind: 'merge', args: { number: 2, task, difference: text } },
        ...{ workspace: 'main', task: 'beside', requester: '@ann:home' },
      },
    ],
  );
  const none = scene();
  await none.over('merge_look', { number: 2 }, text, { task, workspace: 'alone' });
  assert.deepEqual(none.said, [
    'Not asked to merge: no task works in the workspace itself: !new makes one. Say it again.',
  ]);
  await s.over('merge', { number: 2, task, difference: text }, text, { task: 'beside' });
  assert.equal(s.told.length, 0);
  assert.match(s.others.join(), /^apart-abcdefgh The owner MERGED what task 2 did(?:.|\n)*returns: a/);
  await s.over('undo', { number: 3, difference: text }, text, { task });
  assert.match(s.told.join(), /^apart-abcdefgh: The owner UNDID/);
  assert.equal(s.others.length, 1, 'an undo in a copy is nobody else’s business');
});
