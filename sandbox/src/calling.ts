/** From what a tool server said to how its action ended. All that it says is data. */
import { reasons } from '../../ledger/rules/codes.cjs';
import { pinKey } from '../../ledger/rules/servers.cjs';
import type { Action } from '../../ledger/src/action.ts';
import { isApart, placeOf } from './apart.ts';
import type { Request } from './claim.ts';
import { timeoutOf } from './script.ts';
import type { Context } from './step.ts';
import { type Outcome, told } from './tasks.ts';
import type { Called } from './toolservers.ts';

type OfServer = Action<'server_look' | 'server_reach' | 'mcp' | 'mcp_read' | 'mcp_out'>;
/** Whether it speaks to a tool server, in that one's container: it needs none of its task's. */
export const isOfServer = (action: Action): action is OfServer =>
  ['server_look', 'server_reach', 'mcp', 'mcp_read', 'mcp_out'].includes(action.kind);

/** Whether it is carried out in its task's own container. */
export const isInTask = (action: Action): boolean => !isApart(action) && !isOfServer(action);

function outcomeOf(called: Called): Outcome {
  switch (called.end) {
    case 'answered':
      return told({ exit: called.result['isError'] === true ? 1 : 0, text: JSON.stringify(called.result) });
    case 'refused':
      return told({ exit: 1, text: `it answered by an error: ${called.why}\n` });
    case 'changed': {
      const { status, ...rest } = told({ exit: 1, text: `${called.why}\n` });
      return { ...rest, status: { ...status, how: 'broken' }, why: reasons.changed };
    }
    case 'gone':
      return { end: 'unknown', why: 'the tool server ended within the call' };
    default: {
      const { status, ...rest } = told({ exit: 1, text: '' });
      return { ...rest, status: { ...status, how: called.end } };
    }
  }
}

/** @throws SandboxError where nothing was called */
export async function atServer(
  { tasks, book }: Pick<Context, 'tasks' | 'book'>,
  { id }: Pick<Request, 'id'>,
  action: OfServer,
): Promise<Outcome> {
  if (action.kind === 'server_look' || action.kind === 'server_reach') {
    const look = await tasks.servers.look(id, action.args);
    return told({ exit: 0, text: `${JSON.stringify(look, undefined, 1)}\n` });
  }
  const { workspace, args } = action;
  const pin = book.state().servers.get(pinKey(workspace, args.server));
  if (!pin) return outcomeOf({ end: 'changed', why: `${args.server} is pinned no more` });
  return outcomeOf(await tasks.servers.call(id, placeOf(action), args, pin, timeoutOf(action)));
}
