/** What a person's message says, however a phone dressed it up: an old client's quote, a fence, blanks, full stops. */
import { type Content, isObject, textOf } from '../types.ts';

/** `text` is what they wrote: without the quote, and a command as `!name arguments`. */
export type Said = {
  text: string;
  /** What an old client quoted above their words, or ''. */
  quote: string;
  /** The event that they answer, or ''. It stands in the clear, so it says what is talked about and decides nothing. */
  replyTo: string;
  /** The event that the thread they stand in began with, or ''; in the clear as well. */
  thread: string;
};

/** What shows nothing. */
const unseen = '\\s\\p{Cc}\\p{Cf}\\p{Cs}\\p{Z}\\p{M}\\p{DI}\\u2800\\uFFFC';
const allUnseen = new RegExp(`^[${unseen}]*$`, 'u');
export const isBlank = (text: string): boolean => allUnseen.test(text);

/** The plain form of a reply in old clients: the sender and their lines behind `> `, then the words. */
const fallback = /^> (?:\* )?<@[^>\n]+>.*(?:\n>.*)*\n*/;

/** Without these at its end. Not by a pattern, which takes the square of the time for a text that is made for that. */
export function unended(text: string, ends: RegExp): string {
  let end = text.length;
  while (end > 0 && ends.test(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}
const stops = /[\s\p{Po}]/u;

/** What stands in backticks or a fence, of which the first line may name a language; else the text. */
function unfenced(text: string): string {
  const all = text.trim();
  const fence = /^(?:`{1,8}|~{3,8})/.exec(all)?.[0] ?? '';
  if (!fence || !all.endsWith(fence) || all.length < 2 * fence.length) return text;
  const inner = all.slice(fence.length, -fence.length);
  return fence.length < 3 ? inner : inner.replace(/^[^\n`!！﹗]*\n/, '');
}

const marked = new RegExp(`^[${unseen}]*[!！﹗][${unseen}]*(\\S*)([\\s\\S]*)$`, 'u');

/** A text with a command's mark in front, as `!name arguments`; undefined for any other. Arguments stay to the letter. */
function commandIn(text: string): string | undefined {
  const [, written, args = ''] = marked.exec(unfenced(text)) ?? [];
  if (written === undefined) return undefined;
  const name = written.normalize('NFKC').replace(/\p{Cf}/gu, '');
  return `!${unended(name, stops)} ${args.trim()}`.trim();
}

/** @param content of a decrypted m.room.message, whatever it holds */
export function saidIn(content: Content): Said {
  const body = textOf(content['body']);
  const quoted = fallback.exec(body)?.[0] ?? '';
  const words = body.slice(quoted.length);
  const relation = content['m.relates_to'];
  const answered =
    isObject(relation) && relation['is_falling_back'] !== true ? relation['m.in_reply_to'] : undefined;
  return {
    text: commandIn(words) ?? words,
    quote: quoted.replace(/^> ?/gm, '').trim(),
    replyTo: isObject(answered) ? textOf(answered['event_id']) : '',
    thread: isObject(relation) && relation['rel_type'] === 'm.thread' ? textOf(relation['event_id']) : '',
  };
}

/** Clients add variation selectors, skin tones, and who it is. */
export const plainEmoji = (key: string): string =>
  key.replace(/[\uFE0E\uFE0F]|\p{Emoji_Modifier}|\u200D[♀♂]/gu, '').trim();

/** Reactions that deny. None of them is ever a chip's name. */
export const noes: readonly string[] = [...'❌❎✖✗✘✕☒🗙🗴🗵🗶🗷👎🚫⛔🙅✋🖐🤚🖕×'];
const yeses: readonly string[] = [...'👍✅✔✓☑🗸🗹👌💯🆗🙆🤝👏🙌🙏💪🚀🎉❤💚🟢🫡▶'];
const word = (text: string): string => unended(plainEmoji(text).toLowerCase(), stops);
const yesWords =
  /^(y|yes+|yep|yeah|ok|okay|okey|sure|approved?|allow|accept|confirm|go|go ahead|do it|lgtm)$/;
const noWords = /^(n|no+|nope|x|deny|denied|reject|refuse)$/;

/** Characters: no answer is longer. */
const longest = 40;

export const isNo = (text: string): boolean =>
  text.length <= longest && (noes.includes(plainEmoji(text)) || noWords.test(word(text)));
/** What looks like a yes, though it proves nothing. */
export const isYes = (text: string): boolean =>
  text.length <= longest && (yeses.includes(plainEmoji(text)) || yesWords.test(word(text)));
