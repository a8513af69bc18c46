/**
 * The floor of a tap: the same hops with nothing of ours in between. An event is put on the same Synapse and comes down
 * another account's /sync; two rows are committed durably by a bare HTTP server over SQLite; a line goes into a shell that
 * waits at the end of a long exec stream; its first byte is put back as an event and comes down the first account's /sync.
 * For a signed answer the events are Megolm-encrypted and decrypted on both sides.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import * as W from '@matrix-org/matrix-sdk-crypto-wasm';
import type Docker from 'dockerode';

export type Round = { toByte: number; toPhone: number };
export type Floor = {
  round(encrypted: boolean): Promise<Round>;
  /** An encrypted event and nothing else, from its making to its text on the other side; after so many rows. Milliseconds. */
  send(rows: number): Promise<number>;
  stop(): Promise<void>;
};
export type FloorOptions = {
  homeserver: string;
  accounts: readonly [Account, Account];
  /** Where the shell of a `round` waits. */
  container?: Docker.Container;
};
export type Account = { user: string; password: string };
type Side = { id: string; token: string; machine: W.OlmMachine; next(): Promise<WireEvent> };
type WireEvent = { event_id: string; sender: string; type: string; content: Record<string, unknown> };

async function call<T>(url: string, method: string, body: unknown, authorization: string): Promise<T> {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', authorization },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** A machine of each side that trusts whatever there is: the floor pays for encryption, not for trust. */
async function pump(side: Side, homeserver: string): Promise<void> {
  for (const r of await side.machine.outgoingRequests()) await carry(side, homeserver, r);
}
type Outgoing =
  | Awaited<ReturnType<W.OlmMachine['outgoingRequests']>>[number]
  | W.KeysClaimRequest
  | W.ToDeviceRequest;
async function carry(side: Side, homeserver: string, r: Outgoing): Promise<void> {
  const paths: Partial<Record<W.RequestType, string>> = {
    [W.RequestType.KeysUpload]: '/keys/upload',
    [W.RequestType.KeysQuery]: '/keys/query',
    [W.RequestType.KeysClaim]: '/keys/claim',
  };
  const base = `${homeserver}/_matrix/client/v3`;
  const auth = `Bearer ${side.token}`;
  let answer: unknown = {};
  if (r instanceof W.ToDeviceRequest)
    answer = await call(
      `${base}/sendToDevice/${r.event_type}/${encodeURIComponent(r.txn_id)}`,
      'PUT',
      JSON.parse(r.body),
      auth,
    );
  else if (paths[r.type]) answer = await call(`${base}${paths[r.type]}`, 'POST', JSON.parse(r.body), auth);
  if (r.id) await side.machine.markRequestAsSent(r.id, r.type, JSON.stringify(answer));
}

type SyncAnswer = {
  next_batch: string;
  rooms?: { join?: Record<string, { timeline?: { events?: WireEvent[] } }> };
  to_device?: { events?: unknown[] };
};
const settings = () => new W.DecryptionSettings(W.TrustRequirement.Untrusted);

async function side(
  homeserver: string,
  account: Account,
  room: () => string,
  stopped: AbortSignal,
): Promise<Side> {
  const base = `${homeserver}/_matrix/client/v3`;
  const login = await call<{ user_id: string; access_token: string; device_id: string }>(
    `${base}/login`,
    'POST',
    {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: account.user },
      password: account.password,
    },
    '',
  );
  const machine = await W.OlmMachine.initialize(new W.UserId(login.user_id), new W.DeviceId(login.device_id));
  const arrived: WireEvent[] = [];
  const waiting: ((event: WireEvent) => void)[] = [];
  const me: Side = {
    id: login.user_id,
    token: login.access_token,
    machine,
    next: () => {
      const event = arrived.shift();
      return event ? Promise.resolve(event) : new Promise((resolve) => waiting.push(resolve));
    },
  };
  const auth = `Bearer ${me.token}`;
  let since = (await call<SyncAnswer>(`${base}/sync?timeout=0`, 'GET', undefined, auth)).next_batch;
  const loop = async () => {
    while (!stopped.aborted) {
      const sync = await call<SyncAnswer>(
        `${base}/sync?timeout=10000&since=${since}`,
        'GET',
        undefined,
        auth,
      );
      since = sync.next_batch;
      if (sync.to_device?.events?.length)
        await machine.receiveSyncChanges(
          JSON.stringify(sync.to_device.events),
          new W.DeviceLists([], []),
          new Map(),
          new Set(),
          settings(),
        );
      for (const event of sync.rooms?.join?.[room()]?.timeline?.events ?? []) {
        if (event.sender === me.id || !['m.room.encrypted', 'm.reaction'].includes(event.type)) continue;
        const take = waiting.shift();
        if (take) take(event);
        else arrived.push(event);
      }
    }
  };
  // Whoever waits for an event then waits in vain, and says so; the instance may be gone already.
  loop().catch((error: unknown) => {
    if (!stopped.aborted) process.stderr.write(`the floor's sync ended: ${error}\n`);
  });
  return me;
}

/** Rows of the size of ours, one after the other, each durable when it is answered. */
async function rows(): Promise<{ write(count: number): Promise<void>; close(): void }> {
  const child = fork(join(import.meta.dirname, 'rows.ts'));
  const port = await new Promise((resolve) => child.once('message', resolve));
  const row = { kind: 'approved', hash: 'h'.repeat(64), body: 'y'.repeat(500) };
  return {
    async write(count) {
      for (let i = 0; i < count; i++) await call(`http://127.0.0.1:${port}/`, 'POST', row, '');
    },
    close: () => child.disconnect(),
  };
}

/** A shell at the end of one long exec stream, in a container that is there already. */
async function shell(container: Docker.Container): Promise<{ line(): Promise<void>; close(): void }> {
  const exec = await container.exec({
    Cmd: ['bash'],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = (await exec.start({ hijack: true, stdin: true })) as Duplex;
  return {
    line: () =>
      new Promise((resolve) => {
        stream.once('data', () => resolve());
        stream.write('echo hi\n');
      }),
    close: () => stream.destroy(),
  };
}

/** Prepares it all; each `round` is one tap. Accounts must exist and have no rate limit. */
export async function startFloor(o: FloorOptions): Promise<Floor> {
  await W.initAsync();
  const over = new AbortController();
  let room = '';
  const a = await side(o.homeserver, o.accounts[0], () => room, over.signal);
  const b = await side(o.homeserver, o.accounts[1], () => room, over.signal);
  const base = `${o.homeserver}/_matrix/client/v3`;
  const auth = (s: Side) => `Bearer ${s.token}`;
  const encryption = {
    type: 'm.room.encryption',
    state_key: '',
    content: { algorithm: 'm.megolm.v1.aes-sha2' },
  };
  room = (
    await call<{ room_id: string }>(
      `${base}/createRoom`,
      'POST',
      { preset: 'private_chat', invite: [b.id], initial_state: [encryption] },
      auth(a),
    )
  ).room_id;
  await call(`${base}/join/${encodeURIComponent(room)}`, 'POST', {}, auth(b));
  for (const s of [a, b]) await pump(s, o.homeserver);
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const users = () => [new W.UserId(to.id)];
    await from.machine.updateTrackedUsers(users());
    await pump(from, o.homeserver);
    const claim = await from.machine.getMissingSessions(users());
    if (claim) await carry(from, o.homeserver, claim);
    const keys = new W.EncryptionSettings();
    keys.rotationPeriodMessages = 1_000_000n;
    for (const r of await from.machine.shareRoomKey(new W.RoomId(room), users(), keys))
      await carry(from, o.homeserver, r);
  }
  const kept = await rows();
  const sh = o.container && (await shell(o.container));
  let txn = 0;
  const put = (s: Side, type: string, content: object) =>
    call<{ event_id: string }>(
      `${base}/rooms/${encodeURIComponent(room)}/send/${type}/f${Date.now()}-${++txn}`,
      'PUT',
      content,
      auth(s),
    );
  const encrypt = async (s: Side, text: string) =>
    JSON.parse(
      await s.machine.encryptRoomEvent(new W.RoomId(room), 'm.room.message', JSON.stringify({ body: text })),
    ) as object;
  const decrypt = (s: Side, event: WireEvent) =>
    s.machine.decryptRoomEvent(JSON.stringify(event), new W.RoomId(room), settings());
  const first = b.next();
  const { event_id: target } = await put(a, 'm.room.encrypted', await encrypt(a, 'card'));
  await first;

  return {
    async round(encrypted) {
      const coming = b.next();
      const back = a.next();
      const start = performance.now();
      if (encrypted) await put(a, 'm.room.encrypted', await encrypt(a, 'yes'));
      else await put(a, 'm.reaction', reaction(target));
      const event = await coming;
      if (encrypted) await decrypt(b, event);
      await kept.write(2);
      await sh?.line();
      const toByte = performance.now() - start;
      await put(b, 'm.room.encrypted', await encrypt(b, 'output'));
      await decrypt(a, await back);
      return { toByte, toPhone: performance.now() - start };
    },
    async send(rows) {
      const coming = b.next();
      const start = performance.now();
      await kept.write(rows);
      await put(a, 'm.room.encrypted', await encrypt(a, 'a card'));
      await decrypt(b, await coming);
      return performance.now() - start;
    },
    async stop() {
      over.abort();
      sh?.close();
      kept.close();
    },
  };
}

let tapped = 0;
/** Another key each time: Synapse takes the same one only once. */
const reaction = (event_id: string) => ({
  'm.relates_to': { rel_type: 'm.annotation', event_id, key: `🦊 ${++tapped}` },
});
