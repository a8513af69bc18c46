/**
 * What goes to and comes from the workspace's repository, in a container of its own: nothing of the agent's runs in it, so what is
 * pushed is what the card said, and nothing else has its way out.
 */
import { reasons } from '../../ledger/rules/codes.cjs';
import { treeOf } from '../../ledger/rules/workspaces.cjs';
import { type Action, gitTerms } from '../../ledger/src/action.ts';
import type { TaskName } from './container.ts';
import { copyFor } from './copies.ts';
import type { Lease } from './egress.ts';
import type { Script } from './script.ts';
import type { Context } from './step.ts';
import { type Outcome, retired } from './tasks.ts';

export const isApart = ({ kind }: Action): boolean => ['push_look', 'push', 'pull', 'try'].includes(kind);

/** Where an action runs: in its task's container, or one that is named by itself. */
export const placeOf = (action: Action): TaskName => {
  const workspace = treeOf(action);
  if (action.kind === 'try') return copyFor(action.id, workspace);
  return isApart(action) ? { workspace, task: action.id } : { workspace, task: action.task };
};

/** Runs the script there, with a way to its repository alone where it needs one. Its output is short. @throws SandboxError where there is none */
export async function runApart(
  { tasks }: Pick<Context, 'tasks'>,
  action: Action,
  script: Script,
  onChunk: (bytes: Uint8Array) => void,
): Promise<Outcome> {
  const { id } = action;
  const name = placeOf(action);
  const run = () => tasks.run(name, id, script, onChunk);
  try {
    if (action.kind !== 'push' && action.kind !== 'pull') return await run();
    const { host, path, secret } = action.args;
    const what = action.kind === 'push' ? 'git-push' : 'git-fetch';
    const rule = { host, port: 443, class: what, path, ...(secret && { secret }) } as const;
    let running = Promise.reject<Outcome>(new Error('it never opened'));
    running.catch(() => {});
    const lease = await tasks.lease(name, id, { rules: [rule], ...gitTerms[action.kind] }, () => {
      running = run().finally(() => tasks.retire(name, true)); // which ends the way
      running.catch(() => {});
    });
    return ended(await running, lease);
  } finally {
    await tasks.retire(name, true);
  }
}

/** The way ends with the container, once the script is over; otherwise why it did belongs to the outcome. */
function ended(outcome: Outcome, lease: Lease): Outcome {
  if (outcome.end !== 'done') return outcome;
  const why = lease.why === retired ? '' : lease.why;
  const { how } = outcome.status;
  const status = { ...outcome.status, how: why === reasons.stopped ? ('stopped' as const) : how };
  return { ...outcome, status, lease: { ...lease, why } };
}
