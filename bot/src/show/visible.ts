/** Makes what cannot be seen seen: a card must not look like anything but the bytes that will run. */

/**
 * Characters that draw nothing, move the others about, or end a line without a line feed, and all spaces but the plain
 * one. Unassigned, private and surrogate code points are among them: what a font does with those is anybody's guess.
 */
const general = ['Cc', 'Cf', 'Cn', 'Co', 'Cs', 'Z', 'DI'].map((c) => `\\p{${c}}`).join('');
/** The inside of a character class: those, and three that are drawn as nothing though their category says otherwise. */
export const unseen = `${general}\\u2800\\uFFFC\\u{1D159}`;
const hidden = new RegExp(`(?![ \\n\\t])[${unseen}]`, 'gu');

/** A run of one character by its code: \u{200B}, or \u{200B*3} where it stands there three times. */
export function named(run: string): string {
  const code = run.codePointAt(0) ?? 0;
  const times = run.length / (code > 0xffff ? 2 : 1);
  return `\\u{${code.toString(16).toUpperCase()}${times > 1 ? `*${times}` : ''}}`;
}

/** The text with every such character written as \u{…}, and how many there were. Line feeds and tabs stay. */
export function visible(text: string): { text: string; hidden: number } {
  let count = 0;
  const shown = text.replace(hidden, (c) => {
    count++;
    return named(c);
  });
  return { text: shown, hidden: count };
}

/** Text that the homeserver gave, for a line of ours: all of it seen, on one line, and of no more than these characters. */
export function oneLine(text: string, most = 200): string {
  const shown = visible(text.slice(0, most + 1)).text.replace(/[\n\t]/g, named);
  return shown.length > most ? `${shown.slice(0, most - 1).toWellFormed()}…` : shown;
}

/** HTML text that no markup in it survives. */
export const escapeHtml = (text: string): string =>
  text.replace(
    /[&<>"']/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c] ?? c,
  );
