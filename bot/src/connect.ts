/** The bot on the homeserver: one login, one identity, every event once, nothing said in the clear. */
import { randomUUID } from 'node:crypto';
import { openCrypto } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { Database } from './database.ts';
import { createInbox, type Opened } from './inbox.ts';
import { Client } from './matrix/client.ts';
import { createHttp } from './matrix/http.ts';
import { openJournal } from './matrix/journal.ts';
import { downloadEncrypted, uploadEncrypted } from './matrix/media.ts';
import { readEvent } from './matrix/read.ts';
import { createWorkspaceRoom, stateOf, troubleIn, troubleWith } from './matrix/room.ts';
import { openSession } from './matrix/session.ts';
import { createSync } from './matrix/sync.ts';
import { takeIn } from './proof/decrypt.ts';
import { ensureIdentity } from './proof/identity.ts';
import { createKeys } from './proof/keys.ts';
import { createPairing } from './proof/pairing.ts';
import { createPost, editOf } from './proof/post.ts';
import { endOtherDevices, saidSince, savedIn } from './proof/saved.ts';
import { openSeen } from './proof/seen.ts';
import { oneLine } from './show/visible.ts';
import { makeSpace } from './space.ts';
import type { Content, Enrolled, Matrix, Member, RoomId, Taken, UserId, WireEvent } from './types.ts';

export type MatrixOptions = {
  homeserver: string;
  serverName: string;
  /** Localpart or whole user id of the bot's account. */
  user: string;
  password: string;
  /** Folder for session and keys. */
  stateDir: string;
  db: Database;
  log: Logger;
  /** Who may read that room: the enrolled devices, from the ledger. Asked at every message. */
  recipients(room: RoomId): readonly Enrolled[];
  /** Why a text must not leave in the event with that transaction id, or ''. Asked at every message. */
  leak(text: string, txn: string): string;
  /**
   * Takes each event once, in order, also after a crash: an event counts as taken when the promise resolves, so one
   * that was cut off comes again. Where it rejects, the same event is tried again and the others wait: as long as a
   * part is down, else a few times.
   */
  intake(t: Taken): Promise<void>;
  /** Whether an error of `intake` means no more than that a part is down, and the event is to wait for it. */
  isDown(error: unknown): boolean;
  /** This event was tried in vain and is left: whatever it asked for was not done. The others wait for this, too. */
  setAside(room: RoomId, wire: WireEvent, error: unknown): Promise<void>;
  onState?(state: 'up' | 'down', why?: string): void;
  /** Events of that room are missing and can't be had. Told until it resolves, also after a restart. */
  onGap(room: RoomId, why: string): Promise<void>;
  /** Something in a room of the bot's is not as the bot made it. Told again after a restart while it is so. */
  onTrouble?(room: RoomId, why: string): void;
  /** The homeserver stated keys anew: identities may have changed. */
  onKeys?(): void;
  /** After a restore, before anything is taken in: what this bot said in that room after the backup, as far as it can be read. */
  onRestored?(room: RoomId, said: readonly Content[]): Promise<void>;
};

/**
 * Connects and begins to take events in. Waits as long as the homeserver is down.
 * @throws where the password is wrong, or the account belongs to another state directory
 */
export async function connectMatrix(o: MatrixOptions): Promise<Matrix> {
  const { log, stateDir } = o;
  const stopping = new AbortController();
  const { signal } = stopping;
  const space = makeSpace(stateDir, log, signal);
  const http = createHttp({
    base: o.homeserver,
    signal,
    onState(state, why) {
      log.warn({ state, why }, 'homeserver');
      o.onState?.(state, why);
    },
  });
  const saved = savedIn(stateDir);
  const login = { ...o, http, saved };
  const { user, device, token, storeKey } = await openSession(login);
  const client = new Client(o.homeserver, token, http);
  const die = (error: unknown): void => {
    log.fatal({ err: error }, 'the bot cannot go on');
    process.exit(1);
  };
  const recipients = (room: string) => o.recipients(room as RoomId);
  const crypto = await openCrypto({ dir: stateDir, storeKey, user, device, recipients, panic: die });
  const journal = openJournal(o.db);
  const seen = openSeen(o.db);
  const keys = createKeys(crypto, client, () => o.onKeys?.());
  const identity = await ensureIdentity({ user, device, stateDir }, crypto, client, keys, saved);
  log.info({ user, device, identity }, 'connected');
  if (saved) {
    await endOtherDevices(login, client, device);
    await keys.track([...new Set(seen.rooms().flatMap(seen.expected))]);
    for (const room of seen.rooms())
      await o.onRestored?.(room, await saidSince(stateDir, client, journal, { user, device }, room));
  }

  async function members(room: RoomId): Promise<readonly Member[]> {
    const all = await client.getRoomMembers(room, undefined, ['join', 'invite']);
    return all.map((m) => ({
      user: m.membershipFor as UserId,
      membership: m.membership === 'join' ? 'join' : 'invite',
    }));
  }
  /** What is true at this moment alone: a server that is away is not told it later. */
  const passing = (method: string, path: readonly string[], body: object): Promise<void> =>
    client.api(method, `/rooms/${path.map(encodeURIComponent).join('/')}`, { body, patience: 0 }).then(
      () => {},
      () => {},
    );
  const nudge = (who: UserId): Promise<void> =>
    client.sendToDevice('org.pocketcoder.nudge', randomUUID(), { [who]: { '*': {} } }).catch(() => {});
  const pairing = createPairing({ crypto, client, keys, log, members, nudge });
  const post = createPost({
    crypto,
    client,
    keys,
    seen,
    journal,
    recipients: o.recipients,
    leak: o.leak,
    space,
  });

  /**
   * A query forced for the event that is being handled: begun once its ciphertext had come, answered while that is
   * decrypted. It serves that event alone, and one at a time is under way, however much comes.
   */
  let early: { user: UserId; answer: Promise<void> } | undefined;
  let asking = false;
  function onSealed(user: UserId): void {
    if (asking) return;
    asking = true;
    const answer = keys.forceQuery(user);
    early = { user, answer };
    const over = (): void => {
      asking = false;
    };
    answer.then(over, over);
  }
  function forceQuery(user: UserId): Promise<void> {
    const answer = early?.user === user ? early.answer : keys.forceQuery(user);
    early = undefined;
    return answer;
  }

  async function handle(t: Taken): Promise<void> {
    if (t.wire.state_key !== undefined && seen.latched(t.room)) {
      const why = troubleWith(t.wire, user, seen.expected(t.room));
      if (why) o.onTrouble?.(t.room, why);
    }
    try {
      if (!(await pairing.take(t))) await o.intake(t);
    } finally {
      early = undefined;
    }
  }
  const mayBeLate = (room: RoomId, sender: UserId) => o.recipients(room).some((r) => r.user === sender);
  async function open(room: RoomId, wire: WireEvent): Promise<Opened> {
    const t = await takeIn(crypto, seen, room, wire);
    return { missingKey: t.missingKey === true, handle: (late) => handle(late ? { ...t, late } : t) };
  }
  const { isDown, setAside } = o;
  const inbox = createInbox({ ...{ journal, log, signal, open, mayBeLate, onSealed }, isDown, setAside });
  crypto.onRoomKeys(inbox.keysCame);
  const sync = createSync({
    me: user,
    client,
    crypto,
    journal,
    log,
    signal,
    onArrivals: inbox.kick,
    space,
    pump: keys.pump,
    admits: pairing.admits,
    advance: pairing.advance,
    onGap: o.onGap,
  });

  const troubleNow = (room: RoomId): Promise<string | undefined> =>
    stateOf(client, room).then(
      (state) => troubleIn(state, user, seen.expected(room)),
      (error: unknown) => `its state can't be read (${oneLine(messageOf(error))})`,
    );
  for (const room of seen.rooms()) {
    const why = await troubleNow(room);
    if (why) o.onTrouble?.(room, why);
  }
  await sync.catchUp();
  inbox.kick();
  o.onState?.('up');
  const following = sync.follow().catch(die);

  return {
    user,
    device,
    post,
    edit: (room, event, content, opts) => post(room, 'm.room.message', editOf(event, content), opts),
    async redact(room, event, reason) {
      await client.redactEvent(room, event, reason ?? null);
    },
    sentAs: journal.sentAs,
    read: (room, event) => readEvent(crypto, client, room, event),
    typing: (room, on) =>
      passing('PUT', [room, 'typing', user], on ? { typing: true, timeout: 30_000 } : { typing: false }),
    readMarker: (room, event) => passing('POST', [room, 'receipt', 'm.read', event], {}),
    uploadEncrypted: (pieces, name, mime) => uploadEncrypted(client, pieces, name, mime),
    downloadEncrypted: (file, most) => downloadEncrypted(client, file, most),
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
    members,
    troubleNow,
    forceQuery,
    deviceNow: keys.deviceNow,
    devicesNow: keys.devicesNow,
    identityNow: keys.identityNow,
    replay: seen.replay,
    pair: pairing.start,
    nudge,
    async stop() {
      stopping.abort();
      await following;
      await inbox.idle();
      crypto.close();
    },
  };
}
