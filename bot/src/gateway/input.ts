/**
 * A tool call as models make it, put into our own words where its meaning is sure: the words of other agents' tools, a path from
 * the root, a number in quotes. What is asked of the owner, and shown, is the result. Nothing here is a check: tools.ts judges it after.
 */

/** Tools of other agents that do what ours does. */
const tools: Readonly<Record<string, string>> = {
  ...{ Bash: 'bash', shell: 'bash', Read: 'read_file', read: 'read_file' },
  ...{ LS: 'list', ls: 'list', list_dir: 'list', list_directory: 'list', Grep: 'grep' },
  ...{ Write: 'write_file', write: 'write_file', Edit: 'edit_file', edit: 'edit_file' },
};

/** A tool by our name for it. */
export const ourName = (called: string): string =>
  Object.hasOwn(tools, called) ? (tools[called] ?? called) : called;

/** What an argument is called elsewhere. */
const names: Readonly<Record<string, string>> = {
  ...{ file_path: 'path', filePath: 'path', command: 'script', cmd: 'script', workdir: 'cwd' },
  ...{ working_directory: 'cwd', workingDirectory: 'cwd', file_text: 'content', contents: 'content' },
  ...{ old_string: 'old', oldString: 'old', old_str: 'old' },
  ...{ new_string: 'new', newString: 'new', new_str: 'new' },
};

/** Arguments that change nothing, whatever they say; and such as do not where they are false. */
const idle = new Set(['description', 'explanation']);
const idleIfFalse = new Set(['replace_all', 'replaceAll', 'run_in_background']);

/** What to send in place of what is done elsewhere, and not here. */
const instead: Readonly<Record<string, string>> = {
  replace_all: 'one passage is replaced at a time: edit each by itself, or write a bash script',
  replaceAll: 'one passage is replaced at a time: edit each by itself, or write a bash script',
  run_in_background: 'what runs in the background ends with its script: leave it out',
};

/** Where other tools count otherwise (milliseconds, lines from 1), a number under their name may mean either. */
const ambiguous: Readonly<Record<string, string>> = {
  timeout: 'bash takes "timeout" in seconds',
  offset: 'read_file takes "offset" as the number of lines to skip',
};

/** The most that an argument may be: seconds, lines. */
export const most = { timeout: 3600, limit: 5000 } as const;
const tops: Readonly<Record<string, number>> = most;
const counts = new Set(['timeout', 'offset', 'limit']);

/** A value as its argument takes it. A limit above the most is the most: the card shows what runs. */
function asTaken(tool: string, name: string, value: unknown): unknown {
  if (counts.has(name)) {
    const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
    const top = tops[name];
    return top !== undefined && typeof number === 'number' && number > top && Number.isInteger(number)
      ? top
      : number;
  }
  if ((name !== 'path' && name !== 'cwd') || typeof value !== 'string') return value;
  const below = value.replace(/^\/workspace(?:\/+|$)/, '');
  const root = value !== below || name === 'cwd' || tool === 'list' || tool === 'grep';
  return below === '' && root ? '.' : below;
}

/**
 * @param given the call's arguments as they came; what is no object is left as it is
 * @returns the call in our words, or what to send instead where its meaning is not sure
 */
export function inOurWords(
  called: string,
  given: unknown,
): { tool: string; args: unknown } | { wrong: string } {
  const tool = ourName(called);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return { tool, args: given };
  const args = new Map<string, unknown>();
  const wrong: string[] = [];
  for (const [key, value] of Object.entries(given)) {
    if (value === null || value === undefined || idle.has(key)) continue;
    if (idleIfFalse.has(key) && (value === false || value === 'false')) continue;
    const name = Object.hasOwn(names, key) ? (names[key] ?? key) : key;
    const sure = asTaken(tool, name, value);
    const why = Object.hasOwn(instead, key) && instead[key];
    const unsure = tool !== called && Object.hasOwn(ambiguous, key) && ambiguous[key];
    if (why) wrong.push(`${JSON.stringify(key)}: ${why}`);
    else if (unsure) wrong.push(`${unsure}; call it by that name`);
    else if (args.has(name) && args.get(name) !== sure)
      wrong.push(`${JSON.stringify(name)} is given twice, and not the same: send it once`);
    else args.set(name, sure);
  }
  return wrong.length > 0 ? { wrong: wrong.join('; ') } : { tool, args: Object.fromEntries(args) };
}
