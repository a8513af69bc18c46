/** An action as people read it: one list of blocks, from the canonical action alone, written as text and as HTML. */
import type { Act, Action, Kind, Requester } from '@pocketcoder/ledger/src/action.ts';
import { controlParts, duration, endsText } from './control.ts';
import { scriptsOf, unmistakable } from './unmistakable.ts';
import { escapeHtml } from './visible.ts';

/**
 * A line of the bot's own, a quotation shown to the letter, or somebody's prose. Both bodies of a message come from the
 * same blocks, and in both every line that is not the bot's own is marked as such.
 */
export type Block = { line: string } | { quote: string } | { said: string };

/** Each line of a quotation begins with `| `, of prose with `> `: no text can look like the end of its block. */
export const toText = (blocks: readonly Block[]): string =>
  blocks
    .map((b) => {
      if ('line' in b) return b.line;
      return 'quote' in b ? b.quote.replace(/^/gm, '| ') : b.said.replace(/^/gm, '> ');
    })
    .join('\n');

/** A quotation ends with a line feed of ours: Element on an iPhone puts what follows a block into its last line. */
export const toHtml = (blocks: readonly Block[]): string =>
  blocks
    .map((b) => {
      if ('quote' in b) return `<pre><code>${escapeHtml(b.quote)}\n</code></pre>`;
      const [tag, text] = 'line' in b ? ['p', b.line] : ['blockquote', b.said];
      return `<${tag}>${escapeHtml(text).replace(/\n/g, '<br>')}</${tag}>`;
    })
    .join('');

/** More lines than this are no card on a phone; they go along as a file. */
const mostLines = 200;

export const fitsPhone = (blocks: readonly Block[]): boolean =>
  toText(blocks).split('\n').length <= mostLines;

type Shown = { blocks: Block[]; hidden: number };

function labelled(parts: readonly (readonly [label: string, text: string])[]): Shown {
  const blocks: Block[] = [];
  let hidden = 0;
  for (const [label, text] of parts) {
    const seen = unmistakable(text);
    hidden += seen.hidden;
    if (label) blocks.push({ line: label });
    if (seen.text === '') blocks.push({ line: '(empty)' });
    else blocks.push({ quote: seen.text });
  }
  return { blocks, hidden };
}

/** Marks come before texts that are made unmistakable already: else they would be what a tab or a line's end follows. */
function diff(old: string, now: string): Shown {
  const [from, to] = [unmistakable(old), unmistakable(now)];
  const marked = (mark: string, text: string) => text.replace(/^/gm, mark);
  const blocks = [{ quote: `${marked('- ', from.text)}\n${marked('+ ', to.text)}` }];
  return { blocks, hidden: from.hidden + to.hidden };
}

function body(action: Act | Action): Shown {
  switch (action.kind) {
    case 'bash': {
      const { script, cwd, env, timeout } = action.args;
      const shown = labelled([
        ['', script],
        ...Object.entries(env).map(([k, v]) => ['with the variable', `${k}=${v}`] as const),
        ...(cwd === '.' ? [] : [['in the directory', cwd] as const]),
      ]);
      shown.blocks.push({ line: `at most ${duration(timeout)}` });
      return shown;
    }
    case 'read_file': {
      const { path, offset, limit } = action.args;
      const shown = labelled([['read', path]]);
      shown.blocks.push({ line: `at most ${limit} lines, from line ${offset + 1}` });
      return shown;
    }
    case 'list':
      return labelled([['list the directory', action.args.path]]);
    case 'grep':
      return labelled([
        ['find the lines that match', action.args.pattern],
        ['below', action.args.path],
      ]);
    case 'get_file':
      return labelled([['send the file here', action.args.path]]);
    case 'put_file':
      return labelled([
        ['add a file, under a further name where there is one already', action.args.path],
        [`of ${action.args.size} bytes, with the SHA-256`, action.args.sha256],
      ]);
    case 'diff':
      return { blocks: [{ line: 'show what changed since the import' }], hidden: 0 };
    case 'export':
      return labelled([['send what changed since the import, as', action.args.as]]);
    case 'write_file':
      return labelled([
        ['write the file', action.args.path],
        ['with this content', action.args.content],
      ]);
    case 'edit_file': {
      const path = labelled([['edit the file', action.args.path]]);
      const { blocks, hidden } = diff(action.args.old, action.args.new);
      const label: Block = { line: 'replacing the one place that says' };
      return { blocks: [...path.blocks, label, ...blocks], hidden: path.hidden + hidden };
    }
    case 'plan':
    case 'lease':
      return grant(action);
    default:
      return labelled(controlParts(action));
  }
}

/** Every act whole, in order. */
function acts(all: readonly Act[]): Shown {
  const shown: Shown = { blocks: [], hidden: 0 };
  for (const [i, act] of all.entries()) {
    const { blocks, hidden } = body(act);
    if (all.length > 1) shown.blocks.push({ line: `${i + 1} of ${all.length} · ${act.kind}` });
    shown.blocks.push(...blocks);
    shown.hidden += hidden;
  }
  return shown;
}

/** What needs no card of its own any more, and where that ends. */
function grant(action: Action<'lease' | 'plan'>): Shown {
  if (action.kind === 'plan') {
    const shown = acts(action.args.steps);
    const within = duration(action.args.seconds);
    shown.blocks.push({ line: `each once, in this order, within ${within}; anything else asks again` });
    return shown;
  }
  const { args } = action;
  const shown =
    'acts' in args
      ? acts(args.acts)
      : labelled([[`${args.of}, whatever file, below`, args.path || 'the whole workspace']]);
  shown.blocks.unshift({ line: `lease: without a card each time, ${endsText(args)}` });
  return shown;
}

/** An act of a plan as blocks. */
export const actBlocks = (act: Act): Block[] => body(act).blocks;

/** What the card leases besides its action: it ends with the task, or by a word of the person who gave it. */
function readsBlocks({ reads }: Action): Block[] {
  if (!reads) return [];
  const line = `➕ also, for the rest of this task: the agent may list, search and read files of this workspace without asking, ${endsText(reads)}; !revoke with this card’s number takes that back`;
  return [{ line }];
}

/** The whole action as blocks: what it would do, then what is shown by codes in it, and its scripts besides Latin. */
export function actionBlocks(action: Action): Block[] {
  const { blocks, hidden } = body(action);
  const scripts = scriptsOf(toText(blocks));
  const them = hidden === 1 ? '1 character is' : `${hidden} characters are`;
  return [
    ...blocks,
    ...readsBlocks(action),
    ...(hidden > 0 ? [{ line: `⚠️ ${them} shown as \\u{…}: unseen, or passing for others` }] : []),
    ...(scripts.length > 0 ? [{ line: `not all of it is Latin script: ${scripts.join(', ')}` }] : []),
  ];
}

/** What each kind of action is called where people read of it: `#12 · ann wants to …`. */
export const wishes: Readonly<Record<Kind, string>> = {
  bash: 'run a command',
  read_file: 'read a file',
  list: 'list a directory',
  grep: 'search files',
  get_file: 'get a file',
  put_file: 'add a file',
  diff: 'see what changed',
  export: 'take along what changed',
  write_file: 'write a file',
  edit_file: 'change a file',
  plan: 'carry out a plan',
  lease: 'do this without a card each time',
  policy: 'change the policy',
  role: 'change what somebody may do',
  device: 'enrol a device',
  thaw: 'thaw everything',
};

/** A person as the room knows them. Without @ and server: clients draw a whole id as a pill with a name that the homeserver gives. */
export const nameOf = (user: string): string => /^@([^:]*)/.exec(user)?.[1] ?? user;

/** Who asks, in words. A person of the name of one of the bot's own parts keeps the server in it. */
function asker(requester: Requester): string {
  if (requester === 'brain') return 'the agent';
  if (requester === 'operator') return 'the console';
  const name = nameOf(requester);
  return ['agent', 'console'].includes(name) ? requester.slice(1) : name;
}

/** Characters up to which nobody has to be told how long an action is. */
const short = 200;

/** How long its text is, before it is seen: what floods the screen says so in the first lines. */
function sizeOf(action: Action): string[] {
  const lines = (text: string): string[] => {
    const count = text.split('\n').length;
    return [count === 1 ? '1 line' : `${count} lines`];
  };
  switch (action.kind) {
    case 'bash':
      return lines(action.args.script);
    case 'write_file':
      return lines(action.args.content);
    case 'edit_file':
      return lines(`${action.args.old}\n${action.args.new}`);
    case 'plan':
      return [`${action.args.steps.length} steps`];
    default: {
      const { length } = JSON.stringify(action.args);
      return length > short ? [`${length} characters`] : [];
    }
  }
}

/**
 * How a card begins: its number, who asks for what, then the workspace, its size, and until when it can be decided.
 * @param decideBy absent once it was decided
 */
export function header(action: Action, number: number, decideBy?: Date): Block {
  const { approvers = 1, devices = 1, grace = 0 } = action;
  const more = [
    ...(approvers > 1 ? [`needs ${approvers} people`] : []),
    ...(devices > 1 ? [`needs ${devices} devices`] : []),
    ...(grace > 0 ? [`waits ${duration(grace)} after the yes`] : []),
    ...(decideBy
      ? [`decide by ${clock(decideBy, new Date(decideBy.getTime() - action.decide_within * 1000))}`]
      : []),
  ];
  const about = [action.workspace, ...sizeOf(action), ...more].join(' · ');
  return { line: `#${number} · ${asker(action.requester)} wants to ${wishes[action.kind]}\n${about}` };
}

/** More than this between two moments, in milliseconds, and the hour alone could be that of another day. */
const sameDay = 12 * 3600 * 1000;

/** A moment in the owner's time zone, which the process has: `14:05`, or `Sat 14:05` where it is far from the other one. */
export function clock(at: Date, from: Date = at): string {
  const far = Math.abs(at.getTime() - from.getTime()) > sameDay;
  const weekday = far ? `${at.toLocaleDateString('en-GB', { weekday: 'short' })} ` : '';
  return weekday + at.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}
