/** What the gatekeeper says of an event, and what it goes by. */
import type { Wish } from '@pocketcoder/ledger/src/action.ts';
import type { Proof } from '../proof/rules.ts';
import type { Matrix, RoomId } from '../types.ts';
import type { Sent } from './sent.ts';
import { type Card, type CardStore, type Posted, posted } from './store.ts';
import type { Person } from './view.ts';

export type Evidence = {
  user: string;
  device?: string;
  event: string;
  form: 'chip' | 'poll' | 'code' | 'command' | 'reaction' | 'redaction';
  session?: string;
  index?: number;
};
/** The very act that a message names, and that it decides itself where ledger and policy let it. */
export type Command = Readonly<{ act: Wish; evidence: Evidence }>;
/** One of the options of a question that an agent asked. */
export type Option = {
  room: RoomId;
  task: string;
  question: string;
  text: string;
  open: boolean;
};
export type Verdict =
  | { do: 'approve'; card: Card; grade: 'sealed' | 'signed'; evidence: Evidence }
  | { do: 'deny'; card: Posted; evidence: Evidence; why: string }
  /** The 🛑: ends everything in this room's workspace. */
  | { do: 'stop'; room: string; evidence: Evidence }
  /** A secret that was issued but no longer counts: explain it below its own card, once. */
  | { do: 'explain'; card: Posted; why: string }
  /** A sealed key that was never issued: somebody guesses. The card takes only signed answers from now on. */
  | { do: 'suspect'; card: Posted; why: string }
  /**
   * Something of an enrolled device's that does nothing: say why, once of each subject, below that event. `words` are those of an
   * edit of it, for where it waits still and came from that very device.
   */
  | { do: 'tell'; about: string; why: string; below: string; words?: string }
  | Heard
  /** A vote on what an agent asked: its option's words are the voter's to that agent, and nothing else whatever they are. */
  | { do: 'choose'; option: Option; from: Person }
  | { do: 'ask'; command: Command; from: Person }
  | Received
  | Spoken
  | { do: 'ignore'; why: string };
export type Approval = Extract<Verdict, { do: 'approve' }>;
/** `refused`: the code with which the ledger did not take the approval, or ''. */
export type Decided = { do: 'decided'; card: Posted; refused: string };
/** What is left to do of an event, once its approval was written. */
export type Judged = Exclude<Verdict, Approval> | Decided;

/** What is left to do, as it is handed on: without the secrets of its card. */
export function plainly<V extends Judged>(verdict: V): V {
  if (verdict.do === 'hear') return { ...verdict, ...(verdict.yesTo && { yesTo: posted(verdict.yesTo) }) };
  return 'card' in verdict ? { ...verdict, card: posted(verdict.card) } : verdict;
}

/**
 * Text from an enrolled device: for the brain or a command. What it replies to, its thread and the quote above it are context, no evidence.
 * `yesTo` is the open card that it looks like a yes to.
 */
export type Heard = {
  do: 'hear';
  text: string;
  from: Person;
  replyTo?: string;
  thread?: string;
  quote?: string;
  yesTo?: Posted;
};
/** A file from an enrolled device, which decides that it is added. */
export type Received = { do: 'receive'; sent: Sent; from: Person; evidence: Evidence };

/**
 * A voice message from an enrolled device: what is written down of it is words to an agent, and nothing else whatever they are.
 * It goes by no evidence, so that nothing can be decided by it.
 */
export type Spoken = { do: 'listen'; sent: Sent; from: Person };

export type Gate = {
  /** The bot's own account, and what is known of keys at this moment. */
  matrix: Proof & Pick<Matrix, 'user'>;
  cards: CardStore;
  /** The enrolled devices of everybody who belongs in this room, with their roles, from the ledger. */
  people(room: string): readonly Person[];
  /** The action that is not over and that this event helped to approve: one of several answers. */
  answeredBy(event: string): string | undefined;
  /** The option of an agent's question that an answer's id stands for. */
  option(answer: string): Option | undefined;
  /** Why nothing is approved in this room at present (somebody unexpected joined, its encryption changed), or ''. */
  trouble(room: string): string;
  /** The ledger's time in milliseconds, as near as the bot knows it. The ledger itself refuses what is late. */
  now(): number;
};
