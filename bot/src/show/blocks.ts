/** What a message of the bot's is made of: one list of blocks, written as plain text and as HTML. */
import { escapeHtml } from './visible.ts';

/**
 * A line of the bot's own (`link`: where a tap on it leads), a quotation shown to the letter, or somebody's prose. Both bodies of a message come from the
 * same blocks, and in both every line that is not the bot's own is marked as such.
 */
export type Block = { line: string; link?: string } | { quote: string } | { said: string };

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
      const html = escapeHtml('line' in b ? b.line : b.said).replace(/\n/g, '<br>');
      if ('said' in b) return `<blockquote>${html}</blockquote>`;
      return `<p>${b.link ? `<a href="${escapeHtml(b.link)}">${html}</a>` : html}</p>`;
    })
    .join('');

export type Content = Record<string, unknown>;

/** m.text or m.notice with both bodies from the same blocks, or from a line of the bot's own. Notices never notify. */
export function message(said: string | readonly Block[], kind: 'm.text' | 'm.notice' = 'm.notice'): Content {
  const blocks = typeof said === 'string' ? [{ line: said }] : said;
  return {
    msgtype: kind,
    body: toText(blocks),
    format: 'org.matrix.custom.html',
    formatted_body: toHtml(blocks),
    // Stated, else `@room` or a name in somebody's text would count as a mention.
    'm.mentions': {},
  };
}
