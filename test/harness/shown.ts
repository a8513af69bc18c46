/** What a client makes of a message: its HTML parsed, and its plain text told apart into the bot's lines and others'. */
import { parseDocument } from 'htmlparser2';
import type { Secrets } from '../../bot/src/show/card.ts';
import type { Action, Args, Kind } from '../../ledger/src/action.ts';

/** A card's secrets and where it stands, the same in every test of what is shown. */
export const secrets: Secrets = {
  number: 12,
  digest: 'ab'.repeat(32),
  decideBy: Date.parse('2026-01-01T14:32:00'),
  key: '🦊 4F7KQ2ZD',
  nonce: '0123456789ABC',
  code: 'AAAA-BBBB',
  named: { files: [] },
};

/** The only tags that Element on Android keeps and that we use. */
type Part = { tag: 'p' | 'pre' | 'blockquote'; text: string };
type Node = ReturnType<typeof parseDocument>['children'][number];

function textOf(node: Node): string {
  if (node.type === 'text') return (node as Node & { data: string }).data;
  if (node.type === 'tag' && 'name' in node && node.name === 'br' && node.children.length === 0) return '\n';
  throw new Error(`a ${node.type} node among text`);
}

/** Blocks of a formatted body. @throws Error at any tag, attribute, comment or nesting that is not ours */
export function parsed(html: string): Part[] {
  return parseDocument(html).children.map((node) => {
    if (!('attribs' in node)) throw new Error(`${node.type} outside of a block`);
    if (Object.keys(node.attribs).length > 0) throw new Error(`an attribute on ${node.name}`);
    if (node.name === 'p' || node.name === 'blockquote')
      return { tag: node.name, text: node.children.map(textOf).join('') };
    const [code, ...more] = node.children;
    if (node.name !== 'pre' || !code || more.length > 0 || !('attribs' in code) || code.name !== 'code')
      throw new Error(`${node.name} is none of our blocks`);
    return { tag: 'pre', text: code.children.map(textOf).join('') };
  });
}

/** Lines of a plain body that are the bot's own, and what others' lines say without their marks. */
export function lines(body: string): { own: string[]; quoted: string; said: string } {
  const all = body.split('\n');
  const marked = (mark: string) =>
    all
      .filter((l) => l.startsWith(mark))
      .map((l) => l.slice(mark.length))
      .join('\n');
  return { own: all.filter((l) => !/^[|>] /.test(l)), quoted: marked('| '), said: marked('> ') };
}

/** The text that a shown text stands for: every \u{…} read back. */
export const readBack = (shown: string): string =>
  shown.replace(/\\u\{([0-9A-F]+)(?:\*(\d+))?\}/g, (_, code: string, times?: string) =>
    String.fromCodePoint(Number.parseInt(code, 16)).repeat(Number(times ?? 1)),
  );

/** An action as the ledger holds it. */
export const actionOf = <K extends Kind>(kind: K, args: Args[K]): Action =>
  ({
    id: 'a00000000000000',
    kind,
    args,
    workspace: 'main',
    task: 't',
    requester: 'brain',
    class: 'exec',
    grade: 'sealed',
    decide_within: 600,
    execute_within: 120,
  }) as unknown as Action;

export const bash = (script: string): Action => actionOf('bash', { script, cwd: '.', env: {}, timeout: 600 });

/** What a frame of the agent's words may hold: a tag, and the one attribute that it may have. */
const ofProse: Readonly<Record<string, string>> = {
  ...{ p: '', br: '', b: '', i: '', del: '', code: '', pre: '', ul: '', ol: 'start', li: '', blockquote: '' },
  a: 'href',
};

/**
 * A message with the agent's words: the bot's own lines, and what stands in the frame, as text and as the addresses of links.
 * @throws Error where anything stands outside of the frame that is not a line of ours, or in it that is none of our tags
 */
export function framed(html: string): { own: string[]; text: string; links: string[] } {
  const links: string[] = [];
  const read = (node: Node): string => {
    if (node.type === 'text') return (node as Node & { data: string }).data;
    if (!('attribs' in node) || !Object.hasOwn(ofProse, node.name)) throw new Error('none of our tags');
    for (const name of Object.keys(node.attribs))
      if (name !== ofProse[node.name]) throw new Error(`${name} on ${node.name}`);
    if (node.name === 'br') return '\n';
    const text = node.children.map(read).join('');
    if (node.name === 'a') {
      links.push(String(node.attribs['href']));
      if (text !== node.attribs['href']) throw new Error(`${text} leads to ${node.attribs['href']}`);
    }
    return /^(p|pre|li|ul|ol|blockquote)$/.test(node.name) ? `${text.replace(/\n$/, '')}\n` : text;
  };
  const own: string[] = [];
  const said: string[] = [];
  for (const node of parseDocument(html).children) {
    if (!('attribs' in node)) throw new Error(`${node.type} outside of a block`);
    if (node.name === 'blockquote') said.push(read(node));
    else if (node.name === 'p') own.push(node.children.map(textOf).join(''));
    else throw new Error(`${node.name} outside of the frame`);
  }
  if (said.length > 1) throw new Error('two frames');
  return { own, text: said.join('').replace(/\n+$/, ''), links };
}
