/** One tool call of the brain: asked of the owner in its turn, waited for a while, answered with the outcome or with PENDING. */
import { traits } from '@pocketcoder/ledger/rules/kinds.cjs';
import type { Asked, EgressRule } from '@pocketcoder/ledger/src/action.ts';
import { NotAsked } from '../desk/refusals.ts';
import type { Question } from '../show/choices.ts';
import type { CrewDoor } from './handing.ts';
import { createLine, ended, type Line, type LineOptions } from './line.ts';
import { type Answer, describeOutcome, describePending, isError } from './outcome.ts';

/** `settled` is called for each action that was asked here, when its outcome is there. */
export type CallsOptions = LineOptions & {
  /** Seconds a call is held open before it answers PENDING. */
  wait: number;
  /** Why a task's brain is told nothing now, or '': its calls are then left to be taken back. */
  halted(task: string): string;
  /** Resolves when what the brain said before this call stands in the room: a card comes after its reason. */
  spoken(task: string, call: { tool: string; args: unknown }): Promise<void>;
  /** Whether the owner wants a plan of this task before anything else. */
  planning(task: string): boolean;
  /** Takes the task's plans back that wait for an answer. */
  replacePlan(task: string): Promise<void>;
  /** Ends the task's terminal of that number. Returns what to tell its brain. */
  close(task: string, number: number): Promise<string>;
  /** What the network lease lets through that a task has by now. */
  reached(task: string): readonly EgressRule[];
  /** Whom work may be handed to, and which tools a helper has. */
  crew: CrewDoor;
  /** Puts a question to the owner. Returns what to tell the task's brain. */
  question(task: string, question: Question): Promise<string>;
  /** Seconds between two notices that the call still waits. */
  beat?: number;
};

const planFirst =
  'NOT ASKED: the owner wants to approve a plan first. Put it to them with the tool `plan`; read_file, list and grep are there to look around. Nothing ran.';

/**
 * @param spoken resolves when what was said before it stands in the room: it is recorded after that
 * @param signal aborted when the call was taken back or its connection broke
 * @param sent tells, once the answer was written, whether the whole of it went out
 */
export type Call = (
  asked: Asked,
  o: { spoken: Promise<void>; signal: AbortSignal; sent: Promise<boolean>; progress(message: string): void },
) => Promise<Answer>;

export function openCalls(o: CallsOptions): Call {
  const { settled, halted, wait, beat = 5 } = o;
  const lines = new Map<string, Line>();

  return async (asked, { spoken, signal, sent, progress }) => {
    const planning = o.planning(asked.task);
    const putsPlan = planning && asked.kind === 'plan';
    if (planning && !putsPlan && traits(asked.kind).class !== 'read') return refused(planFirst);
    if (putsPlan) await o.replacePlan(asked.task);
    const line = lines.get(asked.task) ?? createLine(o);
    lines.set(asked.task, line);
    const over = AbortSignal.any([signal, AbortSignal.timeout(wait * 1000)]);
    let stage = 'other actions of this task wait for the owner; this one is next';
    const ticker = setInterval(() => progress(stage), beat * 1000);
    /** Whoever was stopped must not go on by an answer: its brain takes the call back, or it ends with its time. */
    const answer = async (text: string, isError: boolean): Promise<Answer> => {
      if (!halted(asked.task)) return { text, isError };
      await ended(over);
      return refused(`NOT ASKED: ${halted(asked.task) || 'the owner stopped this'}.`);
    };
    const open = await line.enter(asked, spoken, signal, over);
    try {
      if (open === undefined)
        return await answer(
          'NOT ASKED: other actions of this task already wait for the owner, so this one was not put to them and did not run. End your turn; ask again when you were told an outcome.',
          true,
        );
      if (open instanceof NotAsked) return await answer(`NOT ASKED: ${open.why}. Nothing ran.`, true);
      const { action, outcome } = open;
      stage = `action ${action} waits for the owner`;
      progress(stage);
      // Whoever plans is talked to about the plan: its turn ends here, and what becomes of the plan comes as a message.
      const first = putsPlan ? undefined : await Promise.race([outcome, ended(over)]);
      const carried = first !== undefined && !halted(asked.task);
      void outcome.then(async (o) => {
        const delivered = carried && (await sent) && !signal.aborted;
        settled({ task: asked.task, action, outcome: o, delivered });
      });
      if (first === undefined) return await answer(describePending(action), false);
      const told = await answer(describeOutcome(action, first), isError(asked.kind, first));
      return { ...told, held: first.held };
    } finally {
      clearInterval(ticker);
      if (open) line.leave();
    }
  };
}

const refused = (text: string): Answer => ({ text, isError: true });
