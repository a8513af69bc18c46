/** From a wish to a card, and from a verdict to a decision in the ledger. What the ledger refuses did not happen. */

import { reasons } from '@pocketcoder/ledger/rules/codes.cjs';
import { idOf } from '@pocketcoder/ledger/rules/id.cjs';
import { isWatched } from '@pocketcoder/ledger/rules/identities.cjs';
import { traits } from '@pocketcoder/ledger/rules/kinds.cjs';
import { isOver, isUnderWay } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import { scriptsOf } from '@pocketcoder/ledger/rules/named.cjs';
import {
  type Action,
  type Asked,
  actionText,
  makeAction,
  sha256,
  withReads,
} from '@pocketcoder/ledger/src/action.ts';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import { within } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { Decide } from '../approval/decide.ts';
import type { NarrowLedger } from '../approval/narrow.ts';
import type { Poster } from '../approval/poster.ts';
import type { Cards, Posted } from '../approval/store.ts';
import type { Command, Judged } from '../approval/verdict.ts';
import type { Book, Page } from '../approval/view.ts';
import type { Block } from '../show/blocks.ts';
import { isWithin } from '../tasks/kin.ts';
import type { Attention } from './attention.ts';
import { createGrants } from './grants.ts';
import { NotAsked, refusal, unlessOver } from './refusals.ts';

export type DeskOptions = {
  ledger: NarrowLedger;
  cards: Cards;
  book: Book;
  poster: Poster;
  /** Makes the message that asks its own decision, where it may be. */
  decide: Pick<Decide, 'command'>;
  attention: Attention;
  /** Tells a workspace's room something. */
  say(workspace: string, blocks: readonly Block[]): Promise<unknown>;
  /** Why nothing is asked in this workspace at present, or ''. */
  trouble(workspace: string): string;
  /** Why the agent asks for nothing in this task at present, or ''. */
  halted(task: string): string;
  /** Milliseconds that a card waits for the executor to say what files its scripts name. */
  patience: number;
  log: Logger;
};
export type AskedBy = {
  /** The signed message that asks: where its kind, its sender and the policy let it, it is the decision too. */
  command?: Command;
  /** The bytes that the action names. */
  file?: Uint8Array;
  /** The action's id, for who has to know it before anything is recorded; a command's is made from its event. */
  id?: string;
};
export type Desk = {
  /**
   * Records the wish and shows its card, unless a lease or a plan covers it. Resolves when the card can be answered; by then it may
   * be over.
   */
  ask(asked: Asked, by?: AskedBy): Promise<{ action: string; number: number }>;
  /** Carries out what the gatekeeper said of an event. Returns what a person should be told, or ''. */
  apply(verdict: Judged): Promise<string>;
  addPoll(number: number): Promise<string>;
  /** Ends what runs and denies what waits in a workspace, or in one task of it and its helpers. Returns how many actions that were. */
  stop(workspace: string, by: string, task?: string): Promise<number>;
  /** Takes back what waits for an answer, among these: another one is put. */
  replace(mine: (action: Action) => boolean, why: string): Promise<void>;
  /** Ends a terminal of the agent's own, which needs nobody's leave. Returns what to tell it. */
  close(task: string, number: number): Promise<string>;
  /** Writes `expired` for every card whose decide-by has passed. */
  expire(now: number): Promise<void>;
  /** Takes the next entry of the chain: what a control action asked for takes effect once it is approved. */
  onEntry(entry: Entry): void;
  /** Nothing is approved or begun anywhere until an owner thaws it. */
  freeze(by: string): Promise<void>;
  /** After a restart: shows the cards that were recorded but not shown, or not with all their chips. */
  resume(): Promise<void>;
};

export function createDesk(o: DeskOptions): Desk {
  const { ledger, cards, book, poster, decide, log } = o;
  const grants = createGrants(o);

  /** Before its card stands in the ledger, where no denial is taken. @returns false where it was claimed or is over */
  const voided = (action: string, digest: string, reason: string) =>
    unlessOver(ledger.append({ kind: 'void', action, body: { digest, reason } }));
  /** The same once it stands there: a denial counts until the executor has claimed the action. */
  const denied = (action: string, digest: string, by: string, reason: string) =>
    unlessOver(ledger.append({ kind: 'denied', action, body: { digest, grade: 'plain', by, reason } }));

  /** The ledger knows what came first. */
  async function denyCard({ action, digest }: Posted, by: string, why: string): Promise<string> {
    const early = book.state(action) === 'requested';
    const ended = early ? await voided(action, digest, why) : await denied(action, digest, by, why);
    if (!ended && !early) return refusal('lifecycle');
    cards.set(action, { open: false });
    return '';
  }

  async function apply(v: Judged): Promise<string> {
    switch (v.do) {
      case 'decided':
        return refusal(v.refused);
      case 'deny': {
        const { action, number } = v.card;
        log.info({ action, number, event: v.evidence.event }, 'denial');
        // What it granted ends with it, and may still stand long after.
        const ended = await grants.end(action, v.why);
        if (book.page(action) && !isOver(book.state(action))) return denyCard(v.card, v.evidence.user, v.why);
        return ended
          ? `#${number} is over: what it covered is asked for again. What has run stays done.`
          : '';
      }
      case 'suspect':
        if (!v.card.open || v.card.dropped) return '';
        cards.set(v.card.action, { dropped: true });
        await ledger.append({ kind: 'alarm', body: { reason: 'token guessed', action: v.card.action } });
        return `⚠️ #${v.card.number} got a tap with a key nobody was given. Taps no longer count for it: answer with !poll ${v.card.number}.`;
      case 'explain':
        return v.why;
      default:
        return '';
    }
  }

  /** Why the agent asks for nothing in this task at present, or ''. */
  const stopped = ({ requester, task }: Pick<Asked, 'requester' | 'task'>): string =>
    requester === 'brain' ? o.halted(task) : '';

  /** Shows the card once the executor said what files its scripts name, or had its time to. */
  async function show(page: Page): Promise<void> {
    const { action, story } = page;
    const waits = scriptsOf(action).length > 0 && story.length === 1;
    if (waits) await within(book.moved(action.id), o.patience);
    const why = stopped(action); // stopped meanwhile: whoever stopped did not see it yet
    if (why) throw new NotAsked(why);
    if (book.state(action.id) !== 'requested') return;
    await grants.leavePlan(page);
    await poster.show(page);
  }

  /** What could not be shown is taken back, so that "nothing ran" is true. Throws why, unless it was claimed already. */
  async function withdraw(page: Page, error: unknown): Promise<void> {
    log.error({ action: page.action.id, err: error }, 'a card could not be shown');
    if (await voided(page.action.id, page.digest, 'its card could not be shown')) throw error;
  }

  /** Shows the card of what no lease or plan covers. Where it can't be shown the action is taken back. */
  async function unlessCovered(page: Page): Promise<void> {
    if (!stopped(page.action) && (await grants.covers(page))) return;
    await show(page).catch((error: unknown) => withdraw(page, error));
  }

  return {
    async ask(asked, { command, file, id } = {}) {
      const brain = asked.requester === 'brain';
      const why = o.trouble(asked.workspace) || stopped(asked) || (brain ? o.attention.hold(Date.now()) : '');
      if (why) throw new NotAsked(why);
      // Where somebody only reads a tap proves nothing.
      const raise = isWatched(book.enrolled()) || o.attention.asksSigned() ? 'signed' : undefined;
      const made = makeAction(
        asked,
        book.policy(),
        raise,
        command ? idOf(command.evidence.event, sha256) : id,
      );
      // Not where no card would show it.
      const offers = book.offersReads(asked) && !book.cover(asked);
      const action = offers ? withReads(made, book.policy()) : made;
      const entry = await ledger.append({
        id: action.id,
        kind: 'requested',
        action: action.id,
        body: JSON.parse(actionText(action)) as object,
        ...(file && { transcript: () => [file] }),
      });
      await book.reached(entry.seq);
      const page = book.page(action.id);
      if (!page) throw new Error('the ledger did not show the action it took');
      const refused = command && (await decide.command(page, command));
      if (refused) await voided(action.id, page.digest, refusal(refused));
      else if (refused === undefined) await unlessCovered(page);
      return { action: action.id, number: page.number };
    },
    apply,
    async addPoll(number) {
      const card = cards.byNumber(number);
      const page = card && book.page(card.action);
      if (!card) return `There is no #${number}. !pending lists what waits.`;
      if (!card.open || !page) return `#${number} is already ${book.state(card.action) || 'over'}.`;
      if (card.form === 'code') return `#${number} is too long for a poll: its file has a code.`;
      await poster.showPoll(page.action);
      return '';
    },
    async stop(workspace, by, task) {
      const plans = await grants.endOf(workspace, reasons.stopped, task); // first, so that no further step is covered
      const mine = book
        .unfinished()
        .filter((p) => p.action.workspace === workspace && (!task || isWithin(p.action.task, task)));
      for (const { action, digest } of mine) {
        const state = book.state(action.id);
        const card = cards.get(action.id);
        if (card && ['posted', 'endorsed', 'approved'].includes(state))
          await denyCard(card, by, reasons.stopped);
        if (state === 'leased') await denied(action.id, digest, by, reasons.stopped);
        const taken = state === 'requested' && (await voided(action.id, digest, reasons.stopped));
        // Claimed meanwhile, or long since: then it is the executor's to end.
        if (!taken) await unlessOver(ledger.append({ kind: 'stop', action: action.id, body: { by } }));
      }
      return mine.length + plans;
    },
    async replace(mine, why) {
      for (const { action, digest } of book.unfinished().filter((p) => mine(p.action))) {
        if (!['requested', 'posted', 'endorsed'].includes(book.state(action.id))) continue;
        await voided(action.id, digest, why);
        cards.set(action.id, { open: false });
      }
    },
    async close(task, number) {
      const page = book.unfinished().find((p) => p.number === number && p.action.task === task);
      const runs = page && isUnderWay(book.state(page.action.id));
      if (!runs || page.action.kind !== 'terminal_open')
        return `There is no terminal ${number} in this task.`;
      await unlessOver(ledger.append({ kind: 'stop', action: page.action.id, body: {} }));
      return `Terminal ${number} is being closed.`;
    },
    async expire(now) {
      // By the ledger's own state: a card may have been shut here without the ledger knowing.
      for (const { action, digest, requestedAt } of book.unfinished()) {
        const state = book.state(action.id);
        if (now <= requestedAt + action.decide_within * 1000) continue;
        if (!['requested', 'posted', 'endorsed'].includes(state)) continue;
        const body = { digest, reason: 'not decided in time' };
        // What was never shown can't expire: something went wrong half-way, and it is taken back.
        const kind = state === 'requested' ? 'void' : 'expired';
        await unlessOver(ledger.append({ kind, action: action.id, body }));
        cards.set(action.id, { open: false });
      }
    },
    onEntry(entry) {
      grants.onEntry(entry);
      const page = entry.kind === 'approved' ? book.page(entry.action) : undefined;
      if (page) grants.putInForce(page);
    },
    async freeze(by) {
      await ledger.append({ kind: 'frozen', body: { by } });
    },
    async resume() {
      for (const page of book.unfinished()) {
        grants.putInForce(page);
        const state = book.state(page.action.id);
        const { id, kind, requester } = page.action;
        const card = cards.get(id);
        // What its own message was to decide: nobody waits for a card of it.
        const said = card ? card.form === 'command' : traits(kind).words && requester !== 'brain';
        if (said && ['requested', 'posted'].includes(state)) {
          await voided(id, page.digest, 'the bot was restarted: say it again');
          continue;
        }
        const shown =
          state === 'requested'
            ? unlessCovered(page)
            : state === 'posted' && card?.form === 'chip' && !card.chips
              ? poster.showChips(id).catch((error: unknown) => withdraw(page, error))
              : undefined;
        // One card that can't be shown must not keep the bot from starting.
        await shown?.catch(() => {});
      }
    },
  };
}
