/** Verification by emoji (SAS), started by the bot in the room, because the phone hides the button in a direct chat. */
import { randomUUID } from 'node:crypto';
import { type Crypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Logger } from 'pino';
import type { Client } from './client.ts';
import type { Keys } from './keys.ts';
import { masterOf } from './keys.ts';
import { createLock } from './lock.ts';
import type { AskEmoji, Content, DeviceId, Enrolled, Member, RoomId, Taken, UserId } from './types.ts';

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
  /** Set once the request stands in the room. */
  begun: Promise<string>;
  /** The library forgets it when it is done. */
  sas?: W.Sas;
  /** The phone's keys when the verification took it up: those that the emoji stand for. */
  known?: Enrolled;
  shown: boolean;
  done(device: Enrolled): void;
  fail(error: Error): void;
};

/** Minutes for a person to take up the phone and compare. */
const patience = 5;
const nudges = { every: 500, most: 12 };
const keyNames = ['master', 'ed25519', 'curve25519'] as const;
const nothing = 'Nothing was verified and nobody enrolled';

export function createPairing({ crypto, client, keys, log, members, nudge }: PairingOptions) {
  const { machine } = crypto;
  const lock = createLock();
  let flow: Flow | undefined;

  const send = (r: W.OutgoingVerificationRequest | undefined) =>
    r ? keys.carry(r as W.RoomMessageRequest) : undefined;

  /** The phone trusts us only after its own encryption sync came round: keep it awake for some seconds. */
  function keepAwake(user: UserId, left = nudges.most): void {
    if (left > 0)
      setTimeout(() => void nudge(user).then(() => keepAwake(user, left - 1)), nudges.every).unref();
  }

  async function begin(room: RoomId, user: UserId): Promise<string> {
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
    const methods = () => [W.VerificationMethod.SasV1];
    const content = JSON.parse(identity.verificationRequestContent(methods())) as Content;
    const event = await client.sendWire(room, 'm.room.message', content, randomUUID());
    return identity.requestVerification(new W.RoomId(room), new W.EventId(event), methods()).flowId;
  }

  async function finish(f: Flow, sas: W.Sas): Promise<void> {
    await keys.pump();
    await keys.forceQuery(f.user); // our signature counts only once the server has shown it back
    const device = sas.otherDeviceId.toString() as DeviceId;
    const identity = await machine.getIdentity(new W.UserId(f.user));
    const now = await keys.deviceNow(f.user, device);
    if (!identity?.isVerified() || !now?.crossSigned)
      throw new Error(
        `the emoji matched, but ${f.user} is not shown as verified: pair again. Nobody was enrolled.`,
      );
    const found = { ...now, master: masterOf(identity.masterKey) };
    const { known } = f;
    if (!known || keyNames.some((name) => found[name] !== known[name]))
      throw new Error(
        `the keys of ${device} changed while the emoji were compared, perhaps by somebody else’s hand: look at the devices of ` +
          'that account before you pair again. Nobody was enrolled.',
      );
    await crypto.renew(f.room); // what was said before stays closed to the new device
    f.done(known);
    keepAwake(f.user);
  }

  async function compare(f: Flow, sas: W.Sas): Promise<void> {
    const emoji = (sas.emoji() ?? []).map((e) => ({ symbol: e.symbol, name: e.description }));
    const same = emoji.length === 7 && (await f.ask(emoji).catch(() => false));
    await lock('step', async () => {
      if (flow !== f) return;
      if (!same) {
        await send(sas.cancelWithCode('m.mismatched_sas'));
        throw new Error(`the emoji were not confirmed. ${nothing}.`);
      }
      for (const request of await sas.confirm()) await send(request);
      await keys.pump();
    });
    await step(f);
  }

  const step = (f: Flow): Promise<void> =>
    lock('step', async () => {
      const request = machine.getVerificationRequest(new W.UserId(f.user), await f.begun);
      if (flow !== f) return;
      // The machine forgets a request as soon as it is done, perhaps before this looks: the Sas still knows.
      const reason = request?.cancelInfo ?? f.sas?.cancelInfo();
      if (reason) throw new Error(`the phone ended the verification (${reason.reason()}). ${nothing}.`);
      const running = request?.getVerification();
      if (running instanceof W.Sas) f.sas = running;
      const { sas } = f;
      if (!sas) return;
      if (!sas.hasBeenAccepted()) await send(sas.accept());
      if (sas.canBePresented() && !f.shown) {
        f.shown = true;
        compare(f, sas).catch(f.fail);
      }
      if (sas.isDone()) await finish(f, sas);
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

  /** Before any newer keys are asked for: the library compares by those it has when the phone begins. */
  async function remember(f: Flow): Promise<void> {
    const running = machine.getVerificationRequest(new W.UserId(f.user), await f.begun)?.getVerification();
    if (f.known || !(running instanceof W.Sas)) return;
    const device = running.otherDeviceId.toString() as DeviceId;
    const identity = await machine.getIdentity(new W.UserId(f.user));
    const now = await keys.deviceNow(f.user, device);
    if (!identity || !now) throw new Error(`the keys of ${device} are not known. ${nothing}.`);
    const { ed25519, curve25519 } = now;
    f.known = { user: f.user, master: masterOf(identity.masterKey), device, ed25519, curve25519 };
  }

  return {
    /** Feeds one event of the running verification. False: it is none. Others' are never looked at. */
    async take(t: Taken): Promise<boolean> {
      if (!t.type.startsWith('m.key.verification.')) return false;
      const f = flow;
      if (!f || t.wire.sender !== f.user || t.room !== f.room) return true;
      try {
        await f.begun;
        await feed(t);
        await remember(f);
        await keys.pump();
        await step(f);
        await nudge(f.user);
      } catch (error) {
        f.fail(error instanceof Error ? error : new Error(String(error)));
      }
      return true;
    },

    /** Verifies the user and names the device that did it. One at a time. @throws Error with words for the operator */
    async start(room: RoomId, user: UserId, ask: AskEmoji): Promise<Enrolled> {
      if (flow) throw new Error('a pairing is already under way: finish or cancel it first');
      const begun = begin(room, user);
      const ended = Promise.withResolvers<Enrolled>();
      const f: Flow = { room, user, ask, begun, shown: false, done: ended.resolve, fail: ended.reject };
      flow = f;
      begun.then(() => nudge(user), f.fail);
      const late = new Error(`nobody took up the verification within ${patience} minutes. ${nothing}.`);
      const timer = setTimeout(() => f.fail(late), patience * 60_000);
      try {
        return await ended.promise;
      } catch (error) {
        const id = await begun.catch(() => undefined);
        const request = id === undefined ? undefined : machine.getVerificationRequest(new W.UserId(user), id);
        if (request && !request.isCancelled() && !request.isDone()) await send(request.cancel());
        throw error;
      } finally {
        clearTimeout(timer);
        flow = undefined;
      }
    },
  };
}
