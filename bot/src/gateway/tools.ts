/** The tools the brain is given: what each takes, and how a call becomes what is asked. What a model reads of them is tools.md. */
import { readFileSync } from 'node:fs';
import type { Asked, Kind } from '@pocketcoder/ledger/src/action.ts';
import { z } from 'zod';
import { inOurWords, most } from './input.ts';

/** Text of at most so many UTF-8 bytes. Half a surrogate pair has no bytes that could be approved, so it is refused. */
export const text = (most: number, least = 1) =>
  z
    .string({ error: ({ input }) => (input === undefined ? 'is missing' : 'must be a string') })
    .refine((value) => value.length >= least, 'is empty')
    .refine((value) => value.isWellFormed(), 'is not valid Unicode')
    .refine((value) => !value.includes('\0'), 'contains a NUL character')
    .refine((value) => Buffer.byteLength(value) <= most, {
      error: ({ input }) => `is ${Buffer.byteLength(String(input))} bytes long, at most ${most} are taken`,
    });

/** A path below the workspace. The sandbox is what holds it there; this keeps nonsense off the owner's phone. */
const path = text(1024)
  .refine((value) => !/^[/~]/.test(value), 'must be relative to the workspace')
  .refine((value) => !value.split('/').includes('..'), 'must not leave the workspace (no "..")')
  .refine((value) => !/\p{Cc}/u.test(value), 'contains a control character');

export function whole(least: number, most: number) {
  const wrong = `must be a whole number from ${least} to ${most}`;
  return z
    .int({ error: ({ input }) => (input === undefined ? 'is missing' : wrong) })
    .min(least, wrong)
    .max(most, wrong);
}

const wait = {
  until: text(200, 0).default(''),
  quiet: whole(1, 60).default(2),
  seconds: whole(1, 600).default(30),
};

/** One tool a kind of action, under the same name. What an argument is called is what the action calls it. */
const takes = {
  bash: { script: text(64 * 1024), cwd: path.default('.'), timeout: whole(1, most.timeout).default(120) },
  read_file: {
    path,
    offset: whole(0, 10_000_000).default(0),
    limit: whole(1, most.limit).default(1000),
  },
  list: { path: path.default('.') },
  get_file: { path },
  grep: { pattern: text(4096), path: path.default('.') },
  write_file: { path, content: text(256 * 1024, 0) },
  edit_file: { path, old: text(64 * 1024), new: text(64 * 1024, 0) },
  terminal_open: {
    script: text(64 * 1024),
    cwd: path.default('.'),
    seconds: whole(1, 28_800).default(3600),
  },
  terminal_send: {
    number: whole(1, 1e9),
    text: text(2000, 0),
    enter: z.boolean().default(true),
    ...wait,
  },
  terminal_read: { number: whole(1, 1e9), ...wait },
} as const satisfies Partial<Record<Kind, Record<string, z.ZodType>>>;

/** A tool's section of tools.md. @throws Error where there is none, at start */
export function wordsOf(tool: string): { description: string; of: Record<string, string> } {
  const section = words.split(/^## /m).find((part) => part.startsWith(`${tool}\n`));
  if (!section) throw new Error(`tools.md says nothing of ${tool}`);
  const [description = '', ...items] = section.slice(tool.length).split(/^- /m);
  const line = (prose: string) => prose.replace(/\s+/g, ' ').trim();
  return {
    description: line(description),
    of: Object.fromEntries(items.map((i) => line(i).split(/: (.*)/, 2))),
  };
}
const words = readFileSync(new URL('tools.md', import.meta.url), 'utf8');

const schemas = new Map(
  Object.entries(takes).map(([name, parameters]) => {
    const { of } = wordsOf(name);
    const told = Object.entries(parameters).map(([p, type]) => [p, type.describe(of[p] ?? '')]);
    return [name, z.strictObject(Object.fromEntries(told), { error: notAnObject })];
  }),
);
function notAnObject({ code }: { code?: string }): string | undefined {
  return code === 'invalid_type' ? 'the arguments are not an object' : undefined;
}

/** A tool as MCP's `tools/list` describes it. */
export function listed(name: string, schema: z.ZodObject) {
  const { $schema, ...inputSchema } = z.toJSONSchema(schema, { io: 'input' });
  return {
    name,
    description: wordsOf(name).description,
    inputSchema: { ...inputSchema, type: 'object' as const },
  };
}
export const tools = [...schemas].map(([name, schema]) => listed(name, schema));

/** What is wrong with an argument, or with the arguments, for a model. */
const inWords = (issue: z.core.$ZodIssue): string =>
  issue.code === 'unrecognized_keys'
    ? issue.keys.map((key) => `${JSON.stringify(key)} is not known`).join('; ')
    : [...issue.path.map((name) => JSON.stringify(name)), issue.message].join(' ');

/**
 * Turns a model's call into what is asked of the owner.
 * @param called a tool's name, ours or another agent's @param given the call's arguments as they came: nothing about them is believed
 * @returns what is asked, or one sentence for the model about everything that is wrong with the call
 */
export function askedBy(
  where: { workspace: string; task: string },
  called: string,
  given: unknown,
): { asked: Asked } | { wrong: string } {
  const call = inOurWords(called, given);
  if ('wrong' in call) return call;
  const { tool: name, args: sent } = call;
  const { data, error } = schemas.get(name)?.safeParse(sent) ?? {};
  if (error) {
    const unknown = error.issues.some(({ code }) => code === 'unrecognized_keys');
    const taken = Object.keys(schemas.get(name)?.shape ?? {}).join(', ');
    return {
      wrong: `${error.issues.map(inWords).join('; ')}${unknown ? ` (${name} takes ${taken})` : ''}`,
    };
  }
  if (!data) return { wrong: `there is no tool ${JSON.stringify(name)}` };
  // A script's environment is part of what is approved; the brain has no say in it yet.
  const args = name === 'bash' ? { ...data, env: {} } : data;
  return { asked: { kind: name, args, ...where, requester: 'brain' } as Asked };
}
