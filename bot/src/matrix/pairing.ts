/**
 * Verification, open while an operator waits for it: started by the bot in the room, because the phone hides the button in
 * a direct chat, or by the phone's own to-device messages. By emoji (SAS), or by a code that the phone scans.
 */
import { randomUUID } from 'node:crypto';
import { type Crypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Logger } from 'pino';
import type { Client } from './client.ts';
import { isObject } from './intake.ts';
import type { Keys } from './keys.ts';
import { masterOf } from './keys.ts';
import { createLock } from './lock.ts';
import type {
  AskEmoji,
  Content,
  DeviceId,
  Enrolled,
  Member,
  RoomId,
  ShowCode,
  Taken,
  UserId,
} from './types.ts';

export type PairingOptions = {
  crypto: Crypto;
  client: Client;
  keys: Keys;
  log: Logger;
  members(room: RoomId): Promise<readonly Member[]>;
  /** Makes the user's phone look for keys now instead of in half a minute. */
  nudge(user: UserId): Promise<void>;
};
type Flow = {
  room: RoomId;
  user: UserId;
  ask: AskEmoji;
  /** Absent: no code is offered. */
  code: ShowCode | undefined;
  /** The request's id: an event once it stands in the room, or what the phone chose for its own. */
  begun: Promise<string>;
  /** Begun by the phone itself. */
  phones: boolean;
  /** The library forgets it when it is done. */
  running?: W.Sas | W.Qr;
  /** The phone's keys when the verification took it up: those that the emoji or the code stand for. */
  known?: Enrolled;
  asked: boolean;
  done(device: Enrolled): void;
  fail(error: Error): void;
};

/** Minutes for a person to take up the phone and compare. */
const patience = 5;
const nudges = { every: 500, most: 12 };
const keyNames = ['master', 'ed25519', 'curve25519'] as const;
const nothing = 'Nothing was verified and nobody enrolled';
const steps = 'm.key.verification.';

export function createPairing({ crypto, client, keys, log, members, nudge }: PairingOptions) {
  const { machine } = crypto;
  const lock = createLock();
  let flow: Flow | undefined;

  const send = (r: W.OutgoingVerificationRequest | undefined) =>
    r ? keys.carry(r as W.RoomMessageRequest) : undefined;

  const requestOf = async (f: Flow) => machine.getVerificationRequest(new W.UserId(f.user), await f.begun);
  const methods = (code: unknown): W.VerificationMethod[] => {
    const { SasV1, QrCodeShowV1, ReciprocateV1 } = W.VerificationMethod;
    return code ? [SasV1, QrCodeShowV1, ReciprocateV1] : [SasV1];
  };

  /** A code holds the keys of persons, not of devices: it can stand for a device only where there is no other one. */
  async function isOnly(user: UserId, device: string): Promise<boolean> {
    const signed = (await keys.devicesNow(user)).filter((d) => d.crossSigned && !d.dehydrated);
    return signed.length === 1 && signed[0]?.device === device;
  }

  /** The phone trusts us only after its own encryption sync came round: keep it awake for some seconds. */
  function keepAwake(user: UserId, left = nudges.most): void {
    if (left > 0)
      setTimeout(() => void nudge(user).then(() => keepAwake(user, left - 1)), nudges.every).unref();
  }

  async function begin(room: RoomId, user: UserId, code: unknown): Promise<string> {
    const there = await members(room);
    if (!there.some((m) => m.user === user && m.membership === 'join'))
      throw new Error(
        `${user} has not joined the room yet: open Element, accept the invitation, then pair again. ${nothing}.`,
      );
    await machine.updateTrackedUsers([new W.UserId(user)]);
    await keys.forceQuery(user);
    const identity = await machine.getIdentity(new W.UserId(user));
    if (!(identity instanceof W.OtherUserIdentity))
      throw new Error(
        `${user} has no cross-signing identity yet: open Element, let it set up encryption ` +
          `(Settings, Encryption), then pair again. ${nothing}.`,
      );
    const content = JSON.parse(identity.verificationRequestContent(methods(code))) as Content;
    const event = await client.sendWire(room, 'm.room.message', content, randomUUID());
    return identity.requestVerification(new W.RoomId(room), new W.EventId(event), methods(code)).flowId;
  }

  async function finish(f: Flow, running: W.Sas | W.Qr): Promise<void> {
    await keys.pump();
    await keys.forceQuery(f.user); // our signature counts only once the server has shown it back
    const device = running.otherDeviceId.toString() as DeviceId;
    const identity = await machine.getIdentity(new W.UserId(f.user));
    const now = await keys.deviceNow(f.user, device);
    if (!identity?.isVerified() || !now?.crossSigned)
      throw new Error(
        `it was confirmed, but ${f.user} is not shown as verified: pair again. Nobody was enrolled.`,
      );
    const found = { ...now, master: masterOf(identity.masterKey) };
    const { known } = f;
    const same = known && keyNames.every((name) => found[name] === known[name]);
    if (!same || (running instanceof W.Qr && !(await isOnly(f.user, device))))
      throw new Error(
        `the keys of ${device} or beside it changed meanwhile, perhaps by somebody else’s hand: look at the devices of that ` +
          'account before you pair again. Nobody was enrolled.',
      );
    await crypto.renew(f.room); // what was said before stays closed to the new device
    f.done(known);
    keepAwake(f.user);
  }

  async function isRight(f: Flow, running: W.Sas | W.Qr): Promise<boolean> {
    if (running instanceof W.Qr)
      return f.code?.scanned(running.otherDeviceId.toString() as DeviceId) ?? false;
    const emoji = (running.emoji() ?? []).map((e) => ({ symbol: e.symbol, name: e.description }));
    return emoji.length === 7 && f.ask(emoji);
  }

  async function compare(f: Flow, running: W.Sas | W.Qr): Promise<void> {
    const right = await isRight(f, running).catch(() => false);
    await lock('step', async () => {
      if (flow !== f) return;
      const byEmoji = running instanceof W.Sas;
      if (!right) {
        await send(running.cancelWithCode(byEmoji ? 'm.mismatched_sas' : 'm.user'));
        throw new Error(`the ${byEmoji ? 'emoji were' : 'scan was'} not confirmed. ${nothing}.`);
      }
      for (const request of byEmoji ? await running.confirm() : [running.confirmScanning()])
        await send(request);
      await keys.pump();
    });
    await step(f);
  }

  const step = (f: Flow): Promise<void> =>
    lock('step', async () => {
      const request = await requestOf(f);
      if (flow !== f) return;
      // The machine forgets a request as soon as it is done, perhaps before this looks: what ran still knows.
      const reason = request?.cancelInfo ?? f.running?.cancelInfo();
      if (reason) throw new Error(`the phone ended the verification (${reason.reason()}). ${nothing}.`);
      if (request?.phase() === W.VerificationRequestPhase.Requested)
        await send(request.acceptWithMethods(methods(f.code)));
      const { running } = f;
      if (!running) return;
      if (running instanceof W.Sas && !running.hasBeenAccepted()) await send(running.accept());
      const ready = running instanceof W.Sas ? running.canBePresented() : running.hasBeenScanned();
      if (ready && !f.asked) {
        f.asked = true;
        compare(f, running).catch(f.fail);
      }
      if (running.isDone()) await finish(f, running);
    });

  /** Anybody with the owner's token, or the server, can send what is no step: that must not end the flow. */
  async function feed(t: Taken): Promise<void> {
    const event = { ...t.wire, type: t.type, content: t.content, room_id: t.room };
    try {
      await machine.receiveVerificationEvent(JSON.stringify(event), new W.RoomId(t.room));
    } catch (error) {
      log.warn({ event: t.wire.event_id, err: error }, 'no step of a verification');
    }
  }

  /** Before any newer keys are asked for: the library compares by those it has when the phone begins, or when it makes a code. */
  async function remember(f: Flow): Promise<void> {
    const request = await requestOf(f);
    const running = request?.getVerification();
    const begins = running instanceof W.Sas && !(f.running instanceof W.Sas);
    const scans =
      f.code &&
      request?.isReady() &&
      request.theirSupportedMethods?.includes(W.VerificationMethod.QrCodeScanV1);
    if (!request || !(begins || scans)) return;
    const device = (running ?? request).otherDeviceId?.toString() as DeviceId;
    if (scans && !(await isOnly(f.user, device))) return;
    const identity = await machine.getIdentity(new W.UserId(f.user));
    const now = await keys.deviceNow(f.user, device);
    if (!identity || !now) throw new Error(`the keys of ${device} are not known. ${nothing}.`);
    const { ed25519, curve25519 } = now;
    f.known = { user: f.user, master: masterOf(identity.masterKey), device, ed25519, curve25519 };
    f.running = running ?? (await request.generateQrCode());
    if (f.running instanceof W.Qr) f.code?.show(Uint8Array.from(f.running.toBytes()));
  }

  async function goOn(f: Flow): Promise<void> {
    try {
      await remember(f);
      await keys.pump();
      await step(f);
      await nudge(f.user);
    } catch (error) {
      f.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  return {
    /** Feeds one event of the running verification. False: it is none. Others' are never looked at. */
    async take(t: Taken): Promise<boolean> {
      if (!t.type.startsWith(steps)) return false;
      const f = flow;
      if (!f || t.wire.sender !== f.user || t.room !== f.room || !(await f.begun.catch(() => '')))
        return true;
      await feed(t);
      await goOn(f);
      return true;
    },

    /**
     * Whether the machine may see this to-device event. Of a verification none but those of the running one, which the
     * phone may begin itself as long as it did not take up what stands in the room: the library would end both.
     */
    async admits(event: unknown): Promise<boolean> {
      if (!isObject(event) || !String(event['type']).startsWith(steps)) return true;
      const f = flow;
      const id = isObject(event['content']) ? event['content']['transaction_id'] : undefined;
      if (!f || event['sender'] !== f.user || typeof id !== 'string' || !id) return false;
      if (event['type'] !== `${steps}request`) return id === (await f.begun.catch(() => ''));
      const inRoom = await requestOf(f).catch(() => undefined);
      if (inRoom?.phase() !== W.VerificationRequestPhase.Created) return false;
      await send(inRoom.cancel());
      f.begun = Promise.resolve(id);
      f.phones = true;
      return true;
    },

    /** Goes on with a verification that the phone began, after to-device events. */
    async advance(): Promise<void> {
      if (flow?.phones) await goOn(flow);
    },

    /** Verifies the user and names the device that did it. One at a time, and no longer than the operator is there. @throws Error with words for the operator */
    async start(
      room: RoomId,
      user: UserId,
      ask: AskEmoji,
      code?: ShowCode,
      left?: AbortSignal,
    ): Promise<Enrolled> {
      if (flow) throw new Error('a pairing is already under way: finish or cancel it first');
      const begun = begin(room, user, code);
      const ended = Promise.withResolvers<Enrolled>();
      const { resolve: done, reject: fail } = ended;
      const f: Flow = { room, user, ask, code, begun, phones: false, asked: false, done, fail };
      flow = f;
      keys.verify(user);
      begun.then(() => nudge(user), f.fail);
      const late = new Error(`nobody took up the verification within ${patience} minutes. ${nothing}.`);
      const timer = setTimeout(() => f.fail(late), patience * 60_000);
      const leave = () => f.fail(new Error(`nobody is at the console any more. ${nothing}.`));
      left?.addEventListener('abort', leave);
      try {
        return await ended.promise;
      } catch (error) {
        const request = await requestOf(f).catch(() => undefined);
        if (request && !request.isCancelled() && !request.isDone()) await send(request.cancel());
        throw error;
      } finally {
        clearTimeout(timer);
        left?.removeEventListener('abort', leave);
        flow = undefined;
        keys.verify(undefined);
      }
    },
  };
}
