/** A person's message, taken apart: their words, a code, a command that decides itself, a file. */
import type { Wish } from '@pocketcoder/ledger/src/action.ts';
import { type Content, textOf } from '../types.ts';
import { actIn } from './command.ts';
import { saidIn } from './said.ts';
import { type Sent, sentIn } from './sent.ts';
import { typedCode } from './tokens.ts';

export type Message = {
  kind: string;
  text: string;
  /** What an old client quoted above the words, the event that they answer, and their thread's, in the clear: left out where there is none. */
  context: { quote?: string; replyTo?: string; thread?: string };
  /** The code that the whole text may be, or ''. */
  code: string;
  /** What the text asks for and decides itself. */
  act: Wish | undefined;
  /** A file, or a sentence on why what was sent is none to take. */
  sent: Sent | string | undefined;
};

/** @param content of a decrypted m.room.message, whatever it holds */
export function messageIn(content: Content): Message {
  const kind = textOf(content['msgtype']);
  const { text, quote, replyTo, thread } = saidIn(content);
  const isText = kind === 'm.text';
  return {
    kind,
    text,
    context: { ...(quote && { quote }), ...(replyTo && { replyTo }), ...(thread && { thread }) },
    code: (isText && typedCode(text)) || '',
    act: isText ? actIn(text) : undefined,
    sent: sentIn(content),
  };
}
