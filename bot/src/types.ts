/** What the bot knows of Matrix. Nothing here imports an SDK. */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };
export type RoomId = Branded<'RoomId'>;
export type EventId = Branded<'EventId'>;
export type UserId = Branded<'UserId'>;
export type DeviceId = Branded<'DeviceId'>;

export type Content = Record<string, unknown>;
export const isObject = (v: unknown): v is Content =>
  typeof v === 'object' && v !== null && !Array.isArray(v);
/** A text as it is, anything else as ''. */
export const textOf = (v: unknown): string => (typeof v === 'string' ? v : '');

/** An event as the homeserver served it. Nothing in it is proof of anything. */
export type WireEvent = {
  type: string;
  event_id: EventId;
  sender: UserId;
  state_key?: string;
  content: Content;
  origin_server_ts: number;
  unsigned?: Content;
};

/** What decryption proved about an event. Keys are unpadded base64. */
export type Evidence = {
  sender: UserId;
  device?: DeviceId;
  claimedEd25519?: string;
  curve25519: string;
  /** Who forwarded the room key, if it did not come from its maker. */
  forwarder?: UserId;
  /** Name of the library's warning, absent when there is none. Cached per room key: judge devices live. */
  shield?: string;
  session: string;
  /** Index of the message in its Megolm session. */
  index: number;
};

/** An event taken in. `type` and `content` are the decrypted ones where `encrypted` is true and nothing `failed`. */
export type Taken = {
  room: RoomId;
  wire: WireEvent;
  encrypted: boolean;
  type: string;
  content: Content;
  evidence?: Evidence;
  /** Why it could not be decrypted. Then `content` is empty. */
  failed?: string;
  /** It could not be decrypted because its room key has not come here. */
  missingKey?: true;
  /** It was taken in before and could not be read: its key came since. */
  late?: true;
};

/** What an event says that it is on, and how: of a decrypted one what stands inside. */
export function relationOf({ content }: Pick<Taken, 'content'>): Content {
  const stated = content['m.relates_to'];
  return isObject(stated) ? stated : {};
}
/** The event that a redaction takes away, or ''; rooms of older versions say it outside the content. */
export const takenAway = ({ content, wire }: Pick<Taken, 'content' | 'wire'>): string =>
  textOf(content['redacts']) || textOf((wire as { redacts?: unknown }).redacts);

/** A device that may read and be heard, and the identity it belongs to. Keys are unpadded base64. */
export type Enrolled = {
  user: UserId;
  master: string;
  device: DeviceId;
  ed25519: string;
  curve25519: string;
};

/** A device as the library knows it at this moment. */
export type DeviceNow = {
  user: UserId;
  device: DeviceId;
  ed25519: string;
  curve25519: string;
  crossSigned: boolean;
  blacklisted: boolean;
  dehydrated: boolean;
};

/** A user's cross-signing identity as the library knows it at this moment; `master` is its ed25519 value. */
export type IdentityNow = { verified: boolean; violation: boolean; master: string };

/** One of the seven symbols that both sides of a verification compare. */
export type Emoji = { symbol: string; name: string };
/** Who waits at the console while a device is verified. */
export type Operator = {
  /**
   * Told what the pairing waits for now: that the invitation is accepted, that the account has an identity, that the phone
   * takes up the request (made so often), or that both sides have emoji.
   */
  waits(what: 'invitation' | 'identity' | 'phone' | 'emoji', asked: number): void;
  /** Shows the emoji to the person. True means: both sides show the same. */
  compare(emoji: readonly Emoji[]): Promise<boolean>;
};

export type Member = { user: UserId; membership: 'join' | 'invite' };

export type PostOptions = {
  /** Replaces the relation that would otherwise stand in the clear beside the ciphertext. */
  outerRelation?: Content;
  /** A retry under the same id in the same room is the same event, also after a restart. */
  txn?: string;
};

/**
 * Has something written together with the mark that its event was handled, or not at all. What is handed over throws only where
 * the disk fails; what it begins besides goes on by itself.
 */
export type WithMark = (write: () => void) => void;

export type Matrix = {
  readonly user: UserId;
  readonly device: DeviceId;
  /** Encrypts for the enrolled devices alone and sends. @throws RefusedPlain where the room is not latched encrypted */
  post(room: RoomId, type: string, content: Content, opts?: PostOptions): Promise<EventId>;
  /** Shows `content` in place of an own message. Clients show the latest edit. */
  edit(room: RoomId, event: EventId, content: Content, opts?: Pick<PostOptions, 'txn'>): Promise<EventId>;
  redact(room: RoomId, event: EventId, reason?: string): Promise<void>;
  /** Makes that message the one that is pinned in the room. State is in the clear: the event's id is all that it says. */
  pin(room: RoomId, event: EventId): Promise<void>;
  /** The transaction id under which the bot sent that event, if it was given one. */
  sentAs(event: EventId): string | undefined;
  /** The event that the bot sent under that transaction id, if it did. */
  sentUnder(room: RoomId, txn: string): EventId | undefined;
  /** The text of an encrypted message of the room as it is now: context, no evidence. '' where it can't be read. Never throws. */
  read(room: RoomId, event: EventId): Promise<string>;
  /** Never throws: what is only for comfort must not fail an action. */
  typing(room: RoomId, on: boolean): Promise<void>;
  /** Never throws. */
  readMarker(room: RoomId, event: EventId): Promise<void>;
  /** Encrypts, uploads, and returns the content of an m.file message. @throws MatrixError, M_TOO_LARGE for one */
  uploadEncrypted(
    pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    name: string,
    mime: string,
  ): Promise<Content>;
  /**
   * @param file the `file` block of a received attachment
   * @param most bytes, at most: the homeserver may send without end
   * @throws Error with words for a person, where its hash does not match, it is larger or can't be had
   */
  downloadEncrypted(file: Content, most: number): Promise<Uint8Array>;
  /**
   * A room that only the bot can change: encrypted, invite-only, history from joining. Latched encrypted for ever. The
   * same name is the same room, also where its making was cut off.
   */
  createWorkspaceRoom(o: { name: string; invite: readonly UserId[] }): Promise<RoomId>;
  /** Lets a user in, who reads nothing before a device of theirs is enrolled. */
  invite(room: RoomId, user: UserId): Promise<void>;
  /** Who has joined or is invited, as the server says now. */
  members(room: RoomId): Promise<readonly Member[]>;
  /** The first thing that is not as the bot made it in that room's state now, in words, or undefined. */
  troubleNow(room: RoomId): Promise<string | undefined>;
  /** Has the server state the user's keys now. @throws where it does not answer for that user */
  forceQuery(user: UserId): Promise<void>;
  deviceNow(user: UserId, device: DeviceId): Promise<DeviceNow | undefined>;
  /** All devices of a user that the library knows at this moment. */
  devicesNow(user: UserId): Promise<readonly DeviceNow[]>;
  identityNow(user: UserId): Promise<IdentityNow | undefined>;
  /** True where this ciphertext was never seen under another event id. Durable before it returns. */
  replay(room: RoomId, session: string, index: number, event: EventId): boolean;
  /** Verifies the user in that room, until the operator has `left`. @throws Error with words for the operator */
  pair(room: RoomId, user: UserId, operator: Operator, left?: AbortSignal): Promise<Enrolled>;
};
