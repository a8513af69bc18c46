/** What a homeserver may answer to a sync: what is none fails like one that did not come, and nothing of it is taken. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Crypto } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Logger } from 'pino';
import { openDatabase } from '../../bot/src/database.ts';
import { openJournal } from '../../bot/src/matrix/journal.ts';
import { createSync, type SyncOptions } from '../../bot/src/matrix/sync.ts';
import { createReceive } from '../../bot/src/proof/receive.ts';

const event = (id: string, content: unknown = {}) => ({ event_id: id, type: 't', sender: '@a:b', content });
const inRoom = (room: unknown) => ({ next_batch: 'bad', rooms: { join: { '!r:x': room } } });
const honest = {
  ...{ next_batch: 'good', device_lists: { changed: ['@a:b'], left: null }, rooms: { leave: null } },
  device_one_time_keys_count: { signed_curve25519: 50 },
};
const withEvent = { ...honest, rooms: { join: { '!r:x': { timeline: { events: [event('$good')] } } } } };
const deep = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));

/** Syncs that are served these answers in turn. */
function scene(...answers: unknown[]) {
  const journal = openJournal(openDatabase(':memory:'));
  const stop = new AbortController();
  const failed: string[] = [];
  const served: unknown[] = [];
  const keys: string[] = [];
  const counted: unknown[] = [];
  const sync = createSync({
    me: '@bot:x',
    client: {
      async api(_: string, path: string) {
        assert.equal(path, '/sync');
        if (served.length === answers.length) stop.abort();
        if (stop.signal.aborted) throw new Error('stopped');
        served.push(journal.token());
        return answers[served.length - 1];
      },
    },
    receive: createReceive({
      machine: {
        async receiveSyncChanges(
          events: string,
          _: unknown,
          counts: Map<string, number>,
          unused?: Set<string>,
        ) {
          keys.push(events);
          counted.push([Object.fromEntries(counts), unused && [...unused]]);
        },
      } as unknown as Crypto['machine'],
      expects: (user) => user === '@a:b',
      admits: async () => true,
      advance: async () => {},
    }),
    journal,
    log: {
      error({ err }: { err: Error }) {
        failed.push(err.message);
      },
    } as unknown as Logger,
    signal: stop.signal,
    onArrivals() {},
    space: async () => {},
    pump: async () => {},
    onGap: async () => {},
  } as unknown as SyncOptions);
  return { sync, journal, failed, served, keys, counted };
}

test('to-device messages of people who belong here reach the machine, all but what is nested too deep to be written down', async () => {
  const key = (n: number) => ({ type: 'm.room.encrypted', sender: '@a:b', content: { ciphertext: { n } } });
  const none = [undefined, 5, { type: 'x' }, { ...key(4), sender: '@stranger:b' }];
  const events = [key(0), key(1), { ...key(2), content: deep(1000) }, ...none, key(3)];
  const s = scene({ ...honest, to_device: { events } });
  await s.sync.catchUp();
  assert.deepEqual(
    s.keys.map((text) => JSON.parse(text)),
    [[key(0), key(1), key(3)]],
  );
});

test('counts of keys that a sync leaves out are the last ones, and only those that it states are others', async () => {
  const news = { device_lists: { changed: ['@a:b'] } };
  const stated = {
    device_one_time_keys_count: { signed_curve25519: 50 },
    device_unused_fallback_key_types: ['x'],
  };
  const answers = [
    { ...news, ...stated },
    news,
    { ...news, device_one_time_keys_count: null, device_unused_fallback_key_types: null },
    {},
    { device_one_time_keys_count: {}, device_unused_fallback_key_types: [] },
    news,
  ];
  const s = scene(...answers.map((answer) => ({ next_batch: 'n', ...answer })));
  for (const _ of answers) await s.sync.catchUp();
  const kept = [{ signed_curve25519: 50 }, ['x']];
  assert.deepEqual(s.counted, [kept, kept, kept, [{}, []], [{}, []]], 'and no news of them is none');
});

const malformed: Record<string, unknown> = {
  ...{ nothing: null, text: 'x', list: [], 'no next_batch': { rooms: {} }, 'odd token': { next_batch: 5 } },
  'a bad id': { next_batch: 'bad', device_lists: { changed: ['nobody'] } },
  'ids that are no texts': { next_batch: 'bad', device_lists: { left: [null] } },
  'a room that is null': inRoom(null),
  'events that are no list': inRoom({ timeline: { events: 5 } }),
  'state that is no list': inRoom({ state: { events: {} } }),
  'a timeline that is none': inRoom({ timeline: 'x' }),
  'rooms that are none': { next_batch: 'bad', rooms: { join: 'x' } },
  'a count that is none': { next_batch: 'bad', device_one_time_keys_count: { signed_curve25519: 'x' } },
  'keys that are no list': { next_batch: 'bad', device_unused_fallback_key_types: 5 },
  'messages that are no list': { next_batch: 'bad', to_device: { events: 'x' } },
};

test('an answer that is no sync is tried again after the pause, with the same token; the next good one is taken', async () => {
  const each = Object.entries(malformed).flatMap(([what, answer]) =>
    (['catchUp', 'follow'] as const).map(async (how) => {
      const s = scene(answer, withEvent);
      await s.sync[how]();
      assert.deepEqual(s.served, [undefined, undefined], what);
      assert.equal(s.failed.length, 1, what);
      assert.match(s.failed[0] ?? '', /malformed/, what);
      assert.deepEqual([s.journal.token(), s.journal.next()?.wire.event_id], ['good', '$good'], what);
    }),
  );
  await Promise.all(each);
});

test('an event nested too deep to be written down is dropped, the others of its sync are taken', async () => {
  const events = [event('$deep', { x: deep(20_000) }), event('$good', { x: deep(100) })];
  const s = scene({ ...honest, rooms: { join: { '!r:x': { timeline: { events } } } } });
  await s.sync.catchUp();
  assert.deepEqual([s.journal.token(), s.journal.next()?.wire.event_id], ['good', '$good']);
  assert.deepEqual(s.failed, []);
});

test('an event that is larger than Matrix allows, or has a longer name, is dropped; the largest is taken', async () => {
  const name = (bytes: number) => `$${'ä'.repeat((bytes - 1) / 2)}`;
  const large = (bytes: number) => ({ x: 'y'.repeat(bytes - '{"x":""}'.length) });
  const events = [
    event('$large', large(65_537)),
    event(name(257)),
    { ...event('$type'), type: 't'.repeat(256) },
    { ...event('$state'), state_key: 's'.repeat(256) },
    { ...event('$beside'), unsigned: { x: 'y'.repeat(1 << 18) } },
    event(name(255), large(65_536)),
  ];
  const s = scene({ ...honest, rooms: { join: { '!r:x': { timeline: { events } } } } });
  await s.sync.catchUp();
  assert.equal(s.journal.next()?.wire.event_id, name(255));
  assert.deepEqual(s.failed, []);
});
