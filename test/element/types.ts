/** What the engine gives the app, and what a person does with it. */

/** A row of a timeline as the engine gives it to the app. */
export type Row = {
  /** Absent as long as it was not sent. */
  id: string | null;
  kind: 'message' | 'poll' | 'redacted' | 'unreadable' | 'other';
  sender: string;
  own: boolean;
  /** Milliseconds since 1970, as the server says. */
  at: number;
  /** The message type, of a message. */
  type?: string;
  /** The text, a poll's question, a file's caption or name, or why it cannot be read. */
  body?: string;
  html?: string | null;
  edited?: boolean;
  /** Of a poll. */
  answers?: { id: string; text: string }[];
  most?: number;
  /** Who voted for which answer's id. */
  votes?: Record<string, string[]>;
  ended?: boolean;
  /** Who tapped which reaction, in the order in which they came. */
  taps: Record<string, string[]>;
  reply_to: string | null;
  thread: string | null;
  /** How many replies the thread has that begins here. */
  replies: number;
  /** The warning that the app draws beside it. */
  shield: string | null;
  sending: string | null;
};
/** What comes unasked. `lost`: a request that the engine did not take and the app never shows. */
export type Told =
  | { event: 'asked'; user: string; flow: string }
  | { event: 'lost'; user: string; flow: string }
  | { event: 'emoji'; flow: string; emoji: string[] }
  | { event: 'verified'; flow: string }
  | { event: 'ended'; flow: string; why: string };
/** A room in the list, with how many messages are marked as unread and how many of them made a notification. */
export type Listed = { room: string; joined: boolean; name: string | null; unread: number; notified: number };
/** What a push of an event comes to, and what the app makes the notification of. */
export type Notified = {
  status: 'shown' | 'filtered out' | 'not found' | 'redacted' | 'invitation';
  noisy?: boolean;
  event?: { type: string; content: Record<string, unknown> };
};
export type Who = { user: string; device: string; token: string };
export type Attachment = { kind: 'file' | 'picture' | 'voice'; path: string; mime: string; caption?: string };

/** An open room, or a thread of it. What sends resolves with the event once the server has it. */
export type Room = {
  readonly room: string;
  /** All that is shown, after scrolling back that many events. */
  rows(back?: number): Promise<Row[]>;
  /** Looks at all that is shown until the answer is neither undefined nor false; after a while it scrolls besides. */
  until<T>(what: string, ask: (rows: Row[]) => T | undefined | false, seconds?: number): Promise<T>;
  /** Waits for a row of somebody else that has these words. */
  sees(words: string, seconds?: number): Promise<Row>;
  say(text: string): Promise<string>;
  reply(to: string, text: string): Promise<string>;
  attach(what: Attachment): Promise<string>;
  /** Puts it into the engine's queue, and waits for nothing; so do those below. */
  queue(text: string): Promise<null>;
  edit(event: string, text: string): Promise<null>;
  /** Taps a reaction; a second time takes it back. */
  tap(event: string, key: string): Promise<null>;
  vote(poll: string, answers: readonly string[]): Promise<null>;
  redact(event: string): Promise<null>;
  close(): Promise<null>;
};

export type Phone = Who & {
  /** All that came unasked, with minutes and seconds. */
  readonly told: readonly (Told & { at: string })[];
  /** Takes the oldest of this kind that was not taken yet. */
  take<E extends Told['event']>(event: E): Extract<Told, { event: E }> | undefined;
  /** @returns the recovery key */
  setUpRecovery(): Promise<string>;
  /** Enters the recovery key, and waits until the account's identity has signed this device. */
  recover(key: string): Promise<void>;
  isVerified(): Promise<boolean>;
  offline(): Promise<null>;
  online(): Promise<null>;
  rooms(): Promise<Listed[]>;
  /** Accepts the invitation to the room, as soon as it is there. */
  join(room: string): Promise<void>;
  open(room: string, thread?: string): Promise<Room>;
  newRoomKey(room: string): Promise<null>;
  accept(asked: { user: string; flow: string }): Promise<null>;
  /** The emoji match. */
  confirm(): Promise<null>;
  refuse(): Promise<null>;
  notification(room: string, event: string): Promise<Notified>;
  /** Closes the app and starts it again, with its data; where the setting changes, without what it kept of rooms, as the app does. */
  restart(settings?: { threads: boolean }): Promise<Phone>;
  /** Ends the app and throws its data away. */
  destroy(): Promise<void>;
};
