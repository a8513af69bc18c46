/** The tools by which the brain hands work on, and the one by which a helper gives its result. None of them asks for an action. */
import { z } from 'zod';
import type { Agent } from '../agents.ts';
import { ended } from './line.ts';
import type { Answer } from './outcome.ts';
import { listed, text, whole, wordsOf } from './tools.ts';

/** What of the crew the gateway asks. Nothing here throws but for the disk. */
export type CrewDoor = {
  /** Whether a task's agent has the tool of that name. */
  has(task: string, tool: string): boolean;
  /** Why nothing that a task's agent calls counts any longer, or ''. */
  over(task: string): string;
  /** Whom a task's agent may hand work to. */
  agents: readonly Agent[];
  /**
   * Hands work to a helper. Returns what people call it, or why nothing was handed on.
   * @param carry told what came of it; resolves with whether that reached the agent. Else it comes as a message
   */
  hand(
    task: string,
    work: { agent: string; task: string },
    carry?: (text: string) => Promise<boolean>,
  ): { helper: string } | { wrong: string };
  /** Tells a helper that a task's agent handed work to something more, by its task's number. Returns why not, or ''. */
  message(task: string, said: { helper: number; text: string }): string;
  /** Takes a helper's result. Returns why not, or ''. */
  result(task: string, given: { text: string; files: readonly string[] }): string;
};

const work = (tool: string) => {
  const { of } = wordsOf(tool);
  return { agent: text(16).describe(of['agent'] ?? ''), task: text(16_000).describe(of['task'] ?? '') };
};
const { of } = wordsOf('result');
const given = z.strictObject({
  text: text(8000).describe(of['text'] ?? ''),
  files: z
    .array(text(400))
    .max(50)
    .default([])
    .describe(of['files'] ?? ''),
});
const handed = z.strictObject(work('handoff'));
const words = wordsOf('message').of;
const said = z.strictObject({
  helper: whole(1, 1e9).describe(words['helper'] ?? ''),
  text: text(8000).describe(words['text'] ?? ''),
});
export const resultTool = listed('result', given);

/** Those that begin work name the helpers that there are. */
export const handTools = (agents: readonly Agent[]) => [
  listed('message', said),
  ...['handoff', 'assign'].map((name) => {
    const tool = listed(name, z.strictObject(work(name)));
    const helpers = agents.map((agent) => `${agent.name} (${agent.description})`).join('; ');
    return { ...tool, description: `${tool.description} The helpers: ${helpers}` };
  }),
];

const refused = (why: string): Answer => ({ text: `NOT DONE: ${why}.`, isError: true });
const pending = (helper: string): string =>
  `PENDING: ${helper} works on it. Do not hand the same on again and do not wait for it with another call: what comes of it comes as a message. Go on with what does not depend on it, or end your turn.`;

/** @param wait seconds that a call is held open @param sent tells whether the whole of the answer went out */
export async function handOn(
  { crew, wait, halted }: { crew: CrewDoor; wait: number; halted(task: string): string },
  task: string,
  { name, args, signal, sent }: { name: string; args: unknown; signal: AbortSignal; sent: Promise<boolean> },
): Promise<Answer> {
  if (name === 'message') return saidTo(crew, task, args);
  const { data } = handed.safeParse(args);
  if (!data)
    return refused(`${name} takes "agent" and "task", a text of at most 16000 bytes, and nothing else`);
  if (name === 'assign') {
    const begun = crew.hand(task, data);
    return 'wrong' in begun ? refused(begun.wrong) : { text: pending(begun.helper), isError: false };
  }
  const over = AbortSignal.any([signal, AbortSignal.timeout(wait * 1000)]);
  const came = Promise.withResolvers<string>();
  const begun = crew.hand(task, data, async (what) => {
    // Whoever was stopped must not go on by an answer: it is told with the owner's next words.
    if (over.aborted || halted(task)) return false;
    came.resolve(what);
    return (await sent) && !signal.aborted;
  });
  if ('wrong' in begun) return refused(begun.wrong);
  const what = await Promise.race([came.promise, ended(over)]);
  return { text: what ?? pending(begun.helper), isError: false };
}

function saidTo(crew: CrewDoor, task: string, args: unknown): Answer {
  const { data } = said.safeParse(args);
  const why = data
    ? crew.message(task, data)
    : 'message takes "helper", the number of its task, and "text", at most 8000 bytes, and nothing else';
  return why
    ? refused(why)
    : { text: 'TOLD, as soon as it listens. What comes of its work comes as it would have.', isError: false };
}

/** As `handOn`, for the helper's own tool. */
export function giveResult(crew: CrewDoor, task: string, args: unknown): Answer {
  const { data } = given.safeParse(args);
  const why = data
    ? crew.result(task, data)
    : 'result takes "text", at most 8000 bytes, and may have "files", at most 50 paths, and nothing else: call it again';
  return why ? refused(why) : { text: 'TAKEN. Your work is over: end your turn.', isError: false };
}
