/** Helpers as the settings name them: whom the agent may hand work to. */

/** The agent's tools by their names, of which a helper may have some. What gives its result it has besides. */
export const toolNames = [
  ...(['bash', 'read_file', 'list', 'get_file', 'grep', 'write_file', 'edit_file'] as const),
  ...(['terminal_open', 'terminal_send', 'terminal_read', 'terminal_close'] as const),
  // `servers`: all that the tool servers of its workspace have, whatever they call it.
  ...(['plan', 'ask', 'network', 'servers', 'handoff', 'assign', 'message'] as const),
];
export type ToolName = (typeof toolNames)[number];

/** A helper; `words` are said to its model besides, `model` is one of the settings' by name, `budget` is in tokens. */
export type Agent = {
  name: string;
  description: string;
  model?: string;
  budget?: number;
  tools: readonly ToolName[];
  words: string;
};
/** What hands work on, and speaks to who has it: a helper has these only where its file names them. */
export const handing: readonly string[] = ['handoff', 'assign', 'message'] satisfies ToolName[];
/** What a helper has whose file names none. */
export const usualTools = toolNames.filter((name) => !handing.includes(name));
