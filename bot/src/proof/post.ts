/** The only way out for what the bot says: encrypted for the enrolled devices, or not at all. */
import { randomUUID } from 'node:crypto';
import type { Crypto } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Content, Enrolled, EventId, PostOptions, RoomId } from '../types.ts';
import type { Keys } from './keys.ts';
import { createLock } from './lock.ts';
import type { Seen } from './seen.ts';
import type { Server } from './server.ts';

/** The room was never made encrypted by this bot, so nothing is said in it. */
export class RefusedPlain extends Error {
  constructor(room: RoomId) {
    super(`${room} is not a room that this bot made encrypted: nothing was sent`);
    this.name = 'RefusedPlain';
  }
}

/** It held a secret that belongs elsewhere, so it was not sent. */
export class RefusedLeak extends Error {
  constructor(why: string) {
    super(`nothing was sent: ${why}`);
    this.name = 'RefusedLeak';
  }
}

export type Poster = {
  crypto: Crypto;
  client: Pick<Server, 'sendWire'>;
  keys: Keys;
  seen: Pick<Seen, 'latched'>;
  /** What was sent under a transaction id. */
  journal: {
    sent(room: RoomId, txn: string): EventId | undefined;
    setSent(room: RoomId, txn: string, event: EventId): void;
  };
  recipients(room: RoomId): readonly Enrolled[];
  /** Why this text must not leave, or ''. @param txn id of the event that carries it; '' for what stands in the clear */
  leak(text: string, txn: string): string;
  /** Resolves when there is room to write. */
  space(): Promise<void>;
};

export function createPost({ crypto, client, keys, seen, journal, recipients, leak, space }: Poster) {
  const lock = createLock();

  /** The whole way of one message under the room's lock: key prepared, shared, message encrypted, sent. */
  return (room: RoomId, type: string, content: Content, o: PostOptions = {}): Promise<EventId> =>
    lock(room, async () => {
      if (!seen.latched(room)) throw new RefusedPlain(room);
      const why =
        leak(JSON.stringify(content), o.txn ?? '') || leak(JSON.stringify(o.outerRelation ?? ''), '');
      if (why) throw new RefusedLeak(why);
      await space();
      const txn = o.txn ?? randomUUID();
      const before = o.txn && journal.sent(room, o.txn);
      if (before) return before;
      await keys.prepare([...new Set(recipients(room).map((r) => r.user))]);
      for (const request of await crypto.share(room)) await keys.carry(request);
      const sealed = await crypto.encrypt(room, type, content);
      if (o.outerRelation) sealed['m.relates_to'] = o.outerRelation;
      const event = await client.sendWire(room, 'm.room.encrypted', sealed, txn);
      if (o.txn) journal.setSent(room, o.txn, event);
      return event;
    });
}

/** Content of an edit: clients show `m.new_content` in place of the event's own. */
export const editOf = (event: EventId, content: Content): Content => ({
  ...content,
  ...(typeof content['body'] === 'string' && { body: `* ${content['body']}` }),
  'm.new_content': content,
  'm.relates_to': { rel_type: 'm.replace', event_id: event },
});
