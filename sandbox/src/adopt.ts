/** Takes up what this executor had claimed before it was restarted. Starts nothing: what had no start by then is `unknown`. */
import { traits } from '../../ledger/rules/kinds.cjs';
import { bodyOf, last } from '../../ledger/rules/lifecycle.cjs';
import { treeOf } from '../../ledger/rules/workspaces.cjs';
import { sha256 } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/client.ts';
import { retry } from '../../ledger/src/retry.ts';
import { isApart, placeOf } from './apart.ts';
import { isOfServer } from './calling.ts';
import type { Request } from './claim.ts';
import { SandboxError } from './container.ts';
import { passOn } from './perform.ts';
import { record } from './record.ts';
import { timeoutOf } from './script.ts';
import { halfwayOf, type Snapshots } from './snapshots.ts';
import { type Context, patiently } from './step.ts';

/** The name of the executor that has claimed the action; undefined where nobody has. */
export function claimant(story: readonly Entry[]): string | undefined {
  const claimed = last(story, 'claimed');
  return claimed && bodyOf(claimed, 'claimed').executor;
}

/** @throws SandboxError, or Docker's own error, where it cannot be told that no undo or merge goes on */
async function over({ tasks }: Context, tree: string): Promise<void> {
  const { exit, text } = await tasks.keep(tree, 'wait');
  if (exit !== 0) throw new SandboxError(text);
}

/** @param frozenAt the number of the last freeze, 0 for none */
export async function adopt(
  c: Context,
  request: Request,
  frozenAt: number,
  changes: Snapshots['changes'],
): Promise<void> {
  const { tasks, book, write, log, signal } = c;
  const { id, action, digest } = request;
  const story = book.story(id);
  const claimed = last(story, 'claimed');
  const told = last(story, 'running') !== undefined;
  log.info({ action: id, told }, 'taken up again');
  if (traits(action.kind).lasts) {
    const what =
      action.kind === 'egress'
        ? 'the lease ended with it; how much went is not recorded'
        : 'the terminal ended with it';
    const why = `the executor was restarted, and ${what}`;
    const none = { size: 0, sha256: sha256(''), bytes: new Uint8Array(), read: () => [] };
    return record(c, request, told ? { end: 'cut', why, output: none } : { end: 'unknown', why });
  }
  if (isOfServer(action)) {
    const why = 'the executor was restarted meanwhile, which ended its tool server';
    return record(c, request, { end: 'unknown', why });
  }
  if (isApart(action)) {
    await tasks.retire(placeOf(action), true);
    const look = action.kind === 'try' ? '' : ' look at the repository, or';
    const why = `the executor was restarted meanwhile:${look} say the same again`;
    return record(c, request, { end: 'unknown', why });
  }
  if (action.kind === 'undo' || action.kind === 'merge') {
    const { task } = action.kind === 'merge' ? action.args : action;
    // It may still lay files, for as long as it takes: until its keeper has said that it is over nothing else begins there.
    await retry(() => over(c, treeOf({ ...action, task })), { ...patiently, again: () => true, signal });
    await changes(request); // which marks its snapshot as one of what ran
    return record(c, request, {
      end: 'unknown',
      why: `the executor was restarted meanwhile. ${halfwayOf(request)}`,
    });
  }
  const left = timeoutOf(action) - (Date.now() - Date.parse(claimed?.at ?? '')) / 1000;
  const adopted = tasks.adopt(placeOf(action), id, left, passOn(c, id));
  const undone = (claimed?.seq ?? 0) < frozenAt || last(story, 'stop') !== undefined;
  if (undone) await tasks.kill(placeOf(action), id);
  const outcome = await adopted;
  if (outcome.end === 'done' && !told) await write({ kind: 'running', action: id, body: { digest } });
  await record(c, request, outcome, await changes(request));
}
