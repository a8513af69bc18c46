/** The brain, as the bot sees it: sessions that take text and tell events. Which agent is behind it shows nowhere. */
import type { Hands } from '../gateway/server.ts';
import type { Spent } from './costs.ts';

export type Todo = { text: string; state: 'pending' | 'in_progress' | 'completed' | 'cancelled' };

export type ErrorCode =
  | 'model_key'
  | 'model_unreachable'
  | 'model_unknown'
  | 'model_limit'
  | 'model_failed'
  | 'too_long'
  | 'output_limit'
  | 'cut'
  | 'call_as_text'
  | 'other_protocol'
  | 'aborted';

/** What a model takes at once, its answer included, or writes at once, in tokens. */
export type Limit = { what: 'context' | 'output'; tokens: number };

export type BrainEvent =
  /** The brain's words. `text` is all of this part so far; `done` when no more of it comes. */
  | { type: 'text'; session: string; part: string; delta: string; text: string; done: boolean }
  /** It makes this call now: all that it said before was told before. */
  | { type: 'call'; session: string; tool: string; args: unknown }
  /**
   * Read anew after `down` it does nothing: which prompts it has, of the last ones, and whether its last turn came to an end
   * of its own.
   */
  | { type: 'rest'; session: string; prompts: readonly string[]; whole: boolean }
  | { type: 'todo'; session: string; todos: Todo[] }
  | { type: 'busy' | 'idle'; session: string }
  /** What went wrong, for people: what happened and what to do. Work may go on by itself after `model_unreachable`. */
  | { type: 'error'; session: string; code: ErrorCode; message: string }
  /** A refusal said a limit that was not known: the turn is ended, and its next prompt keeps to that. */
  | { type: 'learned'; session: string; message: string }
  /** What the session took since it began. */
  | { type: 'cost'; session: string; dollars: number; tokens: number }
  /** Whether the brain is there at all. What was missed of each known session is told before `up`. */
  | { type: 'up' | 'down' };

/** For a model that sees. */
export type Picture = { mime: 'image/png' | 'image/jpeg' | 'image/gif' | 'image/webp'; bytes: Uint8Array };

/** What a task's conversation acts by, what the sandbox that it acts in has, in words, and what a helper is told besides. */
export type Acting = Hands & { sandbox?: string; words?: string };

/** What a conversation stands at, read anew: a turn's end may be told before its last words and what they took. */
export type Last = {
  /** The words of its last message, or '' where that is not the agent's. */
  words(session: string): Promise<string>;
  /** All that it took since it began. */
  spent(session: string): Promise<Spent>;
};

export type Brain = {
  /** Starts a conversation whose only hands are this task's. Returns its id, which outlives the brain's process. */
  createSession(o: { title: string; task: Acting }): Promise<string>;
  /**
   * Takes up a conversation made earlier (the bot was restarted): it gets its task's hands again.
   * @param asked whether what it was asked last may still be to be told: then the words of its last turn are
   */
  resume(o: { session: string; task: Acting; asked: boolean }): void;
  /**
   * Asks in a copy of a conversation as it stands, which has no hands, is told nothing later, and is gone afterwards: the
   * conversation itself goes on and knows nothing of it.
   * @param session the conversation; '' asks in an empty one @param signal ends it
   * @param spent what it took so far, under an id of its own, each time that is known anew
   * @returns what it said, and what a person should be told of that, or ''
   * @throws Error that says why it was not answered
   */
  aside(o: {
    session: string;
    task: Acting;
    text: string;
    signal: AbortSignal;
    spent(id: string, total: Spent): void;
  }): Promise<{ said: string; note: string }>;
  /**
   * Hands over a message and returns at once; events tell the rest. A busy session takes it when it is free, and its turn goes
   * on. The text is words: none of it is a command to the brain, or names a file of its own.
   */
  prompt(session: string, text: string, pictures?: readonly Picture[]): Promise<void>;
  /** What a session stands at once its turn is over. */
  last: Last;
  /** Ends what the session does now. Its open calls at the gateway are taken back. */
  abort(session: string): Promise<void>;
  /** Calls back for every event from now on, in order; first with `up` where it is. */
  events(fn: (event: BrainEvent) => void): void;
  /** Why it is not up though something answers there, or ''. */
  refusal(): string;
  stop(): Promise<void>;
};
