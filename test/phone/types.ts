/** What a person with Element could see and do, and what a test may look at beneath it. */

export type Content = Record<string, unknown>;

/** An event as the phone shows it. */
export type Shown = {
  id: string;
  room: string;
  sender: string;
  type: string;
  content: Content;
  /** What went over the wire: for an encrypted event m.room.encrypted and its ciphertext. */
  wire: { type: string; content: Content };
  encrypted: boolean;
  redacted: boolean;
  /** Why it could not be decrypted. */
  failed?: string;
};

/** A message that asks for an answer: with its chips as Element X shows them, or a poll. */
export type Card = {
  id: string;
  room: string;
  /** Its text, or the poll's question. */
  text: string;
  /** The latest edit's text, once it was edited. */
  edited?: string;
  chips: { id: string; key: string }[];
  answers: { id: string; text: string }[];
};

export type Verification = {
  emoji: string[];
  /** They match. Resolves when both sides are done. */
  confirm(): Promise<void>;
  /** They don't. */
  refuse(): void;
};

export type PhoneOptions = {
  homeserver: string;
  /** Localpart or user id. */
  user: string;
  password: string;
  /** Refuses to send to or read from devices their owner did not sign, as Element can be told to. */
  strict?: boolean;
  /** Sends again, as the same message, what could not be sent while the homeserver was away, as Element does. */
  patient?: boolean;
};

export type Phone = {
  readonly user: string;
  readonly device: string;
  readonly token: string;
  /** The rooms it has joined, in that order. */
  rooms(): readonly string[];
  /** The room joined first; what is sent without naming a room goes there. */
  room(): string;
  /** Makes a cross-signing identity and secret storage. @returns the recovery key as it is shown to a person */
  setUpCrossSigning(): Promise<string>;
  /** Signs this device with the identity that the recovery key opens. */
  restore(recoveryKey: string): Promise<void>;
  /** Backs its room keys up on the server, as Element does unasked. */
  backUp(): Promise<void>;
  /** Fetches the room keys from the backup that the recovery key opens. After `restore`. */
  readBackup(): Promise<void>;
  /** Waits for a verification to show its emoji; requests are taken up by themselves, comparisons started by the other side. */
  verification(seconds?: number): Promise<Verification>;
  /** Begins a verification of that device by to-device messages. */
  verify(user: string, device: string): Promise<void>;
  timeline(): Shown[];
  /** Calls back for each event as it appears, decrypted. @returns the way to end that */
  watch(fn: (event: Shown) => void): () => void;
  cards(): Card[];
  /** Asks whenever something new is shown, until the answer is neither undefined nor false. */
  until<T>(what: string, ask: (phone: Phone) => T | undefined | false, seconds?: number): Promise<T>;
  say(text: string, room?: string): Promise<string>;
  reply(to: string, text: string): Promise<string>;
  /** The plain m.reaction that Element sends, in encrypted rooms too. @returns its id, for untap */
  tap(event: string, key: string): Promise<string>;
  untap(reaction: string): Promise<void>;
  vote(poll: string, answers: string[]): Promise<string>;
  edit(event: string, text: string): Promise<string>;
  redact(event: string): Promise<void>;
  /** Sends any event as the phone would: encrypted unless it is a reaction. */
  send(type: string, content: Content, room?: string): Promise<string>;
  /** The homeserver is back: asks it at once, and not when its client's own wait is over. */
  hurry(): void;
  /** Makes the next message use a new room key. */
  newRoomKey(room?: string): Promise<void>;
  /** Replaces the identity, as somebody with the account's password can. */
  identityReset(): Promise<void>;
  /** Another device of the same account, unsigned. */
  secondLogin(): Promise<Phone>;
  /** Any request with this device's token. */
  api(method: string, path: string, body?: object): Promise<Content>;
  close(): Promise<void>;
};
