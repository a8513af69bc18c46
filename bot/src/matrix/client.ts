/** matrix-bot-sdk's API calls over our own requests. Its sync loop and its encryption are never started. */
import { randomUUID } from 'node:crypto';
import { LogLevel, LogService, MatrixClient, MatrixError } from 'matrix-bot-sdk';
import type { KeysAnswer, Server } from '../proof/server.ts';
import type { Content, EventId, Member, RoomId, UserId } from '../types.ts';
import type { Http, RequestOptions } from './http.ts';

LogService.setLevel(LogLevel.ERROR);

export class Client extends MatrixClient implements Server {
  readonly #http: Http;
  readonly #token: string;

  constructor(homeserver: string, token: string, http: Http) {
    super(homeserver, token);
    this.#http = http;
    this.#token = token;
  }

  /** One request, answered in JSON. @param path below /_matrix/client/v3 */
  async api<T = Content>(method: string, path: string, o: Omit<RequestOptions, 'token'> = {}): Promise<T> {
    const answer = await this.#http(method, `/_matrix/client/v3${path}`, { ...o, token: this.#token });
    return JSON.parse(answer.bytes.toString('utf8')) as T;
  }

  /** Everything that the SDK itself asks for comes through here. */
  override async doRequest(
    method: string,
    path: string,
    query: Record<string, unknown> | null = null,
    body: unknown = null,
    timeout = 60_000,
    raw = false,
    contentType = 'application/json',
  ): Promise<unknown> {
    const answer = await this.#http(method, path, {
      ...(query && { query }),
      ...(body !== null && { body }),
      contentType,
      timeout: timeout ?? 60_000,
      token: this.#token,
    });
    if (raw) return { body: answer.bytes, headers: Object.fromEntries(answer.headers) };
    return JSON.parse(answer.bytes.toString('utf8'));
  }

  /** Sends an event as it is. The same transaction id is the same event to the server. */
  async sendWire(room: RoomId, type: string, content: Content, txn: string): Promise<EventId> {
    const path = [room, 'send', type, txn].map(encodeURIComponent).join('/');
    const { event_id } = await this.api<{ event_id: EventId }>('PUT', `/rooms/${path}`, { body: content });
    return event_id;
  }

  /** @param url an mxc address @param most bytes, at most @throws MatrixError where there is none, or more */
  async media(url: string, most: number): Promise<Buffer> {
    const [, server, id] = /^mxc:\/\/([^/?#]+)\/([^/?#]+)$/.exec(url) ?? [];
    if (!server || !id) throw new MatrixError({ errcode: 'M_NOT_FOUND', error: 'no mxc address' }, 404);
    const path = `/_matrix/client/v1/media/download/${encodeURIComponent(server)}/${encodeURIComponent(id)}`;
    const o = { timeout: 120_000, patience: 60_000, most, token: this.#token };
    return (await this.#http('GET', path, o)).bytes;
  }

  /** Who has joined or is invited, as the server says now. */
  async members(room: RoomId): Promise<readonly Member[]> {
    const all = await this.getRoomMembers(room, undefined, ['join', 'invite']);
    return all.map((m) => ({
      user: m.membershipFor as UserId,
      membership: m.membership === 'join' ? 'join' : 'invite',
    }));
  }

  /** What is true at this moment alone: a server that is away is not told it later. Never throws. */
  async #passing(method: string, path: readonly string[], body: object): Promise<void> {
    const below = `/rooms/${path.map(encodeURIComponent).join('/')}`;
    await this.api(method, below, { body, patience: 0 }).catch(() => {});
  }
  typing(room: RoomId, me: UserId, on: boolean): Promise<void> {
    return this.#passing(
      'PUT',
      [room, 'typing', me],
      on ? { typing: true, timeout: 30_000 } : { typing: false },
    );
  }
  readMarker(room: RoomId, event: EventId): Promise<void> {
    return this.#passing('POST', [room, 'receipt', 'm.read', event], {});
  }

  /** Wakes the user's devices' encryption sync. Never throws. */
  async nudge(user: UserId): Promise<void> {
    const messages = { [user]: { '*': {} } };
    await this.sendToDevice('org.pocketcoder.nudge', randomUUID(), messages).catch(() => {});
  }

  async sendToDevice(type: string, txn: string, messages: object): Promise<void> {
    const path = `/sendToDevice/${encodeURIComponent(type)}/${encodeURIComponent(txn)}`;
    await this.api('PUT', path, { body: { messages } });
  }

  /** What the server says of a user's keys, not believed by itself. @param patience milliseconds for a server that is down */
  keysOf(user: UserId, patience?: number): Promise<KeysAnswer> {
    const body = { device_keys: { [user]: [] } };
    return this.api('POST', '/keys/query', { body, ...(patience !== undefined && { patience }) });
  }
}
