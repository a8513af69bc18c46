/** Which task a command that decides itself is for, where tasks work in trees of their own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from '../../bot/src/approval/view.ts';
import { aimOf } from '../../bot/src/room/aim.ts';
import { actionBlocks } from '../../bot/src/show/action.ts';
import { toText } from '../../bot/src/show/blocks.ts';
import type { Task } from '../../bot/src/tasks/tasks.ts';
import type { Action, Wish } from '../../ledger/src/action.ts';

const [apart, beside] = ['apart-abcdefgh', 'first'];
const tasks: Record<number, string> = { 1: beside, 2: apart };
const actions: Record<number, object> = {
  7: { workspace: 'main', task: beside },
  8: { workspace: 'main', task: apart },
  9: { workspace: 'other', task: apart },
};
const aim = (act: Wish, id: string): string =>
  aimOf(
    {
      book: { byNumber: (n) => (actions[n] ? ({ action: actions[n] } as Page) : undefined) },
      conversation: {
        taskOf: (_, number) => (tasks[number] ? ({ id: tasks[number], number } as Task) : undefined),
      },
    },
    act,
    { id, workspace: 'main' },
  );

test('an undo and a try are of the tree of the action that they name; a merge is of the task that it names, which has to be apart', () => {
  for (const kind of ['undo_diff', 'try'] as const) {
    const of = (number: number, id: string) => aim({ kind, args: { number } }, id);
    assert.deepEqual([of(7, apart), of(8, beside), of(7, 'second')], [beside, apart, 'second']);
    assert.deepEqual(
      [of(9, beside), of(99, apart)],
      [beside, apart],
      'of what is not known it goes by its place',
    );
  }
  assert.equal(aim({ kind: 'list', args: { path: '.' } }, apart), apart);
  const merge = (number: number) => aim({ kind: 'merge_look', args: { number } }, beside);
  assert.equal(merge(2), apart);
  assert.throws(() => merge(1), /Task 1 works in the workspace itself: there is nothing to merge/);
  assert.throws(() => merge(3), /There is no task 3 here, and nothing was done/);
});

test('a card says that its action is done apart, and only then', () => {
  const lines = (task: string) =>
    toText(actionBlocks({ kind: 'list', args: { path: '.' }, workspace: 'main', task } as Action)).split(
      '\n',
    );
  const line = '⑂ apart: in this task’s own copy of the workspace';
  assert.deepEqual([lines(apart).includes(line), lines(beside).includes(line)], [true, false]);
});
