/** What a homeserver can say about a room: other state, no encryption, other members. In syncs and where it is asked. */
import type { Exchange, Hostile, Sync, WireEvent } from '../../harness/hostile.ts';

type State = Pick<WireEvent, 'type' | 'content'> & { state_key?: string };
/** The state event as it is to be told, or undefined where it is to be left out. */
export type Retell = (event: WireEvent) => WireEvent | undefined;

const isState = (e: unknown): e is WireEvent =>
  typeof e === 'object' && e !== null && 'state_key' in e && 'type' in e;
const retold = (events: unknown[], retell: Retell): unknown[] =>
  events.flatMap((e) => (isState(e) ? (retell(e) ?? []) : [e]));

function inSync(sync: Sync, room: string, retell: Retell): void {
  const joined = sync.rooms?.join?.[room];
  for (const part of [joined?.timeline, joined?.state])
    if (part?.events) part.events = retold(part.events, retell) as WireEvent[];
}

/** `GET /rooms/…/state` is a list, `/members` and `/messages` hold one, `/state/TYPE/KEY` is the content alone. */
function inAnswer(e: Exchange, room: string, retell: Retell): void {
  const path = decodeURIComponent(e.path.split('?')[0] ?? '');
  const [, what = ''] = path.split(`/rooms/${room}/`);
  if (!what || e.method !== 'GET' || e.status !== 200) return;
  const [, type = '', state_key = ''] = /^state\/([^/]+)\/?(.*)$/.exec(what) ?? [];
  if (type) {
    const one = retell({ type, state_key, content: e.response } as unknown as WireEvent);
    if (one) e.response = one.content;
    else Object.assign(e, { status: 404, response: { errcode: 'M_NOT_FOUND', error: 'no such state' } });
  } else if (Array.isArray(e.response)) e.response = retold(e.response, retell);
  else {
    const body = e.response as { chunk?: unknown[] };
    if (Array.isArray(body.chunk)) body.chunk = retold(body.chunk, retell);
  }
}

/** Retells the room's state wherever it is told, until taken back. */
export function rewriteState(hostile: Hostile, room: string, retell: Retell): () => void {
  const ends = [
    hostile.onSync((sync) => inSync(sync, room, retell)),
    hostile.onAnswer((e) => inAnswer(e, room, retell)),
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** The room was never encrypted: the state event is nowhere to be seen. */
export const stripEncryption = (hostile: Hostile, room: string): (() => void) =>
  rewriteState(hostile, room, (e) => (e.type === 'm.room.encryption' ? undefined : e));

/** Hides that this user is there. */
export const hideMember = (hostile: Hostile, room: string, user: string): (() => void) =>
  rewriteState(hostile, room, (e) => (e.type === 'm.room.member' && e.state_key === user ? undefined : e));

/** States something new about the room, as if somebody had sent it. @returns the event's id */
export const stateAnew = (hostile: Hostile, room: string, sender: string, state: State): Promise<string> =>
  hostile.inject(room, { state_key: '', ...state, sender });

/** A member whom only this server knows. @returns the id of the event that says so */
export const addMember = (hostile: Hostile, room: string, user: string): Promise<string> =>
  stateAnew(hostile, room, user, { type: 'm.room.member', state_key: user, content: { membership: 'join' } });
