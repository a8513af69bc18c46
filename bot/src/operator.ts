/** What the operator can have done at the console, as far as it is the bot's to do. */
import { canonical } from '@pocketcoder/ledger/rules/canonical.cjs';
import type { Wishes } from './console.ts';
import type { Parts } from './parts.ts';
import type { RoomId } from './types.ts';
import { mainWorkspace } from './workspaces.ts';

/** @param room of the main workspace */
export const createOperator = (o: Parts, room: RoomId): Wishes => ({
  status: () => o.health.status(room),
  async askPolicy(policy) {
    const args = { policy };
    const waits = o.book
      .unfinished()
      .some(({ action }) => action.kind === 'policy' && canonical(action.args) === canonical(args));
    if (waits) return;
    const task = o.conversation.currentTask(mainWorkspace).id;
    await o.desk.ask({ kind: 'policy', args, workspace: mainWorkspace, task, requester: 'operator' });
  },
  openWorkspace: o.workspaces.open,
  probe: o.probe,
  async pair(user, operator, left) {
    await o.workspaces.invite(user);
    return o.matrix.pair(room, user, operator, left);
  },
});
