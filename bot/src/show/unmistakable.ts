/**
 * An action's text as it is shown: nothing in it can pass for anything else. The rules, in their order; \u{…} is the
 * character with that code, \u{…*n} n of them, and reading every code back gives the text again, to the letter.
 *
 * 1. A backslash that would begin such a code is one itself.
 * 2. What cannot be seen (visible.ts), marks that sit on any letter, all that runs from right to left, phonetic letters,
 *    and scripts outside the list below.
 * 3. Punctuation and symbols that are drawn like ASCII, or like a dash, a quotation mark, a bracket or a vertical bar: what a
 *    shell would read as its own. Only ，：！？ after a Chinese, Japanese or Korean letter stay, and 「」『』《》【】 beside one.
 * 4. In words: every letter that is not ASCII, where scripts are mixed or the word is not in its composed form (NFC);
 *    else the letters that are drawn like ASCII, unless the word has another letter of its own script.
 * 5. Floods: more than three blank lines, or forty blanks, in a row.
 * 6. Blanks at the end of a line or of the text, where nobody sees them and a backslash before them means something
 *    else; and tabs, but for an indentation of tabs alone.
 *
 * "Drawn like" is Unicode's own table (UTS 39, as the package unhomoglyph keeps it) and compatibility (NFKC).
 */
import table from 'unhomoglyph/data.json' with { type: 'json' };
import { named, unseen } from './visible.ts';

/** May stand in one word with each other, and with Latin: UTS 39, 5.2, "highly restrictive". */
const eastern = ['Han', 'Hiragana', 'Katakana', 'Bopomofo', 'Hangul'];
/** The scripts of living languages (UAX 31, table 5) that run from left to right. */
const scripts = [
  ...eastern,
  ...'Cyrillic Greek Armenian Georgian Ethiopic Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu'.split(
    ' ',
  ),
  ...'Kannada Malayalam Sinhala Thai Lao Tibetan Myanmar Khmer'.split(' '),
];
const classOf = (names: readonly string[], property: 'sc' | 'scx'): string =>
  names.map((name) => `\\p{${property}=${name}}`).join('');

const rightToLeft = '\\u0590-\\u08FF\\uFB1D-\\uFDFF\\uFE70-\\uFEFF\\u{10800}-\\u{10FFF}\\u{1E800}-\\u{1EFFF}';
const known = `A-Za-z\\u00C0-\\u024F\\u1E00-\\u1EFF${classOf(['Common', ...scripts], 'sc')}`;
const odd = new RegExp(
  `(?![ \\n\\t])([${unseen}${rightToLeft}\\p{Me}]|[^${known}]|(?=\\p{M})\\p{sc=Common})\\1*`,
  'gu',
);
const letters = classOf(eastern, 'sc');
const symbols = new RegExp(
  `(?<=[${letters}])[，：！？」』》】]|[「『《【](?=[${letters}])|([^\\p{ASCII}\\p{L}\\p{M}\\p{N}])\\1*`,
  'gu',
);
const words = /[\p{L}\p{M}\p{N}]+/gu;
const floods = /\n(?:[ \t]*\n){4,}|[ \t]{41,}/g;
const sameInARow = /([\s\S])\1*/g;

const ascii = /^\p{ASCII}*$/u;
const shapes = new Map(Object.entries(table));
const [dash, percent] = [shapes.get('—'), shapes.get('%')];
/** Quotation marks, brackets, their ornaments, and bars, by which a shell tells where a word or a command ends. */
const shells = /[\p{Pi}\p{Pf}\p{Ps}\p{Pe}‖∣∥⎜⎟⎢⎥⎪⎸⎹⏐│┃┆┇┊┋╎╏║▏▕❘-❚❛-❠〝-〟⦀⦙⸠⸡⫼⫿🙶-🙸]/u;
/** Drawn like ASCII, like what a shell reads, or a dash, which passes for a hyphen or two. */
function passes(c: string): boolean {
  const plain = c.normalize('NFKC');
  const shape = shapes.get(c) ?? shapes.get(plain) ?? plain;
  if (ascii.test(c)) return false;
  if (shells.test(c)) return true;
  return ascii.test(plain) || ascii.test(shape) || /\p{Pd}/u.test(c) || shape === dash || shape === percent;
}

/** The scripts that must not share a word; the eastern ones count as one. */
const kinds = [eastern, ...scripts.filter((s) => !eastern.includes(s)).map((s) => [s])].map(
  (names) => new RegExp(`[${classOf(names, 'scx')}]`, 'u'),
);
const latin = /\p{sc=Latin}/u;

function word(text: string): string {
  if (ascii.test(text)) return text;
  const letters = [...text];
  const [own, ...more] = kinds.filter((kind) => kind.test(text));
  const withLatin = latin.test(text);
  const torn = more.length > 0 || (withLatin && own && own !== kinds[0]) || text.normalize('NFC') !== text;
  const readable = own && !withLatin && letters.some((c) => own.test(c) && /\p{L}/u.test(c) && !passes(c));
  return letters
    .map((c) => (!ascii.test(c) && (torn || (passes(c) && !(readable && own.test(c)))) ? named(c) : c))
    .join('');
}

/**
 * @param typed a line's end and a tab are keys there, and are named
 * @returns the text to show, and how many of its characters it shows by their codes
 */
export function unmistakable(text: string, typed = false): { text: string; hidden: number } {
  const shown = text
    .replace(/\\(?=u\{)/g, named)
    .replace(odd, (run) => named(run))
    .replace(symbols, (run, c?: string) => (c && passes(c) ? named(run) : run))
    .replace(words, word)
    .replace(floods, (run) => {
      const [first, inner, last] = run.startsWith('\n') ? ['\n', run.slice(1, -1), '\n'] : ['', run, ''];
      return `${first}${inner.replace(sameInARow, (same) => named(same))}${last}`;
    })
    .replace(/[ \t]+/g, (run, at: number, all: string) => {
      const [before, after] = [all[at - 1] ?? '\n', all[at + run.length] ?? '\n'];
      if (after === '\n') return run.replace(sameInARow, (same) => named(same));
      return before === '\n' && !run.includes(' ') ? run : run.replace(/\t+/g, (tabs) => named(tabs));
    })
    .replace(/\n+|\t+/g, (keys) => (typed ? named(keys) : keys));
  let hidden = 0;
  for (const [, times] of shown.matchAll(/\\u\{[0-9A-F]+(?:\*(\d+))?\}/g)) hidden += Number(times ?? 1);
  return { text: shown, hidden };
}

/** The scripts besides Latin that a shown text is written in. */
export const scriptsOf = (text: string): string[] =>
  ascii.test(text) ? [] : scripts.filter((name) => new RegExp(`\\p{sc=${name}}`, 'u').test(text));
