/**
 * The agent's own words as people read them. The plain body shows their Markdown as it was written, each line behind `> `;
 * the formatted one what it means, in a quotation, by nothing but these tags, which Element keeps on every phone: p, br, b,
 * i, del, code, pre, ul, ol, li, blockquote, and a with an http(s) address that is its whole text. HTML in the words is text.
 */
import MarkdownIt from 'markdown-it';
import { type Content, message, toHtml } from '../show/blocks.ts';
import { escapeHtml, named, unseen } from '../show/visible.ts';

/** An emoji with what chooses its picture and joins it to others, or a key cap. */
const emoji =
  '\\p{ExtPict}[\\uFE0E\\uFE0F]?\\p{EMod}?(?:\\u200D\\p{ExtPict}\\uFE0F?\\p{EMod}?)*|[#*0-9]\\uFE0F?\\u20E3';
/** Scripts that are not written right without joiners: Persian's own letters, and the conjuncts of India and its neighbours. */
const joining = [
  ...'Arabic Syriac Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada'.split(' '),
  ...'Malayalam Sinhala Khmer Myanmar Mongolian'.split(' '),
]
  .map((name) => `\\p{scx=${name}}`)
  .join('');
/** One joiner after such a letter or mark; the blanks of French. */
const kept = `${emoji}|(?<=(?=[\\p{L}\\p{M}])[${joining}])[\\u200C\\u200D]|[\\u00A0\\u2009\\u202F]`;
const letters = new RegExp(`(${kept})|(?![ \\n\\t])[${unseen}]`, 'gu');

/** The words with all that cannot be seen written as \u{…}, but for what an emoji or a script has of its own. */
export const readable = (text: string): string =>
  text.replace(letters, (c, own: string | undefined) => own ?? named(c));

// Entities could bring in what was made visible, and references would leave lines out.
const markdown = new MarkdownIt('commonmark', { html: false, breaks: true })
  .enable(['table', 'strikethrough'])
  .disable(['entity', 'reference']);
type Token = ReturnType<typeof markdown.parse>[number];

const tags: Readonly<Record<string, string>> = {
  ...{ paragraph_open: '<p>', paragraph_close: '</p>', heading_open: '<p><b>', heading_close: '</b></p>' },
  ...{ blockquote_open: '<blockquote>', blockquote_close: '</blockquote>', hr: '<p>———</p>' },
  ...{ bullet_list_open: '<ul>', bullet_list_close: '</ul>', ordered_list_close: '</ol>' },
  ...{ list_item_open: '<li>', list_item_close: '</li>', softbreak: '<br>', hardbreak: '<br>' },
  ...{ strong_open: '<b>', strong_close: '</b>', em_open: '<i>', em_close: '</i>' },
  ...{ s_open: '<del>', s_close: '</del>' },
};

/** A line feed of ours at the end: Element on an iPhone puts what follows a block into its last line. */
const block = (text: string): string => `<pre><code>${escapeHtml(text.replace(/\n?$/, '\n'))}</code></pre>`;

/** An address that is its own text, or code where it must not be tapped: a pill, or a name before an @ that hides the host. */
function address(href: string): string {
  const url = URL.canParse(href) ? new URL(href) : undefined;
  const plain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password;
  const shown = escapeHtml(href);
  return plain && !isPill(href) && !isPill(url.href)
    ? `<a href="${shown}">${shown}</a>`
    : `<code>${shown}</code>`;
}
const isPill = (text: string): boolean => /matrix\.to|matrix:/i.test(text);

/** What stands in a line. Clients make links, and so pills, of bare addresses too: those of Matrix are code. */
function inline(tokens: readonly Token[]): string {
  const hrefs: string[] = [];
  let from = 0;
  let html = '';
  for (const token of tokens) {
    if (token.type === 'link_open') {
      hrefs.push(String(token.attrGet('href') ?? ''));
      from = html.length;
    } else if (token.type === 'link_close') {
      const href = hrefs.pop() ?? '';
      const text = html.slice(from);
      const bare = text === escapeHtml(href) || token.markup === 'autolink' || text === '';
      html = `${html.slice(0, from)}${bare ? '' : `${text} (`}${address(href)}${bare ? '' : ')'}`;
    } else if (token.type === 'image') {
      const alt = token.content && `${escapeHtml(token.content)} `;
      html += `${alt}(${address(String(token.attrGet('src') ?? ''))})`;
    } else if (token.type === 'code_inline') html += `<code>${escapeHtml(token.content)}</code>`;
    else html += tags[token.type] ?? texts(token.content);
  }
  return html;
}
const texts = (text: string): string =>
  text
    .split(/(\S*(?:matrix\.to|matrix:)\S*)/i)
    .map((part) => (isPill(part) ? `<code>${escapeHtml(part)}</code>` : escapeHtml(part)))
    .join('');

/** The words as HTML, to stand in a quotation: no tag of theirs, and none of ours left open. */
export function proseHtml(text: string): string {
  const lines = text.split('\n');
  let html = '';
  let table = 0;
  for (const token of markdown.parse(text, {})) {
    if (token.type === 'table_open' && token.map) html += block(lines.slice(...token.map).join('\n'));
    if (token.type.startsWith('table_')) table += token.nesting;
    if (table > 0 || token.type === 'table_close') continue;
    if (token.hidden) continue; // a paragraph that is all of a list's item
    if (token.type === 'ordered_list_open') {
      const start = Number(token.attrGet('start') ?? 1);
      html += start === 1 ? '<ol>' : `<ol start="${start}">`;
    } else if (token.type === 'inline') html += inline(token.children ?? []);
    else html += tags[token.type] ?? block(token.content);
  }
  return html;
}

/** Bytes of the words in one message, and of the whole of it: an edit carries it twice, and a homeserver takes 65,536 in all. */
const mostSaid = 8000;
const mostBytes = 23_000;

/**
 * The agent's words as a message of ours, each line of them marked in both bodies.
 * @param label whose words they are: a line of the bot's own
 */
export function spoken(label: string, text: string, kind: 'm.text' | 'm.notice'): Content {
  const bytes = Buffer.from(text);
  for (let size = Math.min(bytes.length, mostSaid); ; size = Math.floor(size / 2)) {
    const said = readable(bytes.subarray(0, size).toString());
    const own = { line: label };
    const cut = size < bytes.length ? [{ line: 'cut here: it was longer' }] : [];
    const content = message([own, { said }, ...cut], kind);
    content['formatted_body'] = `${toHtml([own])}<blockquote>${proseHtml(said)}</blockquote>${toHtml(cut)}`;
    if (Buffer.byteLength(JSON.stringify(content)) <= mostBytes) return content;
  }
}
