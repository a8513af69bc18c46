/** Names of files as the bot gives them, whoever chose what they are made from. */

/** Leaves room for what tells two files of one name apart, in a name of at most 255 bytes. */
const longest = 60;

/** A name that is one part of a path, cannot be taken for an option or be hidden, and says nothing to a shell. */
export function safeName(name: string): string {
  const plain = name.normalize('NFC').replace(/[^\p{L}\p{N}._-]+/gu, '-');
  const short = [...plain].slice(-longest).join('');
  return short.replace(/^[-.]+/, '') || 'file';
}
