/** One tool call of the brain: asked of the owner, waited for a while, answered with the outcome or with PENDING. */
import type { Asked } from '@pocketcoder/ledger/src/action.ts';
import { describeOutcome, describePending, type Outcome, ran } from './outcome.ts';

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

export type CallsOptions = {
  ask: Ask;
  /** Called once for each action that was asked here, when its outcome is there. */
  settled(s: Settled): void;
  /** Seconds a call is held open before it answers PENDING. */
  wait: number;
  /** Seconds between two notices that the call still waits. */
  beat?: number;
};

export type Answer = { text: string; isError: boolean };
/**
 * @param signal aborted when the call was taken back or its connection broke
 * @param sent tells, once the answer was written, whether the whole of it went out
 */
export type Call = (
  asked: Asked,
  o: { signal: AbortSignal; sent: Promise<boolean>; progress(message: string): void },
) => Promise<Answer>;

/** Undecided cards of one task at a time: more of them only teach the owner to tap without reading. */
export const mostOpen = 3;

export function openCalls({ ask, settled, wait, beat = 5 }: CallsOptions): Call {
  const queues = new Map<string, ReturnType<typeof turns>>();

  return async (asked, { signal, sent, progress }) => {
    const queue = queues.get(asked.task) ?? turns(mostOpen);
    queues.set(asked.task, queue);
    const over = AbortSignal.any([signal, AbortSignal.timeout(wait * 1000)]);
    let stage = `${mostOpen} actions of this task wait for the owner; this one is next`;
    const ticker = setInterval(() => progress(stage), beat * 1000);
    try {
      const done = await queue.take(over);
      if (!done)
        return refused(
          `NOT ASKED: ${mostOpen} actions of this task already wait for the owner, so this one was not put to them and did not run. End your turn; ask again when you were told an outcome.`,
        );
      let open: Awaited<ReturnType<Ask>>;
      try {
        open = await ask(asked, signal);
      } catch (error) {
        done();
        const why = error instanceof Error ? error.message : String(error);
        return refused(`NOT ASKED: the action could not be recorded (${why}). Nothing ran.`);
      }
      stage = `action ${open.action} waits for the owner`;
      progress(stage);
      const outcome = open.outcome.catch((error: unknown): Outcome => unsure(error)).finally(done);
      const first = await Promise.race([outcome, ended(over)]);
      const { action } = open;
      void outcome.then(async (o) => {
        const delivered = first !== undefined && (await sent) && !signal.aborted;
        settled({ task: asked.task, action, outcome: o, delivered });
      });
      if (first === undefined) return { text: describePending(action), isError: false };
      return { text: describeOutcome(action, first), isError: !ran(first) };
    } finally {
      clearInterval(ticker);
    }
  };
}

const refused = (text: string): Answer => ({ text, isError: true });

const unsure = (error: unknown): Outcome => ({
  state: 'unknown',
  output: '',
  truncated: false,
  reason: error instanceof Error ? error.message : String(error),
});

const ended = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });

/** Lets so many in at once, the rest in the order they came. `take` gives the way out, or nothing if it took too long. */
function turns(most: number) {
  let free = most;
  const waiting: (() => void)[] = [];
  const leave = () => {
    const next = waiting.shift();
    if (next) next();
    else free++;
  };
  return {
    async take(over: AbortSignal): Promise<(() => void) | undefined> {
      if (over.aborted) return undefined;
      if (free > 0) {
        free--;
        return leave;
      }
      return await new Promise((resolve) => {
        const enter = () => resolve(leave);
        waiting.push(enter);
        over.addEventListener(
          'abort',
          () => {
            const at = waiting.indexOf(enter);
            if (at >= 0) waiting.splice(at, 1);
            resolve(undefined);
          },
          { once: true },
        );
      });
    },
  };
}
