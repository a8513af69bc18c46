/** The brain's `plan` tool: an ordered list of exact calls, put to the owner as one card. */
import type { Act, Asked } from '@pocketcoder/ledger/src/action.ts';
import { z } from 'zod';
import { askedBy, text, tools, wordsOf } from './tools.ts';

export const mostSteps = 50;
/** Seconds within which the steps of an approved plan have to begin. */
const seconds = 3600;

const plan = z
  .strictObject({
    words: text(4000).optional(),
    steps: z
      .array(z.looseObject({ tool: z.string(), arguments: z.unknown() }))
      .max(mostSteps)
      .default([]),
  })
  .refine(({ words, steps }) => words?.trim() || (words === undefined && steps.length > 0));
const { description, of } = wordsOf('plan');
/**
 * What a step's arguments may be called, with their types and nothing else: of one name, tools differ in the rest. An object
 * without properties, or a node without a type, makes strict providers refuse the whole request.
 */
const properties = Object.fromEntries(
  tools.flatMap(({ inputSchema }) =>
    Object.entries(inputSchema.properties ?? {}).map(([name, schema]) => [
      name,
      { type: (schema as { type: string }).type },
    ]),
  ),
);
const closed = { type: 'object', additionalProperties: false } as const;
const step = {
  ...closed,
  properties: {
    tool: { type: 'string', enum: tools.map((t) => t.name) },
    arguments: { ...closed, description: of['arguments'], properties },
  },
  required: ['tool', 'arguments'],
};
export const planTool = {
  name: 'plan',
  description,
  inputSchema: {
    ...closed,
    properties: {
      words: { type: 'string', description: of['words'] },
      steps: { type: 'array', maxItems: mostSteps, items: step, description: of['steps'] },
    },
  },
};

/** These acts in this order, as one action of the brain. */
export const planOf = (
  where: { workspace: string; task: string },
  acts: readonly Act[],
  words?: string,
): Asked => ({
  ...{ kind: 'plan', args: { steps: acts, seconds, ...(words && { words }) }, requester: 'brain' },
  ...{ workspace: where.workspace, task: where.task },
});

/** As `askedBy`, for a plan: every step is checked as the call that it will be. */
export function planAsked(
  where: { workspace: string; task: string },
  given: unknown,
): { asked: Asked } | { wrong: string } {
  const { data } = plan.safeParse(given);
  if (!data)
    return {
      wrong: `a plan has "words", at most 4000 bytes, or "steps", from 1 to ${mostSteps} of them, each with "tool" and "arguments", or both, and nothing else`,
    };
  const acts: Act[] = [];
  for (const [i, { tool, arguments: args }] of data.steps.entries()) {
    const asked = askedBy(where, tool, args);
    if ('wrong' in asked) return { wrong: `step ${i + 1}: ${asked.wrong}` };
    acts.push({ kind: asked.asked.kind, args: asked.asked.args } as Act);
  }
  return { asked: planOf(where, acts, data.words) };
}
