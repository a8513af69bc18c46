/** The workspace's room: made so that only the bot can change it, and watched for whatever changes all the same. */
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import type { Seen } from '../proof/seen.ts';
import { oneLine } from '../show/visible.ts';
import type { Content, RoomId, UserId, WireEvent } from '../types.ts';
import type { Client } from './client.ts';

type State = Pick<WireEvent, 'type' | 'state_key' | 'content'>;

/** State that must stand as it was made. Power levels: all but these keys are the server's business. */
const made = (me: UserId): Record<string, Content> => ({
  'm.room.encryption': { algorithm: 'm.megolm.v1.aes-sha2' },
  'm.room.history_visibility': { history_visibility: 'joined' },
  'm.room.guest_access': { guest_access: 'forbidden' },
  'm.room.join_rules': { join_rule: 'invite' },
  'm.room.power_levels': {
    users: { [me]: 100 },
    users_default: 0,
    events: {},
    events_default: 0,
    state_default: 100,
    invite: 100,
    kick: 100,
    ban: 100,
    redact: 100,
  },
});

/** Stands in the room's first event, so that a room whose making was cut off is found again. */
const marker = 'org.pocketcoder.workspace';

async function find(client: Client, me: UserId, name: string): Promise<RoomId | undefined> {
  const { joined_rooms: rooms } = await client.api<{ joined_rooms: RoomId[] }>('GET', '/joined_rooms');
  for (const room of rooms) {
    const create = (await stateOf(client, room)).find((e) => e.type === 'm.room.create');
    if (create?.sender === me && create.content[marker] === name) return room;
  }
  return undefined;
}

async function make(client: Client, me: UserId, name: string): Promise<RoomId> {
  const { 'm.room.power_levels': powers, ...state } = made(me);
  const body = {
    name,
    preset: 'private_chat',
    visibility: 'private',
    room_version: '11',
    creation_content: { 'm.federate': false, [marker]: name },
    power_level_content_override: powers,
    initial_state: Object.entries(state).map(([type, content]) => ({ type, state_key: '', content })),
  };
  try {
    // Not tried again: where only the answer was lost, that would make another room.
    const answer = await client.api<{ room_id: RoomId }>('POST', '/createRoom', { body, patience: -1 });
    return answer.room_id;
  } catch (error) {
    const room = await find(client, me, name);
    if (!room) throw error;
    return room;
  }
}

/**
 * Makes the room and latches it as encrypted, or goes on with the one of that name whose making was cut off.
 * @throws where the server made something else of it: the room is left then, and nothing is said in it
 */
export async function createWorkspaceRoom(
  client: Client,
  seen: Seen,
  me: UserId,
  o: { name: string; invite: readonly UserId[] },
): Promise<RoomId> {
  const room = (await find(client, me, o.name)) ?? (await make(client, me, o.name));
  seen.expect(room, o.invite);
  const state = await stateOf(client, room);
  const wrong = troubleIn(state, me, o.invite);
  if (wrong) {
    await client.leaveRoom(room, 'the room is not as it was asked for');
    throw new Error(`the homeserver made a room in which ${wrong}: it was left and nothing was said in it`);
  }
  seen.latch(room);
  const there = state.filter((e) => ['join', 'invite'].includes(String(e.content['membership'])));
  for (const user of o.invite)
    if (!there.some((e) => e.state_key === user)) await client.inviteUser(user, room);
  return room;
}

const stateOf = (client: Client, room: RoomId): Promise<WireEvent[]> =>
  client.api<WireEvent[]>('GET', `/rooms/${encodeURIComponent(room)}/state`);

/** What one state event changed that it must not, in words, or undefined. */
export function troubleWith(e: State, me: UserId, expected: readonly UserId[]): string | undefined {
  if (e.type === 'm.room.member') {
    // The server may put anything here, objects without a text among it.
    const stated = e.content['membership'];
    const membership = typeof stated === 'string' ? stated : 'knock';
    if (e.state_key === me) return membership === 'join' ? undefined : 'the bot was removed';
    const present = membership === 'join' || membership === 'invite' || membership === 'knock';
    const known = expected.includes(e.state_key as UserId);
    return present && !known
      ? `${oneLine(e.state_key ?? '')}, whom nobody expects, is there (${membership})`
      : undefined;
  }
  if (e.type === 'm.room.tombstone') return 'the room was replaced by another one';
  const want = e.state_key === '' ? made(me)[e.type] : undefined;
  if (!want) return undefined;
  const same = Object.entries(want).every(([key, value]) => isDeepStrictEqual(e.content[key], value));
  return same ? undefined : `${e.type} was changed`;
}

/** The first thing that is off in a room's whole state, or undefined. */
export function troubleIn(
  state: readonly State[],
  me: UserId,
  expected: readonly UserId[],
): string | undefined {
  for (const type of Object.keys(made(me)))
    if (!state.some((e) => e.type === type && e.state_key === '')) return `${type} is gone`;
  for (const e of state) {
    const why = troubleWith(e, me, expected);
    if (why) return why;
  }
  return undefined;
}

/** The first thing that is off in that room now, or undefined. Never throws: a room that can't be looked at is off, too. */
export const troubleNow = (
  client: Client,
  seen: Pick<Seen, 'expected'>,
  me: UserId,
  room: RoomId,
): Promise<string | undefined> =>
  stateOf(client, room).then(
    (state) => troubleIn(state, me, seen.expected(room)),
    (error: unknown) => `its state can't be read (${oneLine(messageOf(error))})`,
  );
