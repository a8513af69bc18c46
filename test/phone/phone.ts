/** A phone for tests and the demo: the Element clients' crypto and sync, without a screen. */
import { setTimeout as pause } from 'node:timers/promises';
import {
  ClientEvent,
  EventStatus,
  type MatrixEvent,
  MatrixEventEvent,
  RoomEvent,
  RoomMemberEvent,
} from 'matrix-js-sdk';
import {
  AllDevicesIsolationMode,
  OnlySignedDevicesIsolationMode,
} from 'matrix-js-sdk/lib/crypto-api/index.js';
import { logIn, openClient, request } from './login.ts';
import type { Content, Phone, PhoneOptions, Shown, Verification } from './types.ts';
import { takeVerifications } from './verify.ts';
import { cardsOf, shown } from './view.ts';

export type { Card, Phone, PhoneOptions, Shown, Verification } from './types.ts';

const pollResponse = 'org.matrix.msc3381.poll.response';

/** Logs in as a new device, follows the account, joins what it is invited to. Ready to use when it resolves. */
export async function createPhone(o: PhoneOptions): Promise<Phone> {
  const account = await logIn(o);
  const { client, crypto, newIdentity, setUp, restore, backUp, readBackup } = await openClient(o, account);
  crypto.setDeviceIsolationMode(
    o.strict ? new OnlySignedDevicesIsolationMode() : new AllDevicesIsolationMode(false),
  );
  const events = new Set<MatrixEvent>();
  const rooms: string[] = [];
  const watching = new Set<() => void>();
  let closed = false;
  const watchers = new Set<(event: Shown) => void>();
  const verifications: Verification[] = [];
  const changed = (): void => {
    for (const look of [...watching]) look();
  };

  const note = (event: MatrixEvent): void => {
    if (!event.isState()) events.add(event);
    changed();
  };
  client.on(RoomEvent.Timeline, note);
  const appeared = (event: MatrixEvent): void => {
    for (const fn of watchers) fn(shown(event));
  };
  client.on(MatrixEventEvent.Decrypted, (event: MatrixEvent) => {
    appeared(event);
    changed();
  });
  client.on(RoomEvent.LocalEchoUpdated, changed);
  const { begin } = takeVerifications(client, (v) => {
    verifications.push(v);
    changed();
  });
  const join = async (room: string): Promise<void> => {
    await client.joinRoom(room);
    if (!rooms.includes(room)) rooms.push(room);
    changed();
  };
  client.on(RoomMemberEvent.Membership, (_, member) => {
    if (member.userId === account.user && member.membership === 'invite') join(member.roomId).catch(() => {});
  });
  const synced = new Promise((resolve) => client.once(ClientEvent.Sync, resolve));
  await client.startClient({ initialSyncLimit: 50 });
  await synced;
  for (const room of client.getRooms())
    if (room.getMyMembership() === 'join') rooms.push(room.roomId);
    else if (room.getMyMembership() === 'invite') await join(room.roomId);

  const room = (): string => {
    const [first] = rooms;
    if (!first) throw new Error(`${account.user} has joined no room yet`);
    return first;
  };
  const roomOf = (event: string): string =>
    [...events].find((e) => e.getId() === event)?.getRoomId() ?? room();
  type Send = (room: string, type: string, content: Content, txn: string) => Promise<{ event_id: string }>;
  async function send(type: string, content: Content, to = room()): Promise<string> {
    const txn = client.makeTxnId();
    let sending = (client.sendEvent as unknown as Send).call(client, to, type, content, txn);
    for (;;)
      try {
        return (await sending).event_id;
      } catch (error) {
        const mine = [...events].filter((e) => e.getTxnId() === txn);
        // The homeserver took it and the answer was lost: it came back as sent, of which the library then makes an error.
        const sent = mine.find(({ status }) => status === null)?.getId();
        if (o.patient && sent?.startsWith('$')) return sent;
        const unsent = mine.find(({ status }) => status === EventStatus.NOT_SENT);
        const where = client.getRoom(to);
        if (!o.patient || !unsent || !where) throw error;
        await pause(200);
        sending = client.resendEvent(unsent, where);
      }
  }
  const relate = (event: string, type: string, content: Content) => send(type, content, roomOf(event));

  const phone: Phone = {
    user: account.user,
    device: account.device,
    token: account.token,
    room,
    rooms: () => rooms,
    setUpCrossSigning: setUp,
    restore,
    backUp,
    readBackup,
    async verification(seconds = 30) {
      return phone.until('emoji to compare', () => verifications.shift(), seconds);
    },
    verify: begin,
    timeline: () => [...events].map(shown),
    watch(fn) {
      watchers.add(fn);
      return () => void watchers.delete(fn);
    },
    cards: () => cardsOf(phone.timeline()),
    until: (what, ask, seconds = 60) =>
      new Promise((resolve, reject) => {
        const late = () =>
          stop(() => reject(new Error(`${what}: not within ${seconds} s on ${account.user}'s phone`)));
        const timer = setTimeout(late, seconds * 1000);
        const stop = (end: () => void): void => {
          clearTimeout(timer);
          watching.delete(look);
          end();
        };
        const look = (): void => {
          try {
            const got = ask(phone);
            if (got !== undefined && got !== false) stop(() => resolve(got));
          } catch (error) {
            stop(() => reject(error));
          }
        };
        watching.add(look);
        look();
      }),
    say: (text, to) => send('m.room.message', { msgtype: 'm.text', body: text }, to),
    reply: (to, text) =>
      relate(to, 'm.room.message', {
        msgtype: 'm.text',
        body: text,
        'm.relates_to': { 'm.in_reply_to': { event_id: to } },
      }),
    tap: (event, key) =>
      relate(event, 'm.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: event, key } }),
    untap: (reaction) => phone.redact(reaction),
    vote: (poll, answers) =>
      relate(poll, pollResponse, {
        'm.relates_to': { rel_type: 'm.reference', event_id: poll },
        [pollResponse]: { answers },
      }),
    edit: (event, text) =>
      relate(event, 'm.room.message', {
        msgtype: 'm.text',
        body: `* ${text}`,
        'm.new_content': { msgtype: 'm.text', body: text },
        'm.relates_to': { rel_type: 'm.replace', event_id: event },
      }),
    async redact(event) {
      await client.redactEvent(roomOf(event), event);
    },
    send,
    hurry: () => void client.retryImmediately(),
    newRoomKey: (of = room()) => crypto.forceDiscardSession(of),
    identityReset: newIdentity,
    secondLogin: () => createPhone(o),
    api: (method, path, body) => request(o.homeserver, account.token, method, path, body),
    async close() {
      if (closed) return;
      closed = true;
      client.stopClient();
      client.removeAllListeners();
      await client.store.destroy();
    },
  };
  return phone;
}
