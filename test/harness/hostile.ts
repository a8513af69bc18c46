/**
 * A hostile homeserver: stands between the bot, or a phone, and a real Synapse and tampers with what passes, as a test
 * tells it. What attacks are made of these few means is in test/adversary/kit.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export type WireEvent = {
  type: string;
  event_id: string;
  sender: string;
  state_key?: string;
  origin_server_ts: number;
  content: Record<string, unknown>;
  [more: string]: unknown;
};
export type Sync = {
  next_batch: string;
  rooms?: {
    join?: Record<
      string,
      {
        timeline?: { events?: WireEvent[]; limited?: boolean; prev_batch?: string };
        state?: { events?: WireEvent[] };
      }
    >;
  };
  to_device?: { events?: unknown[] };
  device_lists?: { changed?: string[]; left?: string[] };
  device_one_time_keys_count?: Record<string, number>;
  device_unused_fallback_key_types?: string[];
};
export type Exchange = { method: string; path: string; request: unknown; response: unknown; status: number };

export type Hostile = {
  url: string;
  /** Rewrites each /sync answer on its way to the bot, until taken back. */
  onSync(tamper: (sync: Sync) => void): () => void;
  /** Rewrites any other answer. */
  onAnswer(tamper: (e: Exchange) => void): () => void;
  /** Cuts the waiting /sync short and answers it with what `make` puts into it, nothing else. Resolves when served. */
  push(make: (sync: Sync) => void): Promise<void>;
  /** Puts an event into the next sync answer of this room, as if the server had it. */
  inject(room: string, event: Partial<WireEvent> & { type: string; sender: string }): Promise<string>;
  /** Withholds the room's timeline events that match. @returns the events held, and how to end it: none is given back */
  hold(match: (event: WireEvent) => boolean): { held: WireEvent[]; end(): void };
  /** Changes the first timeline event that matches, in place. Resolves with its id when it was served. */
  rewrite(match: (event: WireEvent) => boolean, change: (event: WireEvent) => void): Promise<string>;
  /** Every timeline event that passed, by id, as the homeserver had it. */
  passed(): ReadonlyMap<string, WireEvent & { room_id: string }>;
  stop(): Promise<void>;
};

let made = 0;

/** @param upstream the real homeserver, e.g. `http://127.0.0.1:8008` */
export async function hostileHomeserver(upstream: string): Promise<Hostile> {
  const syncs = new Set<(sync: Sync) => void>();
  const answers = new Set<(e: Exchange) => void>();
  const seen = new Map<string, WireEvent & { room_id: string }>();
  const queue: { make: (sync: Sync) => void; sent: () => void }[] = [];
  const polls = new Set<() => void>();
  /** Of the last genuine answer; without the counts a client would upload keys again and again. */
  const last: { next: string; counts: Partial<Sync> } = { next: '', counts: {} };

  function deliver(sync: Sync): void {
    for (const { make, sent } of queue.splice(0)) {
      make(sync);
      sent();
    }
  }
  function note(sync: Sync): void {
    for (const [room, joined] of Object.entries(sync.rooms?.join ?? {}))
      for (const event of joined.timeline?.events ?? [])
        seen.set(event.event_id, { ...structuredClone(event), room_id: room });
  }

  const server = http.createServer((req, res) => {
    void handle(req, res).catch(() => {
      if (!res.headersSent) res.writeHead(502, { 'content-type': 'application/json' });
      res.end('{"errcode":"M_UNKNOWN","error":"the hostile homeserver broke off"}');
    });
  });

  async function handle(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const path = req.url ?? '/';
    const isSync = /^\/_matrix\/client\/[^/]+\/sync/.test(path);
    const broken = new AbortController();
    res.once('close', () => broken.abort());
    // An injected event must not wait for the long poll to end: the poll is cut short and answered with it alone.
    const cut = new Promise<'cut'>((resolve) => {
      if (isSync) polls.add(() => resolve('cut'));
    });
    const headers = Object.fromEntries(
      Object.entries(req.headers).filter(([k]) => !['host', 'connection', 'content-length'].includes(k)),
    ) as Record<string, string>;
    const asked = fetch(upstream + path, {
      method: req.method ?? 'GET',
      headers,
      ...(body.length > 0 && { body }),
      signal: broken.signal,
    });
    const first = queue.length > 0 && isSync && last.next ? 'cut' : await Promise.race([asked, cut]);
    if (first === 'cut') {
      asked.then((r) => r.arrayBuffer()).catch(() => {});
      const since = new URL(path, upstream).searchParams.get('since') ?? last.next;
      const sync: Sync = { next_batch: since, ...last.counts };
      deliver(sync);
      note(sync);
      return answer(res, 200, JSON.stringify(sync));
    }
    const type = first.headers.get('content-type') ?? '';
    if (!type.includes('json')) {
      res.writeHead(first.status, { 'content-type': type });
      return void res.end(Buffer.from(await first.arrayBuffer()));
    }
    const exchange: Exchange = {
      method: req.method ?? 'GET',
      path,
      request: body.length > 0 ? parse(body.toString()) : undefined,
      response: parse(await first.text()),
      status: first.status,
    };
    if (isSync && first.ok) {
      const sync = exchange.response as Sync;
      last.next = sync.next_batch;
      const { device_one_time_keys_count: count, device_unused_fallback_key_types: unused } = sync;
      last.counts = {
        ...(count && { device_one_time_keys_count: count }),
        ...(unused && { device_unused_fallback_key_types: unused }),
      };
      note(sync);
      for (const tamper of syncs) tamper(sync);
      deliver(sync);
    } else for (const tamper of answers) tamper(exchange);
    answer(res, exchange.status, JSON.stringify(exchange.response));
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const add = <T>(set: Set<T>, one: T) => {
    set.add(one);
    return () => void set.delete(one);
  };
  const onSync = (tamper: (sync: Sync) => void) => add(syncs, tamper);
  const push = (make: (sync: Sync) => void): Promise<void> =>
    new Promise((sent) => {
      queue.push({ make, sent });
      for (const wake of polls) wake();
      polls.clear();
    });
  const timelines = (sync: Sync) =>
    Object.values(sync.rooms?.join ?? {}).flatMap((joined) => joined.timeline ?? []);
  return {
    url: `http://127.0.0.1:${port}`,
    onSync,
    hold(match) {
      const held: WireEvent[] = [];
      const end = onSync((sync) => {
        for (const timeline of timelines(sync)) {
          const events = timeline.events ?? [];
          held.push(...events.filter(match));
          timeline.events = events.filter((e) => !match(e));
        }
      });
      return { held, end };
    },
    rewrite: (match, change) =>
      new Promise((resolve) => {
        const end = onSync((sync) => {
          const event = timelines(sync)
            .flatMap((timeline) => timeline.events ?? [])
            .find(match);
          if (!event) return;
          end();
          change(event);
          resolve(event.event_id);
        });
      }),
    onAnswer: (tamper) => add(answers, tamper),
    push,
    inject(room, event) {
      const whole: WireEvent = {
        event_id: `$injected-${++made}`,
        origin_server_ts: Date.now(),
        content: {},
        ...event,
      };
      return push((sync) => timelineOf(sync, room).push(whole)).then(() => whole.event_id);
    },
    passed: () => seen,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The events of a room in a sync answer, to be added to. */
export function timelineOf(sync: Sync, room: string): WireEvent[] {
  sync.rooms ??= {};
  sync.rooms.join ??= {};
  sync.rooms.join[room] ??= {};
  const joined = sync.rooms.join[room];
  joined.timeline ??= {};
  joined.timeline.events ??= [];
  return joined.timeline.events;
}

function answer(res: http.ServerResponse, status: number, text: string): void {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(text);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
