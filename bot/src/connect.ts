/** The bot on the homeserver: one login, one identity, every event once, nothing said in the clear. */
import { openCrypto } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Logger } from 'pino';
import type { Database } from './database.ts';
import { createInbox, type InboxOptions } from './inbox.ts';
import { Client } from './matrix/client.ts';
import { createHttp } from './matrix/http.ts';
import { openJournal } from './matrix/journal.ts';
import { fetchMedia } from './matrix/media.ts';
import { createWorkspaceRoom, troubleNow, troubleWith } from './matrix/room.ts';
import { endOtherDevices, openSession } from './matrix/session.ts';
import { createSync, type SyncOptions } from './matrix/sync.ts';
import { openAttachment, sealAttachment } from './proof/attachment.ts';
import { takeIn } from './proof/decrypt.ts';
import { createEarly } from './proof/early.ts';
import { ensureIdentity } from './proof/identity.ts';
import { createKeys } from './proof/keys.ts';
import { createPairing } from './proof/pairing.ts';
import { createPost, editOf } from './proof/post.ts';
import { readEvent } from './proof/read.ts';
import { createReceive } from './proof/receive.ts';
import { saidSince, savedIn } from './proof/saved.ts';
import { openSeen } from './proof/seen.ts';
import { storeKeyIn } from './proof/store-key.ts';
import { makeSpace } from './space.ts';
import type { Content, Enrolled, Matrix, RoomId, Taken, UserId, WithMark } from './types.ts';

export type MatrixOptions = {
  homeserver: string;
  serverName: string;
  /** Localpart or whole user id of the bot's account. */
  user: string;
  password: string;
  /** Folder for session and keys. */
  stateDir: string;
  /** Of what comes and goes. */
  db: Database;
  /** Of what decides. */
  deciding: Database;
  log: Logger;
  /** Who may read that room: the enrolled devices, from the ledger. Asked at every message. */
  recipients(room: RoomId): readonly Enrolled[];
  /** Why a text must not leave in the event with that transaction id, or ''. Asked at every message. */
  leak(text: string, txn: string): string;
};

/** Who deals with what comes. */
export type MatrixHandlers = Pick<InboxOptions, 'isDown' | 'setAside'> &
  Pick<SyncOptions, 'onGap'> & {
    /**
     * Takes each event once, in order, also after a crash: an event counts as taken when the promise resolves, so one
     * that was cut off comes again. Where it rejects, the same event is tried again and the others wait: as long as a
     * part is down, else a few times.
     */
    intake(t: Taken, withMark: WithMark): Promise<void>;
    /** Something in a room of the bot's is not as the bot made it. Told again after a restart while it is so. */
    onTrouble(room: RoomId, why: string): void;
    /** The homeserver stated keys anew: identities may have changed. */
    onKeys(): void;
  };

export type Connection = Matrix & {
  /** Whether the homeserver answers. */
  state(): 'up' | 'down';
  /** How many events were taken in and are not handled yet. */
  waiting(): number;
  /** Where it was restored from a backup: what this bot said in each room after it, as far as that can be read. */
  readonly saidSince: ReadonlyMap<RoomId, readonly Content[]>;
  /** Begins to take events in. Resolves when what the homeserver had by then is on the disk. Once. */
  run(handlers: MatrixHandlers): Promise<void>;
  /** Ends that; resolves when nothing is being handled any more. */
  stop(): Promise<void>;
};

/**
 * Signs in and makes sure of the bot's identity; nothing is taken in yet. Waits as long as the homeserver is down.
 * @throws where the password is wrong, or the account belongs to another state directory
 */
export async function openMatrix(o: MatrixOptions): Promise<Connection> {
  const { log, stateDir, db, leak } = o;
  const stopping = new AbortController();
  const { signal } = stopping;
  const space = makeSpace(stateDir, log, signal);
  let state: 'up' | 'down' = 'up';
  const http = createHttp({
    base: o.homeserver,
    signal,
    onState(now, why) {
      state = now;
      log.warn({ why }, `homeserver ${now}`);
    },
  });
  const saved = savedIn(stateDir);
  const login = { ...o, http, saved };
  const storeKey = storeKeyIn(stateDir);
  const { user, device, token } = await openSession(login);
  const client = new Client(o.homeserver, token, http);
  const die = (error: unknown): void => {
    log.fatal({ err: error }, 'the bot cannot go on');
    process.exit(1);
  };
  const recipients = (room: string) => o.recipients(room as RoomId);
  const crypto = await openCrypto({ dir: stateDir, storeKey, user, device, recipients, panic: die });
  const journal = openJournal(db);
  const seen = openSeen(o.deciding);
  const keys = createKeys(crypto, client);
  const identity = await ensureIdentity({ user, device, stateDir }, crypto, client, keys, saved);
  log.info({ user, device, identity }, 'connected');
  const said = new Map<RoomId, readonly Content[]>();
  if (saved) {
    await endOtherDevices(login, client, device);
    await keys.track([...new Set(seen.rooms().flatMap(seen.expected))]);
    for (const room of seen.rooms())
      said.set(room, await saidSince(stateDir, client, journal.token(), { user, device }, room));
  }
  const early = createEarly(keys.forceQuery);
  const pairing = createPairing({
    ...{ crypto, client, keys, log },
    members: (room) => client.members(room),
    nudge: (who) => client.nudge(who),
  });
  const post = createPost({ crypto, client, keys, seen, journal, recipients: o.recipients, leak, space });
  const mayBeLate = (room: RoomId, sender: UserId) => o.recipients(room).some((r) => r.user === sender);
  let running: Promise<void> = Promise.resolve();

  async function run({ intake, onTrouble, onKeys, onGap, isDown, setAside }: MatrixHandlers): Promise<void> {
    keys.onStated(onKeys);
    async function handle(t: Taken, withMark: WithMark): Promise<void> {
      const isState = t.wire.state_key !== undefined && seen.latched(t.room);
      const why = isState && troubleWith(t.wire, user, seen.expected(t.room));
      if (why) onTrouble(t.room, why);
      try {
        if (!(await pairing.take(t))) await intake(t, withMark);
      } finally {
        early.over();
      }
    }
    const inbox = createInbox({
      ...{ journal, log, signal, mayBeLate, isDown, setAside, onSealed: early.begin },
      async open(room, wire) {
        const t = await takeIn(crypto, seen, room, wire);
        return {
          missingKey: t.missingKey === true,
          handle: (late, withMark) => handle(late ? { ...t, late } : t, withMark),
        };
      },
    });
    crypto.onRoomKeys(inbox.keysCame);
    const { machine } = crypto;
    const expects = (of: string): boolean =>
      of === user || seen.rooms().some((room) => seen.expected(room).includes(of as UserId));
    const receive = createReceive({ machine, expects, admits: pairing.admits, advance: pairing.advance });
    const sync = createSync({
      ...{ me: user, client, journal, log, signal, space, onGap },
      ...{ onArrivals: inbox.kick, pump: keys.pump, receive },
    });
    for (const room of seen.rooms()) {
      const why = await troubleNow(client, seen, user, room);
      if (why) onTrouble(room, why);
    }
    await sync.catchUp();
    inbox.kick();
    running = sync.follow().catch(die).then(inbox.idle);
  }

  return {
    user,
    device,
    state: () => state,
    waiting: journal.waiting,
    saidSince: said,
    run,
    post,
    edit: (room, event, content, opts) => post(room, 'm.room.message', editOf(event, content), opts),
    async redact(room, event, reason) {
      await client.redactEvent(room, event, reason ?? null);
    },
    async pin(room, event) {
      await client.sendStateEvent(room, 'm.room.pinned_events', '', { pinned: [event] });
    },
    sentAs: journal.sentAs,
    sentUnder: journal.sent,
    read: (room, event) => readEvent(crypto.decrypt, client, room, event),
    typing: (room, on) => client.typing(room, user, on),
    readMarker: (room, event) => client.readMarker(room, event),
    uploadEncrypted: (pieces, name, mime) =>
      sealAttachment((sealed) => client.uploadContent(sealed), pieces, name, mime),
    downloadEncrypted: (file, most) => openAttachment(file, (url) => fetchMedia(client, url, most)),
    async createWorkspaceRoom(wish) {
      const room = await createWorkspaceRoom(client, seen, user, wish);
      await keys.track(wish.invite);
      return room;
    },
    async invite(room, user) {
      seen.expect(room, [user]);
      await client.inviteUser(user, room);
      await keys.track([user]);
    },
    members: (room) => client.members(room),
    troubleNow: (room) => troubleNow(client, seen, user, room),
    forceQuery: early.forceQuery,
    deviceNow: keys.deviceNow,
    devicesNow: keys.devicesNow,
    identityNow: keys.identityNow,
    replay: seen.replay,
    pair: pairing.start,
    async stop() {
      stopping.abort();
      await running;
      crypto.close();
    },
  };
}
