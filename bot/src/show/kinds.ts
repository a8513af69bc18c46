/** How each kind of action is shown: a row a kind, so that the compiler names what a new kind forgot. */
import { isOfGit } from '@pocketcoder/ledger/rules/grants.cjs';
import { fullName } from '@pocketcoder/ledger/rules/servers.cjs';
import {
  type Act,
  type Args,
  type CallArgs,
  gitTerms,
  type Kind,
  type LookArgs,
  type ReachArgs,
  type Repository,
  reachTerms,
  type Wait,
} from '@pocketcoder/ledger/src/action.ts';
import type { Block } from './blocks.ts';
import { duration, endsText, fingerprint, policyText } from './control.ts';
import { unmistakable } from './unmistakable.ts';

/** A line of the bot's own, a text to the letter (`typed`: to a terminal, key by key), or one that takes the place of another. */
type Part = { line: string } | { text: string; typed?: true } | { old: string; now: string };
type Row<K extends Kind> = {
  /** What it is called where people read of it: `#12 · ann wants to …`. */
  wish: string;
  /** The whole of it. */
  parts(args: Args[K]): Part[];
  /** How long it is, in words; without this by its characters, where they are many. */
  size?(args: Args[K]): string;
};

const labelled = (label: string, text: string): Part[] => [{ line: label }, { text }];
function lines(text: string): string {
  const count = text.split('\n').length;
  return count === 1 ? '1 line' : `${count} lines`;
}
/** Every act whole, in order. */
const acts = (all: readonly Act[]): Part[] =>
  all.flatMap((act, i) => [
    ...(all.length > 1 ? [{ line: `${i + 1} of ${all.length} · ${act.kind}` }] : []),
    ...partsOf(act.kind, act.args),
  ]);

const reaches = {
  read: 'read, and nothing else, below',
  'git-fetch': 'fetch from the git repository',
  'git-push': 'push to the git repository, and fetch from it',
  any: 'ask for and send anything, below',
} as const;
const shownTo = (host: string, secret?: string): Part[] =>
  secret ? [{ line: `🔑 ${secret} is shown to ${host}, not to the agent` }] : [];
const repository = (label: string, { host, path, secret, ssh }: Repository): Part[] => [
  ...labelled(label, `https://${host}${path}`),
  ...(ssh ? labelled('which stands for', ssh) : []),
  ...shownTo(host, secret),
];
/** Bytes to the last one: a budget is shown whole or not at all. */
const megabytes = (bytes: number): string => (bytes % 1e6 === 0 ? `${bytes / 1e6} MB` : `${bytes} bytes`);

/** What the class of a tool means for its calls. */
const calls = {
  exec: 'each call asks, as a command',
  read: 'class read: calls need no more than reading a file',
  network: 'each call asks, as a way out does',
} as const;
/** A URL, which may not be what it seems, and what its host is shown. */
const atUrl = ({ url, secret }: Pick<ReachArgs, 'url' | 'secret'>): Part[] => [
  ...labelled('at the URL', url),
  ...shownTo(new URL(url).host, secret),
];
/** Where a server of an image may go while it runs. */
const wayTo = (hosts: readonly string[]): Part[] => [
  ...hosts.flatMap((host) => labelled(`⚠️ while it runs it may ${reaches.any}`, `https://${host}/`)),
  {
    line: `${megabytes(reachTerms.up)} up and ${megabytes(reachTerms.down)} down at most, of whatever it was told or brought along, each time that it is started`,
  },
];
/** What its owner agrees to for as long as it is pinned. */
const goesOut = (url: string): string =>
  `⚠️ each call goes to ${new URL(url).host}, with what its card shows and nothing else of this task; ${megabytes(reachTerms.up)} up and ${megabytes(reachTerms.down)} down by one connection at most, which a day ends; this holds until !server remove`;
/** As the owner named it, with the id that it had and what is in its environment, where it is started from an image. */
const from = (image: string, { command, secrets = {} }: Omit<LookArgs, 'name'>, id?: string): Part[] => [
  ...labelled('from the image', image),
  ...(id === undefined ? [] : labelled('which has the id', id)),
  ...(command.length > 0 ? labelled('by the command', JSON.stringify(command)) : []),
  ...Object.entries(secrets).map(([variable, secret]) => ({
    line: `🔑 ${secret} is given to it as its variable ${variable}, and not to the agent`,
  })),
];
const called = ({ server, tool, hash, params }: CallArgs): Part[] => [
  ...labelled('call the tool', fullName(server, tool)),
  ...labelled('with', JSON.stringify(params, undefined, 2)),
  ...labelled('of the tool server that was pinned, by', hash),
];

const inGit = (path: string): Part[] =>
  isOfGit(path) ? [{ line: '⚠️ git obeys what stands there, and may run it; no lease covers this' }] : [];

const inDirectory = (cwd: string): Part[] => (cwd === '.' ? [] : labelled('in the directory', cwd));

/** When a terminal is read. */
function waits({ until, quiet, seconds }: Wait): Part[] {
  const latest = `after ${duration(seconds)} at the latest`;
  if (until) return [...labelled('then read it, once it ends with', until), { line: latest }];
  return [{ line: `then read it, once it is still for ${duration(quiet)}, ${latest}` }];
}

const rows: { readonly [K in Kind]: Row<K> } = {
  bash: {
    wish: 'run a command',
    size: ({ script }) => lines(script),
    parts: ({ script, cwd, env, timeout }) => [
      { text: script },
      ...Object.entries(env).flatMap(([name, value]) => labelled('with the variable', `${name}=${value}`)),
      ...inDirectory(cwd),
      { line: `at most ${duration(timeout)}` },
    ],
  },
  read_file: {
    wish: 'read a file',
    parts: ({ path, offset, limit }) => [
      ...labelled('read', path),
      { line: `at most ${limit} lines, from line ${offset + 1}` },
    ],
  },
  list: { wish: 'list a directory', parts: ({ path }) => labelled('list the directory', path) },
  grep: {
    wish: 'search files',
    parts: ({ pattern, path }) => [
      ...labelled('find the lines that match', pattern),
      ...labelled('below', path),
    ],
  },
  get_file: { wish: 'get a file', parts: ({ path }) => labelled('send the file here', path) },
  put_file: {
    wish: 'add a file',
    parts: ({ path, size, sha256 }) => [
      ...labelled('add a file, under a further name where there is one already', path),
      ...inGit(path),
      ...labelled(`of ${size} bytes, with the SHA-256`, sha256),
    ],
  },
  diff: { wish: 'see what changed', parts: () => [{ line: 'show what changed since the import' }] },
  export: {
    wish: 'take along what changed',
    parts: ({ as }) => labelled('send what changed since the import, as', as),
  },
  write_file: {
    wish: 'write a file',
    size: ({ content }) => lines(content),
    parts: ({ path, content }) => [
      ...labelled('write the file', path),
      ...inGit(path),
      ...labelled('with this content', content),
    ],
  },
  edit_file: {
    wish: 'change a file',
    size: ({ old, new: now }) => lines(`${old}\n${now}`),
    parts: ({ path, old, new: now }) => [
      ...labelled('edit the file', path),
      ...inGit(path),
      { line: 'replacing the one place that says' },
      { old, now },
    ],
  },
  push_look: {
    wish: 'see what a push would bring',
    parts: ({ branch }) =>
      labelled('show what a push would bring, of the branch', branch || 'that is checked out'),
  },
  push: {
    wish: 'push',
    size: ({ commits }) => lines(commits.trimEnd()),
    parts: ({ branch, commit, commits, ...where }) => [
      ...repository('push to the git repository', where),
      ...labelled('to its branch, never by force', branch),
      ...labelled('exactly the commit', commit),
      ...labelled('which brings', commits),
      { line: `up to ${megabytes(gitTerms.push.up)} can leave, within ${duration(gitTerms.push.seconds)}` },
    ],
  },
  pull: {
    wish: 'fetch what others pushed',
    parts: ({ branch, ...where }) => [
      ...repository('fetch from the git repository', where),
      ...labelled('its branch', branch || 'of the name of the one that is checked out'),
      { line: 'then shows what a merge of it would bring; nothing is merged by this' },
      {
        line: `up to ${megabytes(gitTerms.pull.down)} can come in, within ${duration(gitTerms.pull.seconds)}`,
      },
    ],
  },
  undo_diff: {
    wish: 'see what an undo would change',
    parts: ({ number }) => [{ line: `show what would change if all were as it was before #${number}` }],
  },
  undo: {
    wish: 'undo',
    size: ({ difference }) => lines(difference.trimEnd()),
    parts: ({ number, difference }) => [
      { line: `make every file as it was before #${number}, whatever came since:` },
      { text: difference },
    ],
  },
  merge_look: {
    wish: 'see what a merge would bring',
    parts: ({ number }) => [
      { line: `show what task ${number} did apart, as a merge would bring it into the workspace` },
    ],
  },
  merge: {
    wish: 'merge what was done apart',
    size: ({ difference }) => lines(difference.trimEnd()),
    parts: ({ number, task, difference }) => [
      ...labelled(`bring into the workspace what task ${number} did apart, as`, task),
      ...labelled('which does this there', difference),
    ],
  },
  try: {
    wish: 'try an action that waits',
    parts: ({ number }) => [
      { line: `run #${number} in a copy of the workspace, without a network, and show what it would change` },
      { line: 'the copy is thrown away; nothing that waits is decided by this' },
    ],
  },
  screen: { wish: 'see the screen', parts: () => [{ line: 'show what the terminal of this task shows' }] },
  terminal_open: {
    wish: 'start a program that stays',
    size: ({ script }) => lines(script),
    parts: ({ script, cwd, seconds }) => [
      { text: script },
      ...inDirectory(cwd),
      { line: `in a terminal of its own, for ${duration(seconds)} at most` },
      { line: 'it can write to the workspace at any time, also while others run' },
    ],
  },
  terminal_send: {
    wish: 'type into a terminal',
    parts: ({ number, text, enter, ...wait }) => [
      { line: `type into the terminal that #${number} opened` },
      { text, typed: true },
      { line: enter ? 'and then Enter' : 'and no Enter' },
      ...waits(wait),
    ],
  },
  terminal_read: {
    wish: 'read a terminal',
    parts: ({ number, ...wait }) => [{ line: `read the terminal that #${number} opened` }, ...waits(wait)],
  },
  egress: {
    wish: 'reach the network',
    parts: ({ rules, up, down, seconds }) => [
      ...rules.flatMap(({ host, class: kind, path, secret }) => [
        ...labelled(reaches[kind], `https://${host}${path}`),
        ...shownTo(host, secret),
      ]),
      { line: `up to ${megabytes(down)} down and ${megabytes(up)} up, for ${duration(seconds)}` },
      { line: 'holds for everything in this task, also for what runs in the background' },
      { line: 'a network lease that this task has already ends: this one takes its place' },
      { line: `⚠️ up to ${megabytes(up)} of what this task can read can leave to these hosts` },
    ],
  },
  plan: {
    wish: 'carry out a plan',
    size: ({ steps: { length } }) => (length > 0 ? `${length} ${length > 1 ? 'steps' : 'step'}` : 'in words'),
    parts: ({ steps, seconds, words }) => [
      ...(words === undefined ? [] : labelled('the plan in the agent’s own words:', words)),
      ...(words !== undefined && steps.length > 0 ? [{ line: 'what it lets run:' }] : []),
      ...acts(steps),
      steps.length > 0
        ? { line: `each once, in this order, within ${duration(seconds)}; anything else asks again` }
        : { line: 'this lets nothing run: what it leads to is asked for, each by its own card' },
    ],
  },
  server_look: {
    wish: 'look at a tool server',
    parts: ({ name, ...where }) => [
      ...labelled('start the tool server', name),
      ...from(where.image, where),
      { line: 'in a container of its own, without a network and without the workspace' },
      { line: 'ask it what tools it has, and end it: none can be called before a card pins them' },
    ],
  },
  server_reach: {
    wish: 'reach a tool server',
    parts: ({ name, ...where }) => [
      ...('url' in where
        ? [
            ...labelled('connect to the tool server', name),
            ...atUrl(where),
            { line: 'from a container of its own, with a way to this host alone and without the workspace' },
          ]
        : [
            ...labelled('start the tool server', name),
            ...from(where.image, where),
            { line: 'in a container of its own, without the workspace' },
            ...wayTo(where.hosts),
          ]),
      { line: 'ask it what tools it has, and end it: none can be called before a card pins them' },
    ],
  },
  mcp: { wish: 'call a tool of a server', parts: called },
  mcp_read: { wish: 'read by a tool of a server', parts: called },
  mcp_out: {
    wish: 'call a tool of a server elsewhere',
    parts: (args) => [
      ...called(args),
      ...('url' in args
        ? labelled('⚠️ all of this goes out, once, to', args.url)
        : [{ line: 'it is started for this call, and ended with it' }, ...wayTo(args.hosts)]),
    ],
  },
  server_pin: {
    wish: 'pin a tool server',
    size: ({ tools: { length } }) => (length > 1 ? `${length} tools` : '1 tool'),
    parts: ({ name, era, tools, ...where }) => [
      ...labelled('let the agent ask for calls of the tool server', name),
      ...('url' in where ? atUrl(where) : from(where.from, where, where.image)),
      ...labelled('which speaks', era),
      { line: 'these are its tools, in its own words, which nobody checked:' },
      ...tools.flatMap(({ class: risk, item: { name: tool, description, ...rest } }, i): Part[] => [
        { line: `${i + 1} of ${tools.length} · ${calls[risk]}` },
        { text: tool },
        ...(description === undefined ? [] : [{ text: description }]),
        { text: JSON.stringify(rest) },
      ]),
      { line: 'a tool that is not as it stands here is not called' },
      ...('url' in where ? [{ line: goesOut(where.url) }] : []),
      ...('hosts' in where && where.hosts
        ? [
            ...wayTo(where.hosts),
            { line: 'each call starts it and ends it; this holds until !server remove' },
          ]
        : []),
    ],
  },
  lease: {
    wish: 'do this without a card each time',
    parts: (args) => [
      { line: `lease: without a card each time, ${endsText(args)}` },
      ...('acts' in args
        ? acts(args.acts)
        : labelled(`${args.of}, whatever file, below`, args.path || 'the whole workspace')),
      ...('acts' in args && args.acts.some(({ kind }) => kind === 'bash')
        ? [{ line: '⚠️ files of the workspace that it names are run as they then stand' }]
        : []),
    ],
  },
  policy: {
    wish: 'change the policy',
    parts: ({ policy }) => labelled('set this policy:', policyText(policy)),
  },
  role: {
    wish: 'change what somebody may do',
    parts: ({ user, role }) => [
      ...labelled('let this person', user),
      ...labelled(role === 'none' ? 'do nothing here any more, by the role' : 'have the role', role),
    ],
  },
  device: {
    wish: 'enrol a device',
    parts: ({ user, device, ed25519 }) => [
      ...labelled('enrol a further device of', user),
      ...labelled('named', device),
      ...labelled('whose fingerprint is', fingerprint(ed25519)),
    ],
  },
  thaw: {
    wish: 'thaw everything',
    parts: () => labelled('thaw', 'everything may be approved and run again'),
  },
};

function partsOf<K extends Kind>(kind: K, args: Args[K]): Part[] {
  return rows[kind].parts(args);
}
export const wishOf = (kind: Kind): string => rows[kind].wish;

/** Characters up to which nobody has to be told how long an action is. */
const short = 200;

/** How long its text is, before it is seen: what floods the screen says so in the first lines. '' for what is short. */
export function sizeOf<K extends Kind>(kind: K, args: Args[K]): string {
  const { length } = JSON.stringify(args);
  return rows[kind].size?.(args) ?? (length > short ? `${length} characters` : '');
}

/** Marks come before texts that are made unmistakable already: else they would be what a tab or a line's end follows. */
const marked = (mark: string, text: string): string => text.replace(/^/gm, mark);

/** The whole of an action, all its texts unmistakable, and how many of their characters are shown by codes. */
export function shownOf<K extends Kind>(kind: K, args: Args[K]): { blocks: Block[]; hidden: number } {
  let hidden = 0;
  const clear = (text: string, typed?: true): string => {
    const seen = unmistakable(text, typed);
    hidden += seen.hidden;
    return seen.text;
  };
  const blocks = partsOf(kind, args).map((part): Block => {
    if ('line' in part) return part;
    if ('old' in part) return { quote: `${marked('- ', clear(part.old))}\n${marked('+ ', clear(part.now))}` };
    const quote = clear(part.text, part.typed);
    return quote === '' ? { line: '(empty)' } : { quote };
  });
  return { blocks, hidden };
}
