/** The homeserver as what proves is handed it. Nothing that comes from there is believed. */
import type { Content, EventId, RoomId, UserId } from '../types.ts';

export type Server = {
  /** One request, answered in JSON. @param path below /_matrix/client/v3 */
  api<T = Content>(
    method: string,
    path: string,
    o?: { query?: Record<string, unknown>; body?: unknown },
  ): Promise<T>;
  /** Sends an event as it is. The same transaction id is the same event to the server. */
  sendWire(room: RoomId, type: string, content: Content, txn: string): Promise<EventId>;
  sendToDevice(type: string, txn: string, messages: object): Promise<void>;
  /** What the server says of a user's keys. @param patience milliseconds for a server that is down */
  keysOf(user: UserId, patience?: number): Promise<KeysAnswer>;
};

type DeviceKeys = {
  keys?: Record<string, string>;
  signatures?: Record<string, Record<string, string>>;
};
export type KeysAnswer = {
  device_keys?: Record<string, Record<string, DeviceKeys>>;
  master_keys?: Record<string, { keys: Record<string, string> }>;
  self_signing_keys?: Record<string, { keys: Record<string, string> }>;
};
