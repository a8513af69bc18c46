/** From an approved action to exactly what the task's container is given to run. Pure: nothing is read or reached. */
import {
  type Act,
  type Action,
  type KeptArgs,
  mostSent,
  type RunArgs,
  sha256,
  type TerminalArgs,
  type Wait,
} from '../../ledger/src/action.ts';

export type Script = {
  /** bash reads `input` as its script; `file` is image/file.pl, which reads it as a list of byte strings. */
  program: 'bash' | 'file';
  input: Uint8Array;
  /** The end of the input, where that is a file of its own: large, and not copied. */
  rest?: Uint8Array;
  /** An absolute path below /workspace. */
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** Seconds. */
  timeout: number;
};

/** An action that cannot be run as it stands. `message` is for a person: nothing was run. */
export class ScriptError extends Error {}

const root = '/workspace';
const fileTimeout = 60;
const gitTimeout = 600;
const callTimeout = 600;
const longestTimeout = 86400;
const mostInput = 16 << 20;
const mostVariables = 200;

/** What every script finds in its environment, besides what its action names. */
export const base = {
  HOME: '/home/agent',
  LANG: 'C.UTF-8',
  LOGNAME: 'agent',
  PATH: '/usr/local/bin:/usr/bin:/bin',
  TERM: 'dumb',
  USER: 'agent',
};

/**
 * A path of an action as an absolute one below /workspace, '' being /workspace itself. `..` is refused rather than
 * resolved: what the card showed is then what is opened. Actions on files follow no symbolic link to it (image/file.pl).
 */
export function workspacePath(path: string): string {
  const below = path === root ? '' : path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
  if (below.startsWith('/')) throw new ScriptError(`${path} is not below ${root}; nothing was run`);
  if (below.includes('\0')) throw new ScriptError('a path with a NUL byte names no file; nothing was run');
  const parts = below.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new ScriptError(`${path} contains ".."; nothing was run`);
  return [root, ...parts].join('/');
}

/** The byte strings that file.pl reads, each behind its u32 length. */
export function fields(...values: string[]): Uint8Array {
  const field = (value: string) => {
    const bytes = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  };
  return Buffer.concat(values.flatMap(field));
}

/** Variables that a process can have. */
function variables(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const names = Object.keys(env);
  if (names.length > mostVariables)
    throw new ScriptError(`more than ${mostVariables} variables; nothing was run`);
  for (const name of names) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new ScriptError(`${JSON.stringify(name)} is no name of a variable; nothing was run`);
    if (typeof env[name] !== 'string' || env[name].includes('\0'))
      throw new ScriptError(`the variable ${name} has no value that a process can have; nothing was run`);
  }
  return env;
}

function whole(value: number, least: number, most: number, what: string): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new ScriptError(`${what} must be a whole number from ${least} to ${most}; nothing was run`);
}

/** Nothing is missing, and it is not too much. */
function checked(...texts: string[]): void {
  if (texts.some((text) => typeof text !== 'string'))
    throw new ScriptError('the action lacks an argument; nothing was run');
  if (texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) > mostInput)
    throw new ScriptError(`the action is larger than ${mostInput >> 20} MiB; nothing was run`);
}

/** What a kind decides of its script; all else is the same for every kind. */
type Made = Pick<Script, 'program' | 'input'> & Partial<Pick<Script, 'rest' | 'cwd' | 'env'>>;

function file(operation: string, path: string, ...rest: string[]): Made {
  checked(path, ...rest);
  if (path.endsWith('/') && operation !== 'list' && operation !== 'grep')
    throw new ScriptError(`${path} names a directory, not a file; nothing was run`);
  return { program: 'file', input: fields(operation, workspacePath(path), ...rest) };
}

/** The bytes are what the approved action names, or nothing is run: they stand beside its text, where its digest does not reach. */
function put({ path, sha256: sum, size }: RunArgs['put_file'], { sent }: Beside): Made {
  if (!sent || sent.length > mostSent || sent.length !== size || sha256(sent) !== sum)
    throw new ScriptError('the file in the ledger is not the one that the action names; nothing was run');
  return { ...file('put', path), rest: sent };
}

/** image/workspace.sh looks at the tree with git, and heeds nothing that stands in it. */
function changes(form: string): Made {
  if (!['diff', 'patch', 'bundle'].includes(form))
    throw new ScriptError(`there is no export as ${form}; nothing was run`);
  return { program: 'bash', input: Buffer.from(`exec /usr/lib/pocketcoder/workspace.sh show ${form}`) };
}

/** What image/workspace.sh does by these words. */
function git(what: string, ...words: string[]): Made {
  checked(...words);
  const names = words.map((word, n) => [`WORD_${n}`, word]);
  const given = names.map(([name]) => `"$${name}"`).join(' ');
  return {
    program: 'bash',
    input: Buffer.from(`exec /usr/lib/pocketcoder/workspace.sh ${what} ${given}`),
    env: { ...base, ...variables(Object.fromEntries(names)) },
  };
}

/** What an action's kind and arguments do not say. */
type Beside = {
  /** The bytes that came with the request of a `put_file`. */
  sent?: Uint8Array | undefined;
  /** What the repository is known to have, as `makeTips` tells. */
  tips?: string;
};

/** What runs for each kind of action, so that the compiler names a kind that has nothing here. */
const scripts: { readonly [K in keyof RunArgs]: (args: RunArgs[K], beside: Beside) => Made } = {
  bash({ script, cwd, env }) {
    checked(script, cwd);
    return {
      program: 'bash',
      input: Buffer.from(script),
      cwd: workspacePath(cwd),
      env: { ...base, ...variables(env) },
    };
  },
  read_file({ path, offset, limit }) {
    const lines = [whole(offset, 0, 1e9, 'offset'), whole(limit, 0, 1e9, 'limit')];
    return file('read', path, ...lines.map(String));
  },
  list: ({ path }) => file('list', path),
  grep: ({ path, pattern }) => file('grep', path, pattern),
  get_file: ({ path }) => file('get', path),
  put_file: put,
  diff: () => changes('diff'),
  export: (args) => changes(args.as),
  push_look: ({ branch }, { tips = '' }) => git('outgoing', tips, branch),
  push: ({ host, path, branch, commit, commits }, { tips = '' }) =>
    git('outgoing', tips, branch, commit, `https://${host}${path}`, sha256(commits)),
  pull: ({ host, path, branch }) => git('incoming', branch, `https://${host}${path}`),
  write_file: ({ path, content }) => file('write', path, content),
  edit_file: (args) => file('edit', args.path, args.old, args.new),
};

const make = <K extends keyof RunArgs>(kind: K, args: RunArgs[K], beside: Beside) =>
  scripts[kind](args, beside);

/** A terminal's program as its container is given it. @throws ScriptError where nothing can run */
export function terminalOf({ script, cwd, seconds }: TerminalArgs): TerminalArgs {
  checked(script, cwd);
  if (script.includes('\0') || Buffer.byteLength(script) > 1 << 16)
    throw new ScriptError('a terminal takes a script of 64 KiB at most, without a NUL byte; nothing was run');
  return { script, cwd: workspacePath(cwd), seconds: whole(seconds, 1, longestTimeout, 'seconds') };
}

/** The bytes that are typed. @throws ScriptError where they are too many, or none that a terminal takes */
export function typedOf({ text, enter }: KeptArgs['terminal_send']): Uint8Array {
  checked(text);
  const bytes = Buffer.from(enter ? `${text}\r` : text);
  if (bytes.length > 2000)
    throw new ScriptError('more than 2,000 bytes are typed at once; nothing was typed');
  return bytes;
}

/** @throws ScriptError where it is nothing that can be waited for */
export function waitOf({ until, quiet, seconds }: Wait): Wait {
  checked(until);
  return { until, quiet: whole(quiet, 1, 60, 'quiet'), seconds: whole(seconds, 1, 600, 'seconds') };
}

/** Seconds that what runs for this action may take. */
export function timeoutOf({ kind, args }: Action): number {
  if (kind === 'bash') return args.timeout;
  if (kind === 'egress' || kind === 'terminal_open') return args.seconds;
  if (kind === 'mcp' || kind === 'mcp_read' || kind === 'mcp_out') return callTimeout;
  return ['diff', 'export', 'push_look', 'push', 'pull'].includes(kind) ? gitTimeout : fileTimeout;
}

/**
 * What runs for this action: its exact bytes, nothing added to them and nothing interpreted. For `read_file`, `offset`
 * is the number of lines to skip and `limit` the most to give, 0 for all.
 * @throws ScriptError when nothing can run
 */
export function scriptOf(action: Action, beside: Beside = {}): Script {
  const known = (a: Action): a is Extract<Action, Act> => Object.hasOwn(scripts, a.kind);
  if (!known(action))
    throw new ScriptError('an action of a kind that this executor does not know; nothing was run');
  const made = make(action.kind, action.args, beside);
  const timeout = whole(timeoutOf(action), 1, longestTimeout, 'timeout');
  return { cwd: root, env: base, timeout, ...made };
}
