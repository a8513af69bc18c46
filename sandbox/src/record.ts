/** How an action ended becomes its last entry; its container's copy of the output is not needed then. */

import { last } from '../../ledger/rules/lifecycle.cjs';
import { treeOf } from '../../ledger/rules/workspaces.cjs';
import type { Action } from '../../ledger/src/action.ts';
import type { Changes } from '../../ledger/src/bodies.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { placeOf } from './apart.ts';
import { isInTask } from './calling.ts';
import type { Request } from './claim.ts';
import { resultOf } from './result.ts';
import { timeoutOf } from './script.ts';
import type { Context } from './step.ts';
import type { Outcome } from './tasks.ts';

/** The numbers of other actions whose terminals can write to the workspace at any time. */
const beside = ({ book }: Context, { id, ...of }: Action): number[] =>
  book
    .open()
    .map(book.request)
    .filter(({ action }) => action.kind === 'terminal_open' && treeOf(action) === treeOf(of))
    .filter((one) => one.id !== id && last(book.story(one.id), 'claimed'))
    .map(({ number }) => number);

/** @param changes what it changed in the workspace, where that is known */
export async function record(
  c: Context,
  { id, number, action, digest }: Request,
  outcome: Outcome,
  changes?: Changes,
): Promise<void> {
  const { tasks, write, log, signal } = c;
  const under = {
    limits: tasks.limits,
    timeout: timeoutOf(action),
    ...(changes && { beside: beside(c, action) }),
  };
  const entry = await write({ action: id, ...resultOf(digest, outcome, under, changes) }).catch(
    (error: unknown) => {
      if (signal.aborted) throw error;
      log.error({ action: id, err: error }, 'result not taken');
      const reason = `it ended, but its result could not be recorded: ${messageOf(error)}`;
      return write({ kind: 'unknown', action: id, body: { digest, reason } });
    },
  );
  log.info({ action: id, number, kind: entry.kind, seq: entry.seq }, 'over');
  if (isInTask(action)) await tasks.drop(placeOf(action), id).catch(() => {});
}
