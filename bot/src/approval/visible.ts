/** Makes what cannot be seen seen: a card must not look like anything but the bytes that will run. */

/**
 * Characters that draw nothing, move the others about, or end a line without a line feed. Unassigned, private and
 * surrogate code points are among them: what a font does with those is anybody's guess.
 */
const general = ['Cc', 'Cf', 'Cn', 'Co', 'Cs', 'Zl', 'Zp'].map((c) => `\\p{${c}}`).join('');
/** Spaces other than the plain one, fillers, joiners and variation selectors, which those categories miss. */
const others =
  '\\u00A0\\u034F\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u2000-\\u200A\\u202F\\u205F\\u2800\\u3000\\u3164\\uFE00-\\uFE0F\\uFFA0\\u{E0100}-\\u{E01EF}';
const hidden = new RegExp(`[${general}${others}]`, 'gu');

/** The text with every such character written as \u{…}, and how many there were. Line feeds and tabs stay. */
export function visible(text: string): { text: string; hidden: number } {
  let count = 0;
  const shown = text.replace(hidden, (c) => {
    if (c === '\n' || c === '\t') return c;
    count++;
    return `\\u{${(c.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`;
  });
  return { text: shown, hidden: count };
}

/** HTML text that no markup in it survives. */
export const escapeHtml = (text: string): string =>
  text.replace(
    /[&<>"']/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c] ?? c,
  );

/** A Markdown fence that is longer than any run of backticks inside. */
export function fenced(text: string): string {
  let longest = 2;
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}${text.endsWith('\n') ? '' : '\n'}${fence}`;
}
