/**
 * The bot's way from a homeserver's answer to a verdict and from its words to a ciphertext, on its own code and real
 * crypto; around it a key directory in memory and devices of other people. Milliseconds where the rig takes seconds: the
 * attacks that need no more than this are shown here, and what takes a defence out is found here first.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Crypto, openCrypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import pino from 'pino';
import { judge } from '../../../bot/src/approval/gatekeeper.ts';
import { type Card, cardStore } from '../../../bot/src/approval/store.ts';
import type { Gate, Verdict } from '../../../bot/src/approval/verdict.ts';
import type { Person } from '../../../bot/src/approval/view.ts';
import { openDatabase } from '../../../bot/src/database.ts';
import { createInbox } from '../../../bot/src/inbox.ts';
import { openJournal } from '../../../bot/src/matrix/journal.ts';
import { createSync } from '../../../bot/src/matrix/sync.ts';
import { takeIn } from '../../../bot/src/proof/decrypt.ts';
import { ensureIdentity } from '../../../bot/src/proof/identity.ts';
import { createKeys } from '../../../bot/src/proof/keys.ts';
import { createPairing } from '../../../bot/src/proof/pairing.ts';
import { createPost } from '../../../bot/src/proof/post.ts';
import { createReceive } from '../../../bot/src/proof/receive.ts';
import { openSeen } from '../../../bot/src/proof/seen.ts';
import { pollAnswers } from '../../../bot/src/show/card.ts';
import type {
  Content,
  DeviceId,
  Enrolled,
  Matrix,
  PostOptions,
  RoomId,
  Taken,
  UserId,
  WireEvent,
} from '../../../bot/src/types.ts';
import { cardOf } from './answers.ts';
import { smallClient } from './client.ts';
import { type Device, openDevice } from './device.ts';
import { type Directory, keyDirectory } from './directory.ts';
import { type Compare, pairing } from './pair.ts';

export type SmallWorld = {
  directory: Directory;
  room: RoomId;
  botUser: UserId;
  crypto: Crypto;
  gate: Gate;
  enrolled: Person[];
  owner: Device;
  /** Another device; its account need not exist before. */
  device(user: string, device: string): Promise<Device>;
  /** What an operator would enrol for it after comparing. */
  enrolledAs(device: Device): Promise<Person>;
  /** Serves these events to the bot in one sync. @returns its verdict on the last one */
  serve(...events: WireEvent[]): Promise<Verdict>;
  /** Its last verdict on that event. */
  verdict(event: WireEvent): Verdict;
  taken: Taken[];
  /** Users who belong in no room of the bot's. */
  strangers: Set<string>;
  /** Whether room keys may come later than their events. */
  waits: { forKeys: boolean };
  /** Opens a pairing and lets this device take it up. @throws where nobody was enrolled */
  pair(device: Device, compare: Compare): Promise<Enrolled>;
  /** The operator's way to a pairing, step by step. */
  start: ReturnType<typeof createPairing>['start'];
  /** One sync, with these events in the room and what stands in the bot's mailbox. */
  deliver(events: readonly WireEvent[]): Promise<void>;
  /**
   * What any module in place of matrix/ and the inbox could do: hands an event over, as one of that room, in whatever
   * order, however often, though nobody synced it.
   */
  handOver(wire: WireEvent, of?: RoomId): Promise<Verdict>;
  /** The same with what came to the bot's device: all of it, admitted or not, read with as little trust as can be asked for. */
  handKeysOver(): Promise<void>;
  /** Everything the bot sent into the room. */
  sent: readonly WireEvent[];
  /** Lets the bot say something. @returns the event as the homeserver has it */
  say(type: string, content: Content, o?: PostOptions, to?: RoomId): Promise<WireEvent>;
  /** Puts an open card in the store. */
  card(n: number, over?: Partial<Card>): Card;
  stop(): Promise<void>;
};

const room = '!room:x' as RoomId;
const botUser = '@bot:x' as UserId;
const me = { user: botUser, device: 'BOT' as DeviceId };
const ownerUser = '@owner:x' as UserId;

/** One per process: the key store is global. The owner's device is paired and enrolled. */
export async function smallWorld(): Promise<SmallWorld> {
  const dir = mkdtempSync(join(tmpdir(), 'small-'));
  const directory = keyDirectory();
  const enrolled: Person[] = [];
  const { client, sent, serve } = smallClient(directory, me, room);
  const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const panic = (error: Error) => {
    throw error;
  };
  const storeKey = new Uint8Array(32).fill(7);
  const crypto = await openCrypto({ dir, storeKey, ...me, recipients: () => enrolled, panic });
  const db = openDatabase(':memory:');
  const journal = openJournal(db);
  const seen = openSeen(db);
  const keys = createKeys(crypto, client);
  await keys.pump();
  await ensureIdentity({ ...me, stateDir: dir }, crypto, client, keys);
  seen.latch(room);
  const { deviceNow, identityNow, forceQuery } = keys;
  const matrix = { user: botUser, deviceNow, identityNow, forceQuery, replay: seen.replay };
  const gate: Gate = {
    matrix: matrix as unknown as Matrix,
    cards: cardStore(db, pollAnswers),
    people: () => enrolled,
    answeredBy: () => undefined,
    option: () => undefined,
    trouble: () => '',
    now: () => Date.now(),
  };

  const opened: Device[] = [];
  const taken: Taken[] = [];
  const waits = { forKeys: false };
  const strangers = new Set<string>();
  const verdicts = new Map<string, Verdict>();
  const signal = new AbortController().signal;
  const members = async () => opened.map((d) => ({ user: d.user as UserId, membership: 'join' as const }));
  const verification = createPairing({ crypto, client, keys, log, members, nudge: async () => {} });
  const handle = async (t: Taken): Promise<void> => {
    taken.push(t);
    const step = await verification.take(t);
    verdicts.set(t.wire.event_id, step ? { do: 'ignore', why: 'of a verification' } : await judge(t, gate));
  };
  const setAside = async (_: RoomId, __: WireEvent, error: unknown) => {
    throw error;
  };
  const inbox = createInbox({
    ...{ journal, log, signal, setAside },
    ...{ mayBeLate: () => waits.forKeys, onSealed: () => {}, isDown: () => false },
    async open(of, wire) {
      const t = await takeIn(crypto, seen, of, wire);
      return { missingKey: t.missingKey === true, handle: (late) => handle(late ? { ...t, late } : t) };
    },
  });
  crypto.onRoomKeys(inbox.keysCame);
  const onGap = async () => {};
  const space = async () => {};
  const sync = createSync({
    ...{ me: botUser, client, journal, log, signal },
    ...{ onArrivals: inbox.kick, pump: keys.pump, onGap, space },
    receive: createReceive({
      ...{ machine: crypto.machine, admits: verification.admits, advance: verification.advance },
      expects: (user) => !strangers.has(user),
    }),
  });
  const post = createPost({
    crypto,
    client,
    keys,
    seen,
    journal,
    recipients: () => enrolled,
    leak: () => '',
    space,
  });

  async function deliver(events: readonly WireEvent[]): Promise<void> {
    serve(events);
    await sync.catchUp();
    inbox.kick();
    await inbox.idle();
  }

  async function handOver(wire: WireEvent, of: RoomId = room): Promise<Verdict> {
    await handle(await takeIn(crypto, seen, of, wire));
    return verdict(wire);
  }
  async function handKeysOver(): Promise<void> {
    await crypto.machine.receiveSyncChanges(
      JSON.stringify(directory.take(me)),
      new W.DeviceLists(
        directory.takeChanged().map((user) => new W.UserId(user)),
        [],
      ),
      new Map(Object.entries(directory.count(me))),
      new Set(['signed_curve25519']),
      new W.DecryptionSettings(W.TrustRequirement.Untrusted),
    );
    await verification.advance();
    await keys.pump();
  }

  function verdict(event: WireEvent | undefined): Verdict {
    const found = verdicts.get(event?.event_id ?? '');
    if (!found) throw new Error('the bot did not take it in');
    return found;
  }

  async function device(user: string, id: string): Promise<Device> {
    const made = await openDevice(directory, user, id, room);
    opened.push(made);
    return made;
  }
  async function enrolledAs(d: Device): Promise<Person> {
    await keys.track([d.user as UserId]);
    await forceQuery(d.user as UserId);
    const now = await deviceNow(d.user as UserId, d.device as DeviceId);
    const identity = await identityNow(d.user as UserId);
    if (!now || !identity) throw new Error(`the bot knows no ${d.user} ${d.device}`);
    const { ed25519, curve25519 } = now;
    return {
      user: now.user,
      role: 'owner',
      device: now.device,
      ed25519,
      curve25519,
      master: identity.master,
    };
  }

  const owner = await device(ownerUser, 'PHONE');
  await owner.newIdentity();
  const pair = async (other: Device, compare: Compare): Promise<Enrolled> => {
    await other.query(botUser);
    return pairing(verification, { room, sent, deliver }, other, compare);
  };
  enrolled.push({ ...(await pair(owner, { answer: (bots, phones) => bots === phones })), role: 'owner' });

  return {
    directory,
    room,
    botUser,
    crypto,
    gate,
    enrolled,
    owner,
    device,
    enrolledAs,
    taken,
    waits,
    strangers,
    sent,
    pair,
    start: verification.start,
    deliver,
    handOver,
    handKeysOver,
    async serve(...events) {
      await deliver(events);
      return verdict(events.at(-1));
    },
    verdict,
    async say(type, content, o = {}, to = room) {
      await sync.catchUp(); // whose keys changed is known before anything is said
      await post(to, type, content, o);
      const last = sent.at(-1);
      if (!last) throw new Error('nothing was sent');
      return last;
    },
    card(n, over) {
      const card = cardOf(room, n, over);
      gate.cards.add(card);
      return card;
    },
    async stop() {
      await inbox.idle();
      for (const each of opened) each.close();
      crypto.close();
      db.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
