/** Two devices compare their keys: from the start of it, by either side, to a device whose keys both sides have seen. */
import { type Crypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { DeviceId, Enrolled, Operator, RoomId, UserId } from '../types.ts';
import { type Keys, masterOf } from './keys.ts';
import type { Lock } from './lock.ts';

/** One verification, from the asking to its end. */
export type Flow = {
  room: RoomId;
  user: UserId;
  operator: Operator;
  /** The request that stands now: an event once it stands in the room, or what the phone chose for its own. */
  id: string;
  /** Begun by the phone itself. */
  phones: boolean;
  /** Somebody took the request up: from now on it ends well, or the pairing does not. */
  taken: boolean;
  /** The library forgets it when it is done. */
  sas?: W.Sas;
  /** The phone's keys when the comparison began: those that the emoji stand for. */
  known?: Enrolled;
  asked: boolean;
  /** Ends the wait for the next request. */
  wake(): void;
  done(device: Enrolled): void;
  fail(error: Error): void;
};

const keyNames = ['master', 'ed25519', 'curve25519'] as const;
export const nothing = 'Nothing was verified and nobody enrolled';
export const methods = (): W.VerificationMethod[] => [W.VerificationMethod.SasV1];

/** @param lock one step at a time, under `flow` @param running the verification that is under way */
export function createComparing(crypto: Crypto, keys: Keys, lock: Lock, running: () => Flow | undefined) {
  const { machine } = crypto;
  const send = (r: W.OutgoingVerificationRequest | undefined) =>
    r ? keys.carry(r as W.RoomMessageRequest) : undefined;
  const requestOf = (f: Flow) => machine.getVerificationRequest(new W.UserId(f.user), f.id);

  /**
   * Two at once end each other, on any phone of the account, and a phone may still have one that was meant for somebody else in
   * the room: the next one finds it free.
   */
  function beginAnew(f: Flow): void {
    f.taken = false;
    delete f.sas;
    delete f.known;
    f.wake();
  }

  async function finish(f: Flow, sas: W.Sas): Promise<void> {
    await keys.pump();
    await keys.forceQuery(f.user); // our signature counts only once the server has shown it back
    const device = sas.otherDeviceId.toString() as DeviceId;
    const identity = await machine.getIdentity(new W.UserId(f.user));
    const now = await keys.deviceNow(f.user, device);
    if (!identity?.isVerified() || !now?.crossSigned)
      throw new Error(
        `it was confirmed, but ${f.user} is not shown as verified: pair again. Nobody was enrolled.`,
      );
    const found = { ...now, master: masterOf(identity.masterKey) };
    const { known } = f;
    if (!known || known.device !== device || keyNames.some((name) => found[name] !== known[name]))
      throw new Error(
        `the keys of ${device} changed meanwhile, perhaps by somebody else’s hand: look at the devices of that ` +
          'account before you pair again. Nobody was enrolled.',
      );
    await crypto.renew(f.room); // what was said before stays closed to the new device
    f.done(known);
  }

  async function compare(f: Flow, sas: W.Sas): Promise<void> {
    const emoji = (sas.emoji() ?? []).map((e) => ({ symbol: e.symbol, name: e.description }));
    const right = emoji.length === 7 && (await f.operator.compare(emoji).catch(() => false));
    await lock('flow', async () => {
      if (running() !== f) return;
      if (!right) {
        await send(sas.cancelWithCode('m.mismatched_sas'));
        throw new Error(`the emoji were not confirmed. ${nothing}.`);
      }
      for (const request of await sas.confirm()) await send(request);
      await keys.pump();
      await step(f);
    });
  }

  /** The keys that a comparison with that device stands for, as the library has them now. */
  async function keysOf(f: Flow, device: DeviceId): Promise<Enrolled> {
    const now = await keys.deviceNow(f.user, device);
    const identity = await machine.getIdentity(new W.UserId(f.user));
    if (!identity || !now) throw new Error(`the keys of ${device} are not known. ${nothing}.`);
    const { ed25519, curve25519 } = now;
    return { user: f.user, master: masterOf(identity.masterKey), device, ed25519, curve25519 };
  }

  /**
   * The side that asked starts. The keys are noted first: had they changed before the library looked, then what it compares
   * is not what is noted, and `finish` refuses.
   */
  async function start(f: Flow, request: W.VerificationRequest): Promise<void> {
    f.known = await keysOf(f, request.otherDeviceId?.toString() as DeviceId);
    const [sas, first] = (await request.startSas()) ?? [];
    if (sas) f.sas = sas;
    await send(first);
  }

  /** What the phone started: its own request, or ours at the same moment, where the library keeps one of the two. */
  async function noteStart(f: Flow): Promise<void> {
    const sas = requestOf(f)?.getVerification();
    if (!(sas instanceof W.Sas)) return;
    const known = await keysOf(f, sas.otherDeviceId.toString() as DeviceId);
    if (f.known && keyNames.some((name) => known[name] !== f.known?.[name]))
      throw new Error(`the keys of ${known.device} changed meanwhile: pair again. ${nothing}.`);
    f.known = known;
    f.sas = sas;
  }

  async function step(f: Flow): Promise<void> {
    const request = requestOf(f);
    // The machine forgets a request as soon as it is done, perhaps before this looks: what ran still knows.
    const reason = request?.cancelInfo ?? f.sas?.cancelInfo();
    if (reason && !f.asked) return beginAnew(f);
    if (reason) throw new Error(`the phone ended the verification (${reason.reason()}). ${nothing}.`);
    if (request?.phase() === W.VerificationRequestPhase.Requested)
      await send(request.acceptWithMethods(methods()));
    if ((request?.isReady() || f.sas) && !f.taken) {
      f.taken = true;
      f.wake();
      f.operator.waits('emoji', 0);
    }
    if (request?.isReady() && !f.phones && !f.sas) await start(f, request);
    const { sas } = f;
    if (!sas) return;
    if (!sas.hasBeenAccepted()) await send(sas.accept());
    if (sas.canBePresented() && !f.asked) {
      f.asked = true;
      compare(f, sas).catch(f.fail);
    }
    if (sas.isDone()) await finish(f, sas);
  }

  return { send, requestOf, noteStart, step };
}
