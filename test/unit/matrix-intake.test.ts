/** From the sync to the handling: what fails, what nobody can read and what is missing hold up nothing for ever. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Crypto, openCrypto, type wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { MatrixError } from 'matrix-bot-sdk';
import pino from 'pino';
import { openDatabase } from '../../bot/src/database.ts';
import { createInbox, type InboxOptions } from '../../bot/src/inbox.ts';
import type { Client } from '../../bot/src/matrix/client.ts';
import { type Journal, openJournal, patience } from '../../bot/src/matrix/journal.ts';
import { createSync } from '../../bot/src/matrix/sync.ts';
import { takeIn } from '../../bot/src/proof/decrypt.ts';
import type { RoomId, Taken, UserId, WireEvent } from '../../bot/src/types.ts';
import { until } from '../harness/wait.ts';

const dir = mkdtempSync(join(tmpdir(), 'intake-'));
const crypto = await openCrypto({
  dir,
  storeKey: new Uint8Array(32).fill(1),
  user: '@bot:x',
  device: 'BOT',
  recipients: () => [],
  panic: (error) => {
    throw error;
  },
});
const stop = new AbortController();
after(() => {
  stop.abort();
  rmSync(dir, { recursive: true, force: true });
});

const log = pino({ level: 'silent' });
const room = '!r:x' as RoomId;
const event = (id: string, type = 'm.reaction', content: Record<string, unknown> = {}) =>
  ({ event_id: id, type, sender: '@owner:x', content, origin_server_ts: 0 }) as unknown as WireEvent;
/** A Megolm message in form: version, index 0, sixteen bytes of ciphertext, MAC and signature. */
const megolm = Buffer.concat([Buffer.from([3, 8, 0, 18, 16]), Buffer.alloc(16 + 8 + 64, 1)]);
const unreadable = (id: string) =>
  event(id, 'm.room.encrypted', {
    ...{ algorithm: 'm.megolm.v1.aes-sha2', ciphertext: megolm.toString('base64').replace(/=+$/, '') },
    ...{ session_id: `session of ${id}`, device_id: 'PHONE' },
  });

type Over = Partial<InboxOptions> & { handle?(t: Taken): Promise<void>; decrypt?: Crypto['decrypt'] };
function intake(wires: readonly WireEvent[], over: Over, journal = openJournal(openDatabase(':memory:'))) {
  const handled: string[] = [];
  const aside: string[] = [];
  const { decrypt = crypto.decrypt, handle = async (t) => void handled.push(t.wire.event_id) } = over;
  const it = createInbox({
    ...{ journal, log, signal: stop.signal },
    async open(of, wire) {
      const t = await takeIn({ ...crypto, decrypt }, { replay: () => true }, of, wire);
      return { missingKey: t.missingKey === true, handle: (late) => handle(late ? { ...t, late } : t) };
    },
    mayBeLate: () => true,
    onSealed: () => {},
    isDown: () => false,
    setAside: async (_, wire, error) => void aside.push(`${wire.event_id} ${(error as Error).message}`),
    ...over,
  });
  journal.accept(
    wires.map((wire) => ({ room, wire })),
    [],
    'token',
  );
  it.kick();
  return { journal, handled, aside, it };
}

test('an event that cannot be handled is set aside and told, one that waits for a part is not', async () => {
  const tries = { broken: 0, down: 0 };
  const handled: string[] = [];
  const { aside, it, journal } = intake([event('$broken'), event('$down'), event('$last')], {
    async handle(t) {
      if (t.wire.event_id === '$broken' && ++tries.broken) throw new Error('broken');
      if (t.wire.event_id === '$down' && ++tries.down <= tries.broken) throw new Error('down');
      handled.push(t.wire.event_id);
    },
    isDown: (error) => (error as Error).message === 'down',
  });
  await it.idle();
  assert.deepEqual(aside, ['$broken broken']);
  assert.deepEqual(handled, ['$down', '$last']);
  assert.equal(tries.down, tries.broken + 1, 'more tries than a broken one gets');
  assert.equal(journal.next(), undefined);
});

test('what is to be written with the mark of its event is written with it, once, or not at all', async () => {
  const db = openDatabase(':memory:');
  db.exec('CREATE TABLE words(text TEXT)');
  const add = db.prepare('INSERT INTO words VALUES(?)');
  const kept = () =>
    db
      .prepare('SELECT text FROM words')
      .all()
      .map(({ text }) => text);
  const journal = openJournal(db);
  let tries = 0;
  const { it } = intake(
    [event('$words'), event('$next')],
    {
      open: async (_, wire) => ({
        missingKey: false,
        async handle(_, withMark) {
          const attempt = ++tries;
          withMark(() => add.run(`${wire.event_id} ${attempt}`));
          if (attempt === 1) throw new Error('once more');
          assert.deepEqual(kept(), wire.event_id === '$next' ? ['$words 2'] : []);
        },
      }),
    },
    journal,
  );
  await it.idle();
  assert.deepEqual([kept(), journal.next()], [['$words 2', '$next 3'], undefined]);

  journal.accept([{ room, wire: event('$full') }], [], 'token');
  const seq = journal.next()?.seq ?? assert.fail();
  const full = () => {
    throw new Error('the disk is full');
  };
  assert.throws(() => journal.done(seq, [() => void add.run('told'), full]), /full/);
  assert.deepEqual([kept().length, journal.next()?.seq], [2, seq], 'neither the words nor the mark');
});

test('what nobody can read holds up a tap for one wait, however much of it there is', async () => {
  const junk = Array.from({ length: 60 }, (_, i) => unreadable(`$junk${i}`));
  const start = performance.now();
  const { handled, it } = intake([...junk, event('$tap')], {});
  await it.idle();
  const ms = performance.now() - start;
  assert.equal(handled.at(-1), '$tap');
  assert.equal(handled.length, 61);
  assert.ok(ms > 1400, `a key may come a little later than its event: ${ms}`);
  assert.ok(ms < 15_000, `${ms}`); // 90 s, if each waited
});

test('a gap that cannot be filled is told until somebody has dealt with it, over a restart too', async () => {
  const db = openDatabase(':memory:');
  const synced = (limited: boolean) => ({
    next_batch: 'later',
    rooms: { join: { [room]: { timeline: { limited, prev_batch: 'p', events: [] } } } },
  });
  const answers = [synced(true), synced(false)];
  const client = {
    async api(_: string, path: string) {
      if (path === '/sync') return answers.shift() ?? synced(false);
      throw new MatrixError({ errcode: 'M_UNKNOWN', error: 'not to be had' }, 403);
    },
  } as unknown as Client;
  const told: string[] = [];
  const follow = (journal: Journal, deal: () => Promise<void>) =>
    createSync({
      space: async () => {},
      ...{ me: '@bot:x' as UserId, client, journal, log, signal: stop.signal },
      onArrivals: () => {},
      receive: async () => {},
      pump: async () => {},
      onGap: (_, why) => {
        told.push(why);
        return deal();
      },
    });
  const first = openJournal(db);
  first.accept([], [], 'before');
  await follow(first, () => Promise.reject(new Error('no ledger'))).catchUp();
  assert.deepEqual(told, ['not to be had']);
  const second = openJournal(db);
  assert.equal(second.token(), 'later', 'the server says nothing of it again');
  await follow(second, async () => {}).catchUp();
  await until('the gap is dealt with', () => second.gaps().length === 0);
  assert.deepEqual(told, ['not to be had', 'not to be had']);
});

test('after a restart what waits for its key is tried again: told once, and heard late where the key is there', async () => {
  const first = intake([unreadable('$a'), unreadable('$b')], {});
  await first.it.idle();
  assert.deepEqual(first.handled, ['$a', '$b']);
  const late: unknown[] = [];
  const clear = { event: JSON.stringify({ type: 'm.room.message', content: {} }), sender: '@owner:x' };
  const opened = { ...clear, senderCurve25519Key: 'C', shieldState: () => ({}) };
  const decrypt: Crypto['decrypt'] = async (of, wire) =>
    (wire as WireEvent).event_id === '$b'
      ? (opened as unknown as W.DecryptedRoomEvent)
      : crypto.decrypt(of, wire);
  const handle = async (t: Taken) => void late.push([t.wire.event_id, t.late]);
  for (const _ of [1, 2]) await intake([], { handle, decrypt }, first.journal).it.idle();
  assert.deepEqual(late, [['$b', true]]);
  assert.equal(first.journal.next(), undefined);
});

test('only the newest of what cannot be read wait, and not for ever', () => {
  const journal = openJournal(openDatabase(':memory:'));
  const all = Array.from({ length: patience.most + 5 }, (_, i) => unreadable(`$${i}`));
  journal.accept(
    all.map((wire) => ({ room, wire })),
    [],
    'token',
  );
  for (let next = journal.next(); next; next = journal.next()) journal.keep(next, 'S', 1000);
  assert.equal(journal.wake(1000, { room, session: 'another' }), false);
  assert.equal(journal.wake(1001 + patience.time, { room, session: 'S' }), false, 'too late');
  journal.forget('$50');
  assert.equal(journal.wake(1000, { room, session: 'S' }), true);
  const woken: string[] = [];
  for (let next = journal.next(); next; next = journal.next()) {
    woken.push(next.wire.event_id);
    journal.done(next.seq);
  }
  assert.deepEqual(
    woken,
    all
      .slice(5)
      .map((e) => e.event_id)
      .filter((id) => id !== '$50'),
  );
  assert.equal(journal.wake(1000, { room, session: 'S' }), false, 'each once');
});
