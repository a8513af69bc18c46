/**
 * Verification by emoji (SAS), open while an operator waits for it. The bot asks in the room, because the phone hides the
 * button in a direct chat, until the phone takes that up; `comparing.ts` goes on from there.
 */
import { randomUUID } from 'node:crypto';
import { type Crypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Logger } from 'pino';
import type { Content, DeviceId, Enrolled, Member, Operator, RoomId, Taken, UserId } from '../types.ts';
import { isObject } from '../types.ts';
import { createComparing, type Flow, methods, nothing } from './comparing.ts';
import type { Keys } from './keys.ts';
import { createLock } from './lock.ts';
import type { Server } from './server.ts';

export type PairingOptions = {
  crypto: Crypto;
  client: Pick<Server, 'sendWire'>;
  keys: Keys;
  log: Logger;
  members(room: RoomId): Promise<readonly Member[]>;
  /** Makes the user's phone look for keys now instead of in half a minute. */
  nudge(user: UserId): Promise<void>;
};

/** Minutes for a person to install the app, sign in, take up the phone and compare. */
const patience = 15;
/**
 * Milliseconds. A phone drops a request for good while it does not know the bot's devices, and shows nothing: so one that
 * nobody took up is withdrawn and made again, at first soon, after some of them leaving a slow reader more time. In between the phone is
 * nudged, so that it learns the keys.
 */
const again = { first: 15_000, often: 4, later: 30_000, soonest: 2000, nudge: 3000, awake: 1000 };
const nudges = { every: 500, most: 12 };
const steps = 'm.key.verification.';
const asking = '🔑 The console pairs a phone: tap Start verification where Element asks for it.';
const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms).unref());

export function createPairing({ crypto, client, keys, log, members, nudge }: PairingOptions) {
  const { machine } = crypto;
  const lock = createLock();
  let flow: Flow | undefined;
  const { send, requestOf, noteStart, step } = createComparing(crypto, keys, lock, () => flow);

  /** Told to every phone of the account, also of what one of them ended: the others would end the next one for it. */
  async function withdraw(f: Flow): Promise<void> {
    const request = requestOf(f);
    const { id } = f;
    f.id = '';
    if (!request || request.isDone()) return;
    if (!request.isCancelled() || f.phones) return send(request.cancel());
    const relation = { 'm.relates_to': { rel_type: 'm.reference', event_id: id } };
    const content = { code: 'm.user', reason: 'withdrawn', ...relation };
    await client.sendWire(f.room, `${steps}cancel`, content, randomUUID());
  }

  /** The phone trusts us only after its own encryption sync came round: keep it awake for some seconds. */
  function keepAwake(user: UserId, left = nudges.most): void {
    if (left > 0)
      setTimeout(() => void nudge(user).then(() => keepAwake(user, left - 1)), nudges.every).unref();
  }

  /** Asks in the room. @returns what the operator is to be told that this waits for */
  async function ask(f: Flow): Promise<'invitation' | 'identity' | 'phone'> {
    const there = await members(f.room);
    if (!there.some((m) => m.user === f.user && m.membership === 'join')) return 'invitation';
    await machine.updateTrackedUsers([new W.UserId(f.user)]);
    await keys.forceQuery(f.user);
    const identity = await machine.getIdentity(new W.UserId(f.user));
    if (!(identity instanceof W.OtherUserIdentity)) return 'identity';
    await withdraw(f);
    f.phones = false;
    // It comes after the withdrawal: of a room that is not open, an app is given only the newest event.
    const content = JSON.parse(identity.verificationRequestContent(methods())) as Content;
    content['body'] = asking; // Element shows it as a line of the room, and the library's own says that the app cannot do this.
    const event = await client.sendWire(f.room, 'm.room.message', content, randomUUID());
    f.id = identity.requestVerification(new W.RoomId(f.room), new W.EventId(event), methods()).flowId;
    await nudge(f.user);
    return 'phone';
  }

  /** Asks until somebody takes it up, and again where that ends too early. */
  async function insist(f: Flow): Promise<void> {
    for (let asked = 0; flow === f; ) {
      let early = false;
      const woken = new Promise<void>((resolve) => {
        f.wake = () => {
          early = true;
          resolve();
        };
      });
      const waits = await lock('flow', async () => (flow === f && !f.taken ? ask(f) : undefined));
      if (waits) f.operator.waits(waits, waits === 'phone' ? ++asked : asked);
      // Nobody tells when an identity is there.
      const wait = waits === 'identity' ? again.nudge : asked <= again.often ? again.first : again.later;
      for (let left = wait; waits && left > 0 && !early; left -= again.nudge) {
        await Promise.race([woken, pause(again.nudge)]);
        if (waits === 'phone') await nudge(f.user);
      }
      if (!waits) await woken;
      if (early && waits !== 'invitation') await pause(again.soonest);
    }
  }

  /** Anybody with the owner's token, or the server, can send what is no step: that must not end the flow. */
  async function feed(f: Flow, t: Taken): Promise<void> {
    const from = t.content['from_device'];
    // The library ignores a step of a device that it does not know, and it may have been signed in a moment ago.
    if (typeof from === 'string' && !(await keys.deviceNow(f.user, from as DeviceId)))
      await keys.forceQuery(f.user);
    const event = { ...t.wire, type: t.type, content: t.content, room_id: t.room };
    try {
      await machine.receiveVerificationEvent(JSON.stringify(event), new W.RoomId(t.room));
    } catch (error) {
      log.warn({ event: t.wire.event_id, err: error }, 'no step of a verification');
    }
  }

  /** What the phone started is noted before any newer keys are asked for: the library compares by those it had then. */
  async function goOn(f: Flow, started: boolean): Promise<void> {
    try {
      if (started) await noteStart(f);
      await keys.pump();
      await step(f);
      await nudge(f.user);
    } catch (error) {
      f.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The phone's own request, in place of ours as long as nobody took that up: the library would end both. */
  async function adopt(f: Flow, id: string): Promise<boolean> {
    if (f.taken) return false;
    await withdraw(f);
    f.id = id;
    f.phones = true;
    return true;
  }

  return {
    /** Feeds one event of the running verification. False: it is none. Others' are never looked at. */
    async take(t: Taken): Promise<boolean> {
      const f = flow;
      const { type, content } = t;
      const request = type === 'm.room.message' && content['msgtype'] === `${steps}request`;
      const theirs = f !== undefined && t.wire.sender === f.user && t.room === f.room;
      if (theirs && type === 'm.room.member' && content['membership'] === 'join') f.wake();
      if (!type.startsWith(steps) && !(request && theirs)) return false;
      if (!theirs) return true;
      await lock('flow', async () => {
        if (flow !== f) return;
        if (request && !(await adopt(f, t.wire.event_id))) return;
        await feed(f, t);
        if (f.id) await goOn(f, type === `${steps}start`);
      });
      return true;
    },

    /**
     * Whether the machine may see this to-device event. Of a verification none but those of the running one, which the
     * phone may begin itself as long as it did not take up what stands in the room.
     */
    async admits(event: unknown): Promise<boolean> {
      if (!isObject(event) || !String(event['type']).startsWith(steps)) return true;
      const f = flow;
      const id = isObject(event['content']) ? event['content']['transaction_id'] : undefined;
      if (!f || event['sender'] !== f.user || typeof id !== 'string' || !id) return false;
      return lock('flow', async () => (event['type'] === `${steps}request` ? adopt(f, id) : id === f.id));
    },

    /** Goes on with a verification that the phone began, after to-device events. */
    async advance(): Promise<void> {
      const f = flow;
      if (f?.phones) await lock('flow', () => goOn(f, !f.sas));
    },

    /**
     * Verifies the user and names the device that did it. One at a time, and no longer than the operator is there.
     * @throws Error with words for the operator
     */
    async start(room: RoomId, user: UserId, operator: Operator, left?: AbortSignal): Promise<Enrolled> {
      if (flow) throw new Error('a pairing is already under way: finish or cancel it first');
      const { promise, resolve: done, reject: fail } = Promise.withResolvers<Enrolled>();
      const f: Flow = {
        ...{ room, user, operator, id: '', phones: false, taken: false, asked: false },
        ...{ wake: () => {}, done, fail },
      };
      flow = f;
      keys.verify(user);
      insist(f).catch(fail);
      const late = new Error(`nobody took up the verification within ${patience} minutes. ${nothing}.`);
      const timer = setTimeout(() => fail(late), patience * 60_000);
      // One nudge a step can overtake the step itself, and then nothing else wakes the phone for half a minute.
      const awake = setInterval(() => void (f.taken && nudge(user)), again.awake).unref();
      const leave = () => fail(new Error(`nobody is at the console any more. ${nothing}.`));
      left?.addEventListener('abort', leave);
      try {
        const device = await promise;
        keepAwake(user);
        return device;
      } catch (error) {
        await lock('flow', () => withdraw(f));
        throw error;
      } finally {
        clearTimeout(timer);
        clearInterval(awake);
        left?.removeEventListener('abort', leave);
        flow = undefined;
        f.wake();
        keys.verify(undefined);
      }
    },
  };
}
