/** What a person sent that is no text: a file to take, or a sentence on why nothing is done with it. */

import { type Content, isObject, textOf } from '../types.ts';
import { isBlank, type Said, saidIn } from './said.ts';

/** A file from an enrolled device: where it is to go, its size as stated, where it lies and how it is opened, and the words that came with it. */
export type Sent = Pick<Said, 'quote' | 'replyTo' | 'thread'> & {
  what: 'file' | 'picture' | 'video' | 'sound' | 'voice';
  /** Below the workspace's root. */
  path: string;
  size: number;
  file: Content;
  words: string;
};

const kinds: Readonly<Record<string, Sent['what']>> = {
  'm.file': 'file',
  'm.image': 'picture',
  'm.video': 'video',
  'm.audio': 'sound',
};

/** Types of events and kinds of messages that people send and nobody here makes anything of. */
const unheard: Readonly<Record<string, string>> = {
  'm.emote': 'What begins with /me is not heard here',
  'm.location': 'A location is not looked at here',
  'm.sticker': 'Nobody here can see a sticker',
  'm.poll.start': 'A poll of yours is not answered here',
  'org.matrix.msc3381.poll.start': 'A poll of yours is not answered here',
};

/** What is said of an event or message of that type, or undefined. */
export function unheardOf(type: string): string | undefined {
  const what = Object.hasOwn(unheard, type) ? unheard[type] : undefined;
  return what && `${what}: nothing was done. Say it in words.`;
}

/** Leaves room for what tells two files of one name apart, in a name of at most 255 bytes. */
const longestName = 60;

/** A name that is one part of a path, cannot be taken for an option or be hidden, and says nothing to a shell. */
export function safeName(name: string): string {
  const plain = name.normalize('NFC').replace(/[^\p{L}\p{N}._-]+/gu, '-');
  const short = [...plain].slice(-longestName).join('');
  return short.replace(/^[-.]+/, '') || 'file';
}

/**
 * @param content of a decrypted m.room.message, whatever it holds
 * @returns a file, words for a person on what is no file to take, or undefined for any other message. A body beside another file name
 * is a caption (MSC2530): words, never a command
 */
export function sentIn(content: Content): Sent | string | undefined {
  const { body, file, info } = content;
  const msgtype = textOf(content['msgtype']);
  const filename = textOf(content['filename']);
  const what = Object.hasOwn(kinds, msgtype) ? kinds[msgtype] : undefined;
  if (!what) return unheardOf(msgtype);
  if (!isObject(file))
    return 'That file was not encrypted, so nobody can tell whose it is: it was not taken. Send it again.';
  const size = isObject(info) ? Number(info['size']) || 0 : 0;
  const isVoice = what === 'sound' && ('org.matrix.msc3245.voice' in content || 'm.voice' in content);
  const { text, quote, replyTo, thread } = saidIn(content);
  const words = filename && body !== filename && !isBlank(text) ? text.trim() : '';
  const context = { quote, replyTo, thread };
  const path = `uploads/${safeName(filename || text)}`;
  return { what: isVoice ? 'voice' : what, path, size, file, words, ...context };
}
