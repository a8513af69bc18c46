/** A dry run: what another action waits to do is done in a copy of the workspace, and told. Nothing is decided by it. */
import { last } from '../../ledger/rules/lifecycle.cjs';
import { treeOf } from '../../ledger/rules/workspaces.cjs';
import type { Action } from '../../ledger/src/action.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { placeOf } from './apart.ts';
import { SandboxError } from './container.ts';
import { scriptOf } from './script.ts';
import type { Context } from './step.ts';
import { type Outcome, told } from './tasks.ts';

const tried = ['bash', 'write_file', 'edit_file'];

/**
 * Nobody can put words of ours into what is told: what the script printed comes last.
 * @param own the id of this action
 * @throws SandboxError where nothing was run
 */
export async function tryOut(
  { book, tasks, signal }: Pick<Context, 'book' | 'tasks' | 'signal'>,
  own: string,
  action: Action<'try'>,
): Promise<Outcome> {
  const { args } = action;
  const look = () =>
    book
      .open()
      .map(book.request)
      .find(
        ({ id, number, action: waits }) =>
          number === args.number &&
          treeOf(waits) === treeOf(action) &&
          tried.includes(waits.kind) &&
          !last(book.story(id), 'claimed'),
      );
  const waits = look();
  if (!waits)
    throw new SandboxError(
      `#${args.number} is no command and no change of a file that waits here; nothing was run`,
    );
  const { outcome, end, did } = await tasks
    .trial(placeOf(action), own, scriptOf(waits.action), () => look() !== undefined)
    .catch((error: unknown) => {
      if (signal.aborted || error instanceof SandboxError) throw error;
      throw new SandboxError(`it was not tried to its end: ${messageOf(error)}; its copy is thrown away`);
    });
  if (outcome.end !== 'done') return outcome;
  const { how, number } = outcome.status;
  const ended = how === 'exit' || how === 'signal' ? `${how} ${number}` : how;
  const printed = end.trim()
    ? `it prints${Buffer.byteLength(end) < outcome.output.size ? ', at its end' : ''}:\n${end}`
    : '';
  const text = `#${args.number} in a copy of the workspace: ${ended}\n${did.trimEnd()}\n${printed}`;
  const all = told({ exit: 0, text });
  return how === 'stopped' ? { ...all, status: { ...all.status, how } } : all;
}
