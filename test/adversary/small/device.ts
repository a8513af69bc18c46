/** A person's device: the Rust crypto that Element runs, its keys in memory. */
import { randomUUID } from 'node:crypto';
import { wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Content, WireEvent } from '../../../bot/src/types.ts';
import type { Directory } from './directory.ts';

const paths = new Map<W.RequestType, string>([
  [W.RequestType.KeysUpload, '/keys/upload'],
  [W.RequestType.KeysQuery, '/keys/query'],
  [W.RequestType.KeysClaim, '/keys/claim'],
  [W.RequestType.SignatureUpload, '/keys/signatures/upload'],
]);
type Outgoing = { id?: string | undefined; type: W.RequestType; body: string };
const settings = () => new W.DecryptionSettings(W.TrustRequirement.Untrusted);

export type Device = Awaited<ReturnType<typeof openDevice>>;

/** Signs in: the device's keys are uploaded when this resolves, signed by nobody. */
export async function openDevice(directory: Directory, user: string, device: string, room: string) {
  await W.initAsync();
  const machine = await W.OlmMachine.initialize(new W.UserId(user), new W.DeviceId(device));
  const who = { user, device };
  /** What it said in the room in the clear: steps of a verification. */
  const said: WireEvent[] = [];
  const inRoom = (type: string, content: unknown): WireEvent =>
    ({
      ...{ type, content, sender: user, event_id: `$${randomUUID()}`, origin_server_ts: Date.now() },
    }) as WireEvent;

  async function carry(r: Outgoing): Promise<void> {
    const path = paths.get(r.type);
    let answer: unknown = {};
    if (path) answer = directory.request(who, path, JSON.parse(r.body));
    else if (r instanceof W.ToDeviceRequest)
      directory.sendToDevice(who, r.event_type, (JSON.parse(r.body) as { messages: object }).messages);
    else if (r instanceof W.RoomMessageRequest) {
      const wire = inRoom(r.event_type, JSON.parse(r.body));
      said.push(wire);
      answer = { event_id: wire.event_id };
    } else throw new Error(`a request of type ${r.type}`);
    if (r.id) await machine.markRequestAsSent(r.id, r.type, JSON.stringify(answer));
  }
  async function pump(): Promise<void> {
    for (const request of await machine.outgoingRequests()) await carry(request as Outgoing);
  }
  async function publish(reset: boolean): Promise<void> {
    const made = await machine.bootstrapCrossSigning(reset);
    if (made.uploadKeysRequest) await carry(made.uploadKeysRequest as Outgoing);
    if (reset)
      directory.request(who, '/keys/device_signing/upload', JSON.parse(made.uploadSigningKeysRequest.body));
    await carry(made.uploadSignaturesRequest);
  }
  const methods = () => [W.VerificationMethod.SasV1];
  async function step(
    of: string,
    flow: string,
    starts = false,
  ): Promise<{ says: WireEvent[]; emoji?: string }> {
    const request = machine.getVerificationRequest(new W.UserId(of), flow);
    const send = async (r: unknown) => void (r && (await carry(r as Outgoing)));
    if (request?.phase() === W.VerificationRequestPhase.Requested)
      await send(request.acceptWithMethods(methods()));
    if (request?.isReady() && starts) await send((await request.startSas())?.[1]);
    const sas = request?.getVerification();
    if (sas instanceof W.Sas && !sas.hasBeenAccepted()) await send(sas.accept());
    await pump(); // there are emoji once its key is on the way
    let emoji: string | undefined;
    if (sas instanceof W.Sas && sas.canBePresented() && !sas.haveWeConfirmed()) {
      emoji = (sas.emoji() ?? []).map((e) => e.symbol).join(' ');
      for (const confirmation of await sas.confirm()) await send(confirmation);
    }
    await pump();
    return { says: said.splice(0), ...(emoji && { emoji }) };
  }
  const query = (of: string): Promise<void> => carry(machine.queryKeysForUsers([new W.UserId(of)]));
  await pump();

  return {
    ...who,
    machine,
    query,
    /** Makes a new identity for the account and signs this device with it: what a reset is, too. */
    newIdentity: () => publish(true),
    /** Signs this device with the identity that another device has, as the recovery key allows. */
    async signWith(keys: W.CrossSigningKeyExport): Promise<void> {
      await query(user);
      await machine.importCrossSigningKeys(keys.masterKey, keys.self_signing_key, keys.userSigningKey);
      await publish(false);
      await query(user); // from now on it hands its signature out with its keys
    },
    async secrets(): Promise<W.CrossSigningKeyExport> {
      const keys = await machine.exportCrossSigningKeys();
      if (!keys) throw new Error(`${user} ${device} has no identity`);
      return keys;
    },
    /** Takes in what came to this device. */
    async receive(): Promise<void> {
      const counts = new Map(Object.entries(directory.count(who)));
      const mail = JSON.stringify(directory.take(who));
      await machine.receiveSyncChanges(mail, new W.DeviceLists([], []), counts, new Set(), settings());
      await pump();
    },
    /** Encrypts an event for the devices of these users. @returns what the homeserver sees of it */
    async send(type: string, content: Content, readers: readonly string[]): Promise<WireEvent> {
      const ids = () => readers.map((r) => new W.UserId(r));
      await machine.updateTrackedUsers(ids());
      await pump();
      for (const reader of readers) await query(reader);
      const missing = await machine.getMissingSessions(ids());
      if (missing) await carry(missing);
      const shared = new W.EncryptionSettings();
      shared.sharingStrategy = W.CollectStrategy.allDevices();
      for (const request of await machine.shareRoomKey(new W.RoomId(room), ids(), shared))
        await carry(request);
      const sealed = await machine.encryptRoomEvent(new W.RoomId(room), type, JSON.stringify(content));
      return inRoom('m.room.encrypted', JSON.parse(sealed));
    },
    /** Opens an event, whoever's it is. @throws MegolmDecryptionError */
    async read(wire: WireEvent): Promise<Content> {
      const event = JSON.stringify({ ...wire, room_id: room });
      const { event: clear } = await machine.decryptRoomEvent(event, new W.RoomId(room), settings());
      return (JSON.parse(clear) as { content: Content }).content;
    },
    /**
     * Hears one step of a verification that somebody else began in the room, and goes on with it: takes it up, and says
     * that the emoji match. @param starts it begins the comparison, though it was asked. @returns what it says, and the
     * emoji once there are any
     */
    async verify(
      wire: WireEvent,
      flow: string,
      starts = false,
    ): Promise<{ says: WireEvent[]; emoji?: string }> {
      const event = JSON.stringify({ ...wire, room_id: room });
      await machine.receiveVerificationEvent(event, new W.RoomId(room));
      return step(wire.sender, flow, starts);
    },
    /** Goes on with a verification, whoever began it: as `verify` does. */
    step,
    /** Asks for a verification in the room. @returns the request, for the homeserver to serve */
    async ask(of: string): Promise<WireEvent> {
      const identity = await machine.getIdentity(new W.UserId(of));
      if (!(identity instanceof W.OtherUserIdentity)) throw new Error(`no identity of ${of}`);
      const wire = inRoom('m.room.message', JSON.parse(identity.verificationRequestContent(methods())));
      identity.requestVerification(new W.RoomId(room), new W.EventId(wire.event_id), methods());
      return wire;
    },
    /** Begins a verification of its own, by to-device messages. @returns its id */
    async begin(of: string, its: string): Promise<string> {
      await query(of);
      const other = await machine.getDevice(new W.UserId(of), new W.DeviceId(its));
      if (!other) throw new Error(`no ${of} ${its}`);
      const [request, first] = other.requestVerification(methods());
      await carry(first);
      return request.flowId;
    },
    /** Sends a sealed to-device message, which nobody on the way can look into. */
    async whisper(of: string, its: string, type: string, content: Content): Promise<void> {
      const missing = await machine.getMissingSessions([new W.UserId(of)]);
      if (missing) await carry(missing);
      const other = await machine.getDevice(new W.UserId(of), new W.DeviceId(its));
      const sealed = await other?.encryptToDeviceEvent(type, content);
      directory.sendToDevice(who, 'm.room.encrypted', { [of]: { [its]: JSON.parse(sealed ?? '') } });
    },
    close: () => machine.close(),
  };
}
