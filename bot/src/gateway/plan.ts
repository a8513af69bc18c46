/** The brain's `plan` tool: an ordered list of exact calls, put to the owner as one card. */
import type { Act, Asked } from '@pocketcoder/ledger/src/action.ts';
import { askedBy, described, tools } from './tools.ts';

export const mostSteps = 50;
/** Seconds within which the steps of an approved plan have to begin. */
const seconds = 3600;

/**
 * What a step's arguments may be called, with their types and nothing else: of one name, tools differ in the rest. An object
 * without properties, or a node without a type, makes strict providers refuse the whole request.
 */
const properties = Object.fromEntries(
  tools.flatMap((tool) =>
    Object.entries(described(tool).inputSchema.properties).map(([name, { type }]) => [name, { type }]),
  ),
);

export const planTool = {
  name: 'plan',
  description:
    'Put several calls to the owner as one card with one decision, in the order in which you will make them. Once it is ' +
    'approved call each of them, exactly as written here: they run without a card of their own. Any other call ends the plan.',
  inputSchema: {
    type: 'object' as const,
    properties: {
      steps: {
        type: 'array',
        minItems: 1,
        maxItems: mostSteps,
        items: {
          type: 'object',
          properties: {
            tool: { type: 'string', enum: tools.map((t) => t.kind) },
            arguments: {
              type: 'object',
              description: 'As that tool takes them.',
              properties,
              additionalProperties: false,
            },
          },
          required: ['tool', 'arguments'],
          additionalProperties: false,
        },
      },
    },
    required: ['steps'],
    additionalProperties: false,
  },
};

/** These acts in this order, as one action of the brain. */
export const planOf = (where: { workspace: string; task: string }, steps: readonly Act[]): Asked => ({
  ...{ kind: 'plan', args: { steps, seconds }, requester: 'brain' },
  ...{ workspace: where.workspace, task: where.task },
});

/** As `askedBy`, for a plan: every step is checked as the call that it will be. */
export function planAsked(
  where: { workspace: string; task: string },
  given: { steps?: unknown },
): { asked: Asked } | { wrong: string } {
  const { steps, ...more } = given;
  if (Object.keys(more).length > 0 || !Array.isArray(steps) || steps.length < 1 || steps.length > mostSteps)
    return { wrong: `a plan has "steps", from 1 to ${mostSteps} of them, and nothing else` };
  const acts: Act[] = [];
  for (const [i, step] of steps.entries()) {
    const { tool, arguments: args } = (step ?? {}) as { tool?: unknown; arguments?: unknown };
    const asked = askedBy(where, String(tool), args);
    if ('wrong' in asked) return { wrong: `step ${i + 1}: ${asked.wrong}` };
    acts.push({ kind: asked.asked.kind, args: asked.asked.args } as Act);
  }
  return { asked: planOf(where, acts) };
}
