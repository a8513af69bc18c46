/** The secrets of a card: emoji that name its chips, sealed tokens, nonces and codes. */
import { randomBytes, randomInt } from 'node:crypto';
import { noes } from './said.ts';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Crockford base32, most significant bits first, without padding. */
export function crockford(bytes: Uint8Array): string {
  let out = '';
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) out += alphabet[(held >> (bits - 5)) & 31];
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? out + alphabet[(held << (5 - bits)) & 31] : out;
}

/** What a person's tap must not be mistaken for, and what newer than most phones' fonts (Unicode 15.1 and later). */
const unfit = `${noes.join('')}✅👍🛑⏳⌛➕❓🛘🪉🪊🪎🪏🪾🫆🫈🫍🫜🫟🫩🫪🫯⏩⏪⏫⏬◽◾⚪⚫⬛⬜⭕🔘🆎🆑🆒🆓🆔🆕🆖🆗🆘🆙🆚🈁🈚🈯🈲🈳🈴🈵🈶🈸🈹🈺🉐🉑`;

/** Single code points that every phone draws as one emoji: more than a thousand. */
export const emojis: readonly string[] = (() => {
  const out: string[] = [];
  for (let code = 0x2000; code < 0x1fb00; code++) {
    const emoji = String.fromCodePoint(code);
    if (!/^\p{Emoji_Presentation}$/u.test(emoji)) continue;
    if (/\p{Emoji_Modifier}|\p{Regional_Indicator}/u.test(emoji) || unfit.includes(emoji)) continue;
    out.push(emoji);
  }
  return out;
})();

/** A card's name is not given again to one of the next thousand cards. */
export const reuseAfter = 1000;

/**
 * Two different emoji, neither among `recent` (the names of the last thousand cards and the decoys of open ones).
 * @returns [the chip that approves, the decoy]
 */
export function pickEmojis(recent: ReadonlySet<string>): [string, string] {
  const free = emojis.filter((e) => !recent.has(e));
  if (free.length < 2) throw new Error('no emoji is free for this card: too many cards are open');
  const at = randomInt(free.length);
  const other = (at + 1 + randomInt(free.length - 1)) % free.length;
  return [free[at] ?? '', free[other] ?? ''];
}

/** The key of a sealed chip: an emoji, a space and 40 random bits; 10 characters, which phones show whole. */
export const sealedKey = (emoji: string): string => `${emoji} ${crockford(randomBytes(5))}`;

/** The random part of a sealed key. */
export const sealedPart = (key: string): string => key.split(' ')[1] ?? '';

/** True for text of the form of a sealed key, whoever made it. */
export const looksSealed = (key: string): boolean =>
  /^\p{Emoji_Presentation} [0-9A-HJKMNP-TV-Z]{8}$/u.test(key);

/** 64 bits that make a poll's answer ids unguessable. */
export const newNonce = (): string => crockford(randomBytes(8));

/** A typed code: 40 random bits, eight characters in two groups. */
export function newCode(): string {
  const code = crockford(randomBytes(5));
  return `${code.slice(0, 4)}-${code.slice(4)}`;
}

/**
 * A text as secrets in it are compared: letters and digits alone, as Crockford's base32 reads what people type for them.
 * Both what counts as a code and what must not leave are judged by this, so that no form is the one and not the other.
 */
export const folded = (text: string): string =>
  text
    .normalize('NFKD')
    .toUpperCase()
    .replace(/[^\p{L}\p{N}]/gu, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1');

/** Characters of a message that is a code, with room for what a phone puts between. */
const mostTyped = 200;

/**
 * A message that may be a code, in whatever case, with whatever stands between and around its letters.
 * @returns the code as it is given out
 */
export function typedCode(text: string): string | undefined {
  if (text.length > mostTyped) return undefined;
  let code = '';
  let end = 0;
  for (const letter of text) {
    if (code.length >= 8) break;
    code += folded(letter);
    end += letter.length;
  }
  if (!/^[0-9A-HJKMNP-TV-Z]{8}$/.test(code) || /[\p{L}\p{N}]/u.test(text.slice(end))) return undefined;
  return `${code.slice(0, 4)}-${code.slice(4)}`;
}

/** A digest as people see it: base32 of the SHA-256 that is given in hex. */
export const digestText = (hex: string): string => crockford(Buffer.from(hex, 'hex'));
