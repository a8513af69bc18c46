/** The tools the brain is given, as data: what a model reads, and how its arguments become an action's. */
import type { Act, Asked } from '@pocketcoder/ledger/src/action.ts';
import { type Check, integer, path, text } from './arguments.ts';

export type Tool = {
  kind: Act['kind'];
  description: string;
  parameters: Readonly<Record<string, Check>>;
};

/** One tool a kind of action, under the same name. What an argument is called is what the action calls it. */
export const tools: readonly Tool[] = [
  {
    kind: 'bash',
    description:
      'Run a bash script in the workspace, in a sandbox without network. The owner reads the whole script on a ' +
      'phone and approves or denies it; so write one complete script rather than many small ones. What it leaves running ' +
      'in the background (`&`) is ended when the script ends: start what needs it in the same script.',
    parameters: {
      script: text('The script. It is shown and run exactly as given.', { most: 64 * 1024 }),
      cwd: path('Directory to run in, relative to the workspace. Default: its root.', { fallback: '.' }),
      timeout: integer('Seconds after which it is ended.', { least: 1, most: 3600, fallback: 120 }),
    },
  },
  {
    kind: 'read_file',
    description: 'Read lines of a text file in the workspace.',
    parameters: {
      path: path('The file, relative to the workspace.'),
      offset: integer('Lines to skip at the start.', { least: 0, most: 10_000_000, fallback: 0 }),
      limit: integer('Most lines to read.', { least: 1, most: 5000, fallback: 1000 }),
    },
  },
  {
    kind: 'list',
    description: 'List a directory in the workspace.',
    parameters: {
      path: path('The directory, relative to the workspace. Default: its root.', { fallback: '.' }),
    },
  },
  {
    kind: 'grep',
    description:
      'Find lines in the files below a directory of the workspace, as ripgrep does: what .gitignore names is left out.',
    parameters: {
      pattern: text("A regular expression in ripgrep's syntax.", { most: 4096 }),
      path: path('Directory or file, relative to the workspace. Default: its root.', { fallback: '.' }),
    },
  },
  {
    kind: 'write_file',
    description: 'Create a file in the workspace, or replace the whole of it.',
    parameters: {
      path: path('The file, relative to the workspace.'),
      content: text('The complete new content.', { most: 256 * 1024, empty: true }),
    },
  },
  {
    kind: 'edit_file',
    description: 'Replace one passage of a file in the workspace. The passage must be there exactly once.',
    parameters: {
      path: path('The file, relative to the workspace.'),
      old: text('The passage as it stands in the file, with every space and line end.', { most: 64 * 1024 }),
      new: text('What it becomes; empty to remove it.', { most: 64 * 1024, empty: true }),
    },
  },
];

/** A tool as MCP's `tools/list` describes it. */
export const described = (tool: Tool) => ({
  name: tool.kind,
  description: tool.description,
  inputSchema: {
    type: 'object' as const,
    properties: Object.fromEntries(Object.entries(tool.parameters).map(([name, p]) => [name, p.schema])),
    required: Object.entries(tool.parameters).flatMap(([name, p]) =>
      p.fallback === undefined ? [name] : [],
    ),
    additionalProperties: false,
  },
});

/**
 * Turns a model's call into what is asked of the owner.
 * @param given the call's arguments as they came: nothing about them is believed
 * @returns what is asked, or one sentence for the model about everything that is wrong with the call
 */
export function askedBy(
  where: { workspace: string; task: string },
  name: string,
  given: unknown,
): { asked: Asked } | { wrong: string } {
  const tool = tools.find((t) => t.kind === name);
  if (!tool) return { wrong: `there is no tool ${JSON.stringify(name)}` };
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return { wrong: 'the arguments are not an object' };
  const faults: string[] = [];
  for (const extra of Object.keys(given))
    if (!Object.hasOwn(tool.parameters, extra)) faults.push(`${JSON.stringify(extra)} is not known`);
  const args: Record<string, unknown> = {};
  for (const [parameter, check] of Object.entries(tool.parameters)) {
    const value = Object.hasOwn(given, parameter) ? (given as Record<string, unknown>)[parameter] : undefined;
    const taken = value === undefined ? check.fallback : value;
    const fault = taken === undefined ? 'is missing' : check.fault(taken);
    if (fault) faults.push(`"${parameter}" ${fault}`);
    args[parameter] = taken;
  }
  if (faults.length > 0) return { wrong: faults.join('; ') };
  // A script's environment is part of what is approved; the brain has no say in it yet.
  if (tool.kind === 'bash') args['env'] = {};
  return { asked: { kind: tool.kind, args, ...where, requester: 'brain' } as Asked };
}
