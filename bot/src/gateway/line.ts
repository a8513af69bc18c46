/**
 * A task's calls on their way to the owner, in the order they came. What comes at once, or while another call is held open,
 * the agent made in the same turn, knowing no outcome of the others: it waits its turn, and what is of one kind becomes one card.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Asked } from '@pocketcoder/ledger/src/action.ts';
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import { NotAsked } from '../desk/refusals.ts';
import type { Outcome } from './outcome.ts';

/**
 * Records what is asked and shows it to the owner.
 * @param signal aborted when the brain took its call back or is gone; the action stands unless the bot voids it
 * @returns the action's id, and its outcome whenever that comes. Must reject if nothing was recorded.
 */
export type Ask = (
  asked: Asked,
  signal: AbortSignal,
) => Promise<{ action: string; outcome: Promise<Outcome> }>;

export type Settled = {
  task: string;
  action: string;
  outcome: Outcome;
  /** True when the open call carried the outcome to the brain; otherwise the bot has to prompt it. */
  delivered: boolean;
};

export type LineOptions = {
  ask: Ask;
  /** Whether it needs no card at present: a lease or a plan stands for the answer. */
  covered(asked: Asked): boolean;
  /** One plan of all these; nothing where each is better asked for by itself. */
  together(all: readonly Asked[]): Asked | undefined;
  settled(s: Settled): void;
};
export type Open = { action: string; outcome: Promise<Outcome> };
export type Line = {
  /** Waits for its turn, and for `ready`. @returns its action, or why there is none; nothing where `over` came first */
  enter(
    asked: Asked,
    ready: Promise<void>,
    signal: AbortSignal,
    over: AbortSignal,
  ): Promise<Open | NotAsked | undefined>;
  /** A call that had its turn was answered. */
  leave(): void;
};
type Waiting = {
  asked: Asked;
  ready: Promise<void>;
  signal: AbortSignal;
  over: AbortSignal;
  go(open: Open | NotAsked): void;
};

/** Undecided cards of one task at a time: more of them only teach the owner to tap without reading. */
export const mostOpen = 3;
/** Milliseconds that a call waits for others of its turn before its card is shown. */
const company = 100;

export function createLine({ ask, covered, together, settled }: LineOptions): Line {
  const waiting: Waiting[] = [];
  /** Actions that were asked and are not over; calls that had their turn and are not answered. */
  let open = 0;
  let held = 0;
  let asking = false;

  async function record(asked: Asked, signal: AbortSignal): Promise<Open | NotAsked> {
    open++;
    const over = (outcome: Outcome): Outcome => {
      open--;
      if (outcome.state === 'denied') turnAway();
      void advance();
      return outcome;
    };
    try {
      const { action, outcome } = await ask(asked, signal);
      return { action, outcome: outcome.catch(unsure).then(over) };
    } catch (error) {
      open--;
      return error instanceof NotAsked
        ? error
        : new NotAsked(`it could not be recorded (${messageOf(error)})`);
    }
  }

  /** Whoever was told no, or stopped everything, is not asked for what was on its way: the agent has to hear of it first. */
  function turnAway(): void {
    held += waiting.length;
    for (const w of waiting.splice(0))
      w.go(new NotAsked('the owner just denied another action of this task'));
  }

  /** The calls of one kind that wait at the head, as many as one card can hold. */
  function alike(head: Waiting): { some: Waiting[]; plan?: Asked } {
    const other = waiting.findIndex((w) => w.asked.kind !== head.asked.kind);
    for (let n = other < 0 ? waiting.length : other; n > 1; n--) {
      const some = waiting.slice(0, n);
      const plan = together(some.map((w) => w.asked));
      if (plan) return { some, plan };
    }
    return { some: [head] };
  }

  /** A plan's steps are asked once it is in force; whoever can't wait so long goes on with the plan itself. */
  async function askAll(some: readonly Waiting[], plan: Asked, task: string): Promise<void> {
    const signals = some.map((w) => w.over);
    const one = await record(plan, AbortSignal.any(some.map((w) => w.signal)));
    const outcome =
      one instanceof NotAsked ? undefined : await Promise.race([one.outcome, ended(...signals)]);
    if (one instanceof NotAsked || outcome?.state !== 'applied') {
      for (const w of some) w.go(one);
      return;
    }
    settled({ task, action: one.action, outcome, delivered: true });
    for (const w of some) w.go(await record(w.asked, w.signal));
  }

  async function advance(): Promise<void> {
    if (asking) return;
    asking = true;
    for (let head = waiting[0]; head; head = waiting[0]) {
      const free = covered(head.asked);
      if (!free && (held > 0 || open >= mostOpen)) break;
      await Promise.all([head.ready, free || pause(company)]);
      if (head !== waiting[0]) continue; // taken back meanwhile
      const { some, plan } = free ? { some: [head] } : alike(head);
      waiting.splice(0, some.length);
      held += some.length;
      await Promise.all(some.map(({ ready }) => ready));
      if (plan) await askAll(some, plan, head.asked.task);
      else head.go(await record(head.asked, head.signal));
    }
    asking = false;
  }

  return {
    async enter(asked, ready, signal, over) {
      if (over.aborted) return undefined;
      return new Promise((resolve) => {
        const mine: Waiting = { asked, ready, signal, over, go: resolve };
        waiting.push(mine);
        void ended(over).then(() => {
          const at = waiting.indexOf(mine);
          if (at < 0) return;
          waiting.splice(at, 1);
          resolve(undefined);
        });
        void advance();
      });
    },
    leave() {
      held--;
      void advance();
    },
  };
}

const unsure = (error: unknown): Outcome => ({
  state: 'unknown',
  output: '',
  truncated: false,
  reason: messageOf(error),
});

/** Resolves with nothing as soon as one of them is aborted. */
export const ended = (...signals: readonly AbortSignal[]): Promise<undefined> =>
  new Promise((resolve) => {
    for (const signal of signals) {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    }
  });
