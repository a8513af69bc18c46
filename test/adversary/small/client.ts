/** The bot's requests, answered by the key directory: what it says is kept, what is served stands in the next sync. */
import type { Client } from '../../../bot/src/matrix/client.ts';
import type { Content, RoomId, UserId, WireEvent } from '../../../bot/src/types.ts';
import type { Directory, Who } from './directory.ts';

export type SmallClient = {
  client: Client;
  /** Everything the bot sent into a room, oldest first. */
  sent: WireEvent[];
  /** Puts these events into the next answer to /sync. */
  serve(events: readonly WireEvent[]): void;
};

export function smallClient(directory: Directory, me: Who, room: RoomId): SmallClient {
  const sent: WireEvent[] = [];
  let serving: WireEvent[] = [];
  let syncs = 0;
  const sync = () => ({
    next_batch: String(++syncs),
    to_device: { events: directory.take(me) },
    device_lists: { changed: directory.takeChanged() },
    device_one_time_keys_count: directory.count(me),
    device_unused_fallback_key_types: ['signed_curve25519'],
    rooms: { join: { [room]: { timeline: { events: serving.splice(0) } } } },
  });
  const client = {
    api: async (method: string, path: string, o: { body?: unknown } = {}) =>
      method === 'GET' && path === '/sync' ? sync() : directory.request(me, path, o.body),
    sendToDevice: async (type: string, _: string, messages: object) =>
      directory.sendToDevice(me, type, messages),
    keysOf: async (user: string) => directory.request(me, '/keys/query', { device_keys: { [user]: [] } }),
    async sendWire(_: string, type: string, content: Content, txn: string) {
      const sender = me.user as UserId;
      const event = { type, content, sender, event_id: `$sent-${txn}`, origin_server_ts: Date.now() };
      sent.push(event as WireEvent);
      return event.event_id;
    },
  };
  return {
    client: client as unknown as Client,
    sent,
    serve(events) {
      serving = structuredClone([...events]);
    },
  };
}
