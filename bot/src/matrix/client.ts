/** What the bot asks the homeserver for, over its requests. (Client-server API v1.18) */
import { randomUUID } from 'node:crypto';
import type { KeysAnswer } from '../proof/server.ts';
import type { Content, EventId, Member, RoomId, UserId } from '../types.ts';
import { type Http, MatrixError, type RequestOptions } from './http.ts';
import { wellFormed } from './wire.ts';

export type Client = ReturnType<typeof createClient>;

const path = (...parts: readonly string[]): string => `/${parts.map(encodeURIComponent).join('/')}`;

export function createClient(http: Http, token: string) {
  async function request<T>(method: string, whole: string, o: Omit<RequestOptions, 'token'>): Promise<T> {
    const answer = await http(method, whole, { ...o, token });
    return JSON.parse(answer.bytes.toString('utf8')) as T;
  }
  /** One request, answered in JSON. @param below /_matrix/client/v3 */
  const api = <T = Content>(method: string, below: string, o: Omit<RequestOptions, 'token'> = {}) =>
    request<T>(method, `/_matrix/client/v3${below}`, o);
  /** What is true at this moment alone: a server that is away is not told it later. Never throws. */
  const passing = (method: string, below: string, body: object): Promise<void> =>
    api(method, below, { body, patience: 0 }).then(
      () => {},
      () => {},
    );
  async function sendToDevice(type: string, txn: string, messages: object): Promise<void> {
    await api('PUT', path('sendToDevice', type, txn), { body: { messages } });
  }

  return {
    api,
    sendToDevice,
    /** Sends an event as it is. The same transaction id is the same event to the server. */
    async sendWire(room: RoomId, type: string, body: Content, txn: string): Promise<EventId> {
      const sent = await api<{ event_id: EventId }>('PUT', path('rooms', room, 'send', type, txn), { body });
      return sent.event_id;
    },
    async redact(room: RoomId, event: EventId, reason = ''): Promise<void> {
      await api('PUT', path('rooms', room, 'redact', event, randomUUID()), { body: { reason } });
    },
    async invite(room: RoomId, user_id: UserId): Promise<void> {
      await api('POST', path('rooms', room, 'invite'), { body: { user_id } });
    },
    async leave(room: RoomId, reason: string): Promise<void> {
      await api('POST', path('rooms', room, 'leave'), { body: { reason } });
    },
    /** Who has joined or is invited, as the server says now. */
    async members(room: RoomId): Promise<readonly Member[]> {
      const { chunk } = await api<{ chunk?: unknown[] }>('GET', path('rooms', room, 'members'));
      return (chunk ?? []).filter(wellFormed).flatMap(({ state_key, content: { membership } }) => {
        const there = membership === 'join' || membership === 'invite';
        return there ? [{ user: state_key as UserId, membership }] : [];
      });
    },
    typing: (room: RoomId, me: UserId, on: boolean): Promise<void> =>
      passing(
        'PUT',
        path('rooms', room, 'typing', me),
        on ? { typing: true, timeout: 30_000 } : { typing: false },
      ),
    readMarker: (room: RoomId, event: EventId): Promise<void> =>
      passing('POST', path('rooms', room, 'receipt', 'm.read', event), {}),
    /** Wakes the user's devices' encryption sync. Never throws. */
    nudge: (user: UserId): Promise<void> =>
      sendToDevice('org.pocketcoder.nudge', randomUUID(), { [user]: { '*': {} } }).catch(() => {}),
    /** @returns its mxc address @throws MatrixError, M_TOO_LARGE for one */
    async upload(body: Uint8Array): Promise<string> {
      const o = { body, contentType: 'application/octet-stream', timeout: 60_000 };
      return (await request<{ content_uri: string }>('POST', '/_matrix/media/v3/upload', o)).content_uri;
    },
    /** @param url an mxc address @param most bytes, at most @throws MatrixError where there is none, or more */
    async media(url: string, most: number): Promise<Buffer> {
      const [, server, id] = /^mxc:\/\/([^/?#]+)\/([^/?#]+)$/.exec(url) ?? [];
      if (!server || !id) throw new MatrixError({ errcode: 'M_NOT_FOUND', error: 'no mxc address' }, 404);
      const o = { timeout: 120_000, patience: 60_000, most, token };
      return (await http('GET', `/_matrix/client/v1/media/download${path(server, id)}`, o)).bytes;
    },
    /** What the server says of a user's keys, not believed by itself. @param patience milliseconds for a server that is down */
    keysOf(user: UserId, patience?: number): Promise<KeysAnswer> {
      const body = { device_keys: { [user]: [] } };
      return api('POST', '/keys/query', { body, ...(patience !== undefined && { patience }) });
    },
  };
}
