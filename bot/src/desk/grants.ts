/** What needs no card, and what was approved without anything to run: leases, plans and other control actions. */

import { setTimeout as pause } from 'node:timers/promises';
import { effectOf } from '@pocketcoder/ledger/rules/answers.cjs';
import { reasons } from '@pocketcoder/ledger/rules/codes.cjs';
import { bodyOf } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import { type Entry, LedgerError } from '@pocketcoder/ledger/src/client.ts';
import type { Logger } from 'pino';
import type { NarrowLedger } from '../approval/narrow.ts';
import type { Book, Page } from '../approval/view.ts';
import { createLock } from '../proof/lock.ts';
import { type Block, toText } from '../show/blocks.ts';
import { shownOf } from '../show/kinds.ts';
import { isWithin } from '../tasks/kin.ts';
import { refused } from './refusals.ts';

/** Characters of a step that are shown where its plan was left. */
const longest = 4000;

export type GrantsOptions = {
  ledger: NarrowLedger;
  book: Book;
  say(workspace: string, blocks: readonly Block[]): Promise<unknown>;
  log: Logger;
};
export type Grants = {
  /** Lets a lease or a plan stand for the answer. False where none does: then a card asks. */
  covers(page: Page): Promise<boolean>;
  /** The first deviation ends the task's plan, and the room sees from what. */
  leavePlan(page: Page): Promise<void>;
  /** Ends a lease or plan where it stands. Returns whether it did. */
  end(id: string, reason: string): Promise<boolean>;
  /** Ends what stands for a workspace's tasks, or for one and its helpers: plans, and reads that came with a card. Returns how many there were. */
  endOf(workspace: string, reason: string, task?: string): Promise<number>;
  /** A step that did not run ends its plan: what comes after it was approved to come after it. A stop ends its action's reads. */
  onEntry(entry: Entry): void;
  /** Puts a control action into effect where it is approved, once its grace is over. Never throws: the room is told. */
  putInForce(page: Page): void;
};

export function createGrants({ ledger, book, say, log }: GrantsOptions): Grants {
  const lock = createLock();

  async function apply({ action, digest, story }: Page): Promise<void> {
    const approved = story.findLast((e) => e.kind === 'approved');
    if (!approved) return;
    // Timers and the ledger's clock differ by a little.
    const wait = action.grace > 0 ? Date.parse(approved.at) + action.grace * 1000 + 100 - Date.now() : 0;
    await pause(Math.max(0, wait));
    await ledger.append({ kind: 'applied', action: action.id, body: effectOf(action, digest, story) });
  }

  async function end(id: string, reason: string): Promise<boolean> {
    if (!book.standing().some((g) => g.id === id)) return false;
    const entry = await ledger.append({ kind: 'lease.ended', body: { lease: id, reason } });
    await book.reached(entry.seq);
    return true;
  }

  /** Never throws. */
  const endLate = (lease: string, reason: string): void =>
    void end(lease, reason).catch((error: unknown) =>
      log.error({ action: lease, err: error }, 'a grant was not ended'),
    );

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
      for (const { id, task, workspace, used, args } of book.standing()) {
        const { steps } = args;
        if (!steps || task !== action.task || workspace !== action.workspace) continue;
        await end(id, 'something else was asked for');
        const left = `The agent left its plan after ${used} of ${steps.length} steps, so the plan is over. Its next step was`;
        const next = steps.slice(used, used + 1).flatMap(({ kind, args: of }) => shownOf(kind, of).blocks);
        const shown = toText(next).length > longest ? [{ line: '(too long to show here)' }] : next;
        await say(workspace, [{ line: left }, ...shown, { line: 'The card below asks for this instead:' }]);
      }
    },
    end,
    async endOf(workspace, reason, task) {
      const ofTasks = book
        .standing()
        .filter((g) => g.kind !== 'lease' && g.workspace === workspace && (!task || isWithin(g.task, task)));
      for (const { id } of ofTasks) await end(id, reason);
      return ofTasks.length;
    },
    onEntry(entry) {
      // What its card leased besides may have come between the stop and this entry of it.
      if (entry.kind === 'stop') endLate(entry.action, reasons.stopped);
      if (!['denied', 'expired', 'void'].includes(entry.kind)) return;
      const used = book.page(entry.action)?.story.find((e) => e.kind === 'leased');
      if (!used) return;
      const { lease } = bodyOf(used, 'leased');
      if (!book.standing().some((g) => g.id === lease && g.kind === 'plan')) return;
      endLate(lease, 'one of its steps did not run');
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
