/** From events on the disk to events handled: decrypted with their evidence, one after another, each once. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Crypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Logger } from 'pino';
import type { Journal, Waiting } from '../matrix/journal.ts';
import {
  type DeviceId,
  type Evidence,
  type RoomId,
  type Taken,
  takenAway,
  type UserId,
  type WireEvent,
} from '../types.ts';
import type { Seen } from './seen.ts';

export type IntakeOptions = {
  crypto: Crypto;
  journal: Journal;
  seen: Pick<Seen, 'replay'>;
  log: Logger;
  signal: AbortSignal;
  /** Whose room keys may be a moment later than their events. */
  mayBeLate(room: RoomId, sender: UserId): boolean;
  /** An encrypted event of one of these is about to be decrypted. */
  onSealed(sender: UserId): void;
  handle(t: Taken): Promise<void>;
  /** Whether an error of `handle` means no more than that a part is down. */
  isDown(error: unknown): boolean;
  /** Tells people that this event was tried in vain and is left. */
  setAside(t: Taken, error: unknown): Promise<void>;
};

const late = { wait: 100, most: 1500 };
const backOff = { first: 250, most: 10_000 };
/** Of an event whose handling fails though no part is down. */
const mostTries = 5;

/**
 * A message's index in its Megolm session, which the library does not tell: version byte 3, then field 0x08 as a
 * varint. (Megolm specification, message format)
 * @throws where it is no Megolm message
 */
export function megolmIndex(ciphertext: string): number {
  const bytes = Buffer.from(ciphertext, 'base64');
  if (bytes[0] !== 3 || bytes[1] !== 8) throw new Error('not a Megolm message');
  let index = 0;
  for (let i = 2, unit = 1; i < 7; i++, unit *= 128) {
    const byte = bytes[i] ?? 128;
    index += (byte & 127) * unit;
    if (byte < 128) return index;
  }
  throw new Error('not a Megolm message');
}

export const isObject = (v: unknown): v is Record<string, unknown> =>
  typeof v === 'object' && v !== null && !Array.isArray(v);

/** Whether it can be written down: what is nested too deep for that is nothing that a client sends. */
export const isShallow = (v: unknown, left = 500): boolean =>
  typeof v !== 'object' || v === null || (left > 0 && Object.values(v).every((e) => isShallow(e, left - 1)));

/** What the server serves may be anything; what is no event is dropped. */
export const wellFormed = (v: unknown): v is WireEvent =>
  isObject(v) &&
  typeof v['event_id'] === 'string' &&
  typeof v['type'] === 'string' &&
  typeof v['sender'] === 'string' &&
  (v['state_key'] === undefined || typeof v['state_key'] === 'string') &&
  isObject(v['content']) &&
  isShallow(v);

function evidenceOf(wire: WireEvent, d: W.DecryptedRoomEvent): Evidence {
  const device = d.senderDevice?.toString() as DeviceId | undefined;
  const forwarder = d.forwarder?.toString() as UserId | undefined;
  const claimedEd25519 = d.senderClaimedEd25519Key;
  const { code } = d.shieldState(true);
  return {
    sender: d.sender.toString() as UserId,
    ...(device && { device }),
    ...(claimedEd25519 && { claimedEd25519 }),
    curve25519: d.senderCurve25519Key,
    ...(forwarder && { forwarder }),
    ...(code !== undefined && { shield: W.ShieldStateCode[code] ?? String(code) }),
    session: String(wire.content['session_id']),
    index: megolmIndex(String(wire.content['ciphertext'])),
  };
}

/** @throws MegolmDecryptionError, or Error where it is opened and holds no event */
async function opened(crypto: Crypto, room: RoomId, wire: WireEvent) {
  const decrypted = await crypto.decrypt(room, { ...wire, room_id: room });
  const { type, content } = JSON.parse(decrypted.event) as { type?: unknown; content?: unknown };
  if (typeof type !== 'string' || !isObject(content)) throw new Error('no event inside');
  return { type, content, evidence: evidenceOf(wire, decrypted) };
}

/** Decrypts one event. Whatever stands in it, the answer is a Taken: `failed` says why nothing came out. */
export async function takeIn(crypto: Crypto, seen: Pick<Seen, 'replay'>, room: RoomId, wire: WireEvent) {
  if (wire.type !== 'm.room.encrypted' || wire.state_key !== undefined)
    return {
      taken: { room, wire, encrypted: false, type: wire.type, content: wire.content },
      missingKey: false,
    };
  const sealed = { room, wire, encrypted: true };
  try {
    const clear = await opened(crypto, room, wire);
    const { type, content, evidence } = clear;
    seen.replay(room, evidence.session, evidence.index, wire.event_id); // the first id it is seen under
    const { 'm.relates_to': outside, ...rest } = wire.content;
    if (type !== 'm.reaction' || outside === undefined)
      return { taken: { ...sealed, type, content, evidence }, missingKey: false };
    // The library puts the clear relation into an event that has none inside: all that a reaction says may be the server's then.
    const alone = await opened(crypto, room, { ...wire, content: rest });
    const inside = 'm.relates_to' in alone.content;
    const reaction = inside ? { ...sealed, ...alone } : { room, wire, encrypted: false, type, content };
    return { taken: reaction, missingKey: false };
  } catch (error) {
    const known = error instanceof W.MegolmDecryptionError;
    const failed = known
      ? `${W.DecryptionErrorCode[error.code]}: ${error.description}`
      : error instanceof Error
        ? error.message
        : String(error);
    const missingKey = known && error.code === W.DecryptionErrorCode.MissingRoomKey;
    return { taken: { ...sealed, type: wire.type, content: {}, failed }, missingKey };
  }
}

/** @returns `kick`, to be called when events were written, and `idle`, which resolves when none is being handled */
export function createIntake(o: IntakeOptions): { kick(): void; idle(): Promise<void> } {
  const { crypto, journal, seen, log, signal } = o;
  let running: Promise<void> | undefined;
  let again = false;

  /** The events up to this one share one wait for keys. */
  let shared = { seq: 0, until: 0 };

  /**
   * A key that comes a sync later than its event is waited for, a little: order matters more than speed here. All that
   * has arrived by now waits together, so that no amount of what nobody can read holds up a tap for longer.
   */
  async function take({ seq, room, wire }: Waiting): Promise<{ taken: Taken; missingKey: boolean }> {
    if (seq > shared.seq) shared = { seq: journal.newest(), until: performance.now() + late.most };
    if (wire.type === 'm.room.encrypted' && o.mayBeLate(room, wire.sender)) o.onSealed(wire.sender);
    for (;;) {
      const { taken, missingKey } = await takeIn(crypto, seen, room, wire);
      if (!missingKey || !o.mayBeLate(room, wire.sender)) return { taken, missingKey: false };
      if (performance.now() > shared.until || journal.kept(seq)) return { taken, missingKey };
      await pause(late.wait, undefined, { signal });
    }
  }

  /** As long as a part is down, for an event that was not handled may be the owner's no; else a few times. */
  async function insist(taken: Taken, work: (t: Taken) => Promise<void>): Promise<void> {
    for (let tries = 1, wait = backOff.first; ; wait = Math.min(wait * 2, backOff.most)) {
      try {
        return await work(taken);
      } catch (error) {
        if (signal.aborted || (!o.isDown(error) && tries++ >= mostTries)) throw error;
        log.error(
          { event: taken.wire.event_id, room: taken.room, err: error },
          'an event waits to be handled',
        );
        await pause(wait, undefined, { signal });
      }
    }
  }

  async function handle(taken: Taken): Promise<void> {
    const unlessStopping = (error: unknown, words: string): void => {
      if (signal.aborted) throw error;
      log.error({ event: taken.wire.event_id, room: taken.room, err: error }, words);
    };
    try {
      await insist(taken, o.handle);
    } catch (error) {
      unlessStopping(error, 'an event was set aside');
      await insist(taken, (t) => o.setAside(t, error)).catch((failed: unknown) =>
        unlessStopping(failed, 'nobody could be told of an event set aside'),
      );
    }
  }

  /** Handled once as what can't be read, and once more if its key comes: that may be at any moment, so it is looked at again. */
  async function keep(next: Waiting): Promise<void> {
    const session = String(next.wire.content['session_id']);
    journal.keep(next, session, Date.now());
    const { missingKey } = await takeIn(crypto, seen, next.room, next.wire);
    if (!missingKey) journal.wake(Date.now(), { room: next.room, session });
  }

  async function one(next: Waiting): Promise<void> {
    const { taken, missingKey } = await take(next);
    const late = journal.kept(next.seq);
    if (!late || !missingKey) await handle(late ? { ...taken, late } : taken);
    if (taken.type === 'm.room.redaction') journal.forget(takenAway(taken));
    if (missingKey) await keep(next);
    else journal.done(next.seq); // lost by a crash right before, it comes again: its decision is then confirmed or no news
  }

  async function drain(): Promise<void> {
    do {
      again = false;
      for (let next = journal.next(); next && !signal.aborted; next = journal.next()) await one(next);
    } while (again && !signal.aborted);
  }

  function kick(): void {
    again = true;
    running ??= drain()
      .catch((error: unknown) => {
        if (!signal.aborted) log.fatal({ err: error }, 'events are no longer handled');
        if (!signal.aborted) throw error; // unhandled: ends the process, which takes up again where it stopped
      })
      .finally(() => {
        running = undefined;
      });
  }
  crypto.machine.registerRoomKeyUpdatedCallback(async (keys) => {
    if (signal.aborted) return;
    const came = keys.map((k) => ({ room: k.roomId.toString(), session: k.sessionId }));
    if (came.filter((key) => journal.wake(Date.now(), key)).length > 0) kick();
  });
  journal.wake(Date.now()); // a crash may have come between a key and this

  return {
    kick,
    idle: async () => void (await running?.catch(() => {})),
  };
}
