/** Which task a command is for that decides itself: that of what it names, for a task that is apart works in a tree of its own. */
import { worksApart } from '@pocketcoder/ledger/rules/workspaces.cjs';
import type { Wish } from '@pocketcoder/ledger/src/action.ts';
import type { Book } from '../approval/view.ts';
import type { Conversation } from '../tasks/conversation.ts';
import type { Task } from '../tasks/tasks.ts';

/** @param task the one that it would be for by its place. @throws Error that says why it is for none */
export function aimOf(
  { book, conversation }: { book: Pick<Book, 'byNumber'>; conversation: Pick<Conversation, 'taskOf'> },
  act: Wish,
  { id, workspace }: Pick<Task, 'id' | 'workspace'>,
): string {
  if (act.kind === 'merge_look') {
    const task = conversation.taskOf(workspace, act.args.number);
    if (task && worksApart(task.id)) return task.id;
    throw new Error(
      task
        ? `Task ${task.number} works in the workspace itself: there is nothing to merge.`
        : `There is no task ${act.args.number} here, and nothing was done. !tasks lists them.`,
    );
  }
  if (act.kind !== 'undo_diff' && act.kind !== 'try') return id;
  const of = book.byNumber(act.args.number)?.action;
  return of?.workspace === workspace && (worksApart(of.task) || worksApart(id)) ? of.task : id;
}
