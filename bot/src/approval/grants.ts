/** What needs no card, and what was approved without anything to run: leases, plans and other control actions. */
import { setTimeout as pause } from 'node:timers/promises';
import { answers } from '@pocketcoder/ledger/src/answers.cjs';
import { type Ledger, LedgerError } from '@pocketcoder/ledger/src/client.ts';
import type { Logger } from 'pino';
import { createLock } from '../matrix/lock.ts';
import type { Book, Page } from './book.ts';
import { refused } from './refusals.ts';
import { actBlocks, type Block } from './render.ts';

export type GrantsOptions = {
  ledger: Ledger;
  book: Book;
  say(workspace: string, blocks: readonly Block[]): Promise<unknown>;
  log: Logger;
};
export type Grants = {
  /** Lets a lease or a plan stand for the answer. False where none does: then a card asks. */
  covers(page: Page): Promise<boolean>;
  /** The first deviation ends the task's plan, and the room sees from what. */
  leavePlan(page: Page): Promise<void>;
  /** Puts a control action into effect where it is approved, once its grace is over. Never throws: the room is told. */
  putInForce(page: Page): void;
};

export function createGrants({ ledger, book, say, log }: GrantsOptions): Grants {
  const lock = createLock();

  async function apply({ action, digest, story }: Page): Promise<void> {
    const approved = story.findLast((e) => e.kind === 'approved');
    if (!approved) return;
    await pause(Math.max(0, Date.parse(approved.at) + action.grace * 1000 - Date.now()));
    const { kind, args, workspace, task } = action;
    const by = answers([...story]).map(({ evidence: { user, device } }) => ({ user, device }));
    const body = { digest, kind, args, workspace, task, by };
    await ledger.append({ kind: 'applied', action: action.id, body });
  }

  return {
    covers: ({ action, digest }) =>
      // One at a time: each use carries its number.
      lock('use', async () => {
        const grant = book.cover(action);
        if (!grant) return false;
        try {
          const body = { digest, lease: grant.id, use: grant.used + 1 };
          const entry = await ledger.append({ kind: 'leased', action: action.id, body });
          await book.reached(entry.seq);
          return true;
        } catch (error) {
          if (!(error instanceof LedgerError) || error.code === 'unreachable') throw error;
          log.info({ action: action.id, lease: grant.id, code: error.code }, 'a lease did not cover it');
          return false;
        }
      }),
    async leavePlan({ action }) {
      if (action.requester !== 'brain') return;
      for (const { id, kind, task, workspace, used, args } of book.standing()) {
        if (kind !== 'plan' || task !== action.task || workspace !== action.workspace) continue;
        const body = { lease: id, reason: 'something else was asked for' };
        await ledger.append({ kind: 'lease.ended', body });
        const left = `The agent left its plan after ${used} of ${args['steps'].length} steps, so the plan is over. Its next step was`;
        const blocks = [{ line: left }, ...actBlocks(args['steps'][used])];
        await say(workspace, [...blocks, { line: 'The card below asks for this instead:' }]);
      }
    },
    putInForce(page) {
      const { action, number } = page;
      if (action.class !== 'control' || book.state(action.id) !== 'approved') return;
      apply(page).catch((error: unknown) => {
        if (book.state(action.id) === 'applied') return; // a restart did it twice
        log.warn({ action: action.id, err: error }, 'not put in force');
        const code = error instanceof LedgerError ? error.code : 'the ledger did not answer';
        const line = `#${number} was approved, but is not in force: ${refused[code] ?? code}.`;
        say(action.workspace, [{ line }]).catch(() => {}); // the log has it
      });
    },
  };
}
