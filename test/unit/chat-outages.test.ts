/** When the room is told of a part that is down, and that it is back: once each, whatever the part does in between. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase } from '../../bot/src/database.ts';
import { createOutages, type PartName, type State } from '../../bot/src/room/outages.ts';
import type { RoomId } from '../../bot/src/types.ts';
import { log, room } from '../harness/desk.ts';

const rest = { brain: 'up', disk: 'up', homeserver: 'up' } as const;
const well = { ledger: 'up', history: 'up', executor: 'up', ...rest } as const;
/** Outages on a clock of the test's, in a room that keeps what is posted and edited; `posting` may hold that up. */
function scene(rooms: readonly RoomId[] = [room]) {
  const db = openDatabase(':memory:');
  const said: string[] = [];
  const sent = new Map<string, string>();
  let held: Promise<void> = Promise.resolve();
  const matrix = {
    async post(in_: string, _type: string, content: { body: string }, o: { txn: string }) {
      await held;
      const known = sent.get(in_ + o.txn);
      if (known) return known;
      said.push(content.body);
      sent.set(in_ + o.txn, `$${said.length}`);
      return `$${said.length}`;
    },
    async edit(_room: string, event: string, content: { body: string }) {
      said.push(`edit of ${event}: ${content.body}`);
    },
  };
  const make = (): ReturnType<typeof createOutages> =>
    createOutages({
      db,
      log,
      rooms: () => rooms,
      matrix: matrix as unknown as Parameters<typeof createOutages>[0]['matrix'],
    });
  let outages = make();
  let now = Date.parse('2026-01-01T14:00:00');
  return {
    said,
    /** So many seconds of a state, looked at every five. */
    async pass(seconds: number, states: Partial<Record<PartName, State>> = {}) {
      for (let at = 0; at < seconds; at += 5) {
        now += 5000;
        outages.look({ ...well, ...states }, now);
        await new Promise(setImmediate);
      }
    },
    restart: () => {
      outages = make();
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return resolve;
    },
  };
}

for (const part of ['ledger', 'executor', 'brain', 'disk'] as const)
  test(`the ${part} down for ten minutes is told once, and so is that it is back`, async () => {
    const s = scene();
    await s.pass(600);
    assert.deepEqual(s.said, []);
    await s.pass(600, { [part]: 'down' });
    await s.pass(600);
    assert.equal(s.said.length, 2, s.said.join('\n'));
    assert.match(s.said[0] ?? '', /^⚠️ .* since 14:10\. \w/);
    assert.match(s.said[1] ?? '', /^edit of \$1: ✅ .* \(14:10 to 14:20\)\. \w/);
  });

test('what was down for a moment is not told', async () => {
  const s = scene();
  for (let i = 0; i < 5; i++) {
    await s.pass(15, { ledger: 'down', executor: 'down', brain: 'down', homeserver: 'down' });
    await s.pass(300);
  }
  assert.deepEqual(s.said, []);
});

test('a part that comes and goes is one outage, told once', async () => {
  const s = scene();
  for (let i = 0; i < 30; i++) {
    await s.pass(60, { brain: 'down' });
    await s.pass(10);
  }
  assert.equal(s.said.length, 1, s.said.join('\n'));
  await s.pass(60);
  assert.equal(s.said.length, 2);
});

test('a restart of the bot tells neither again: not the outage, and not its end', async () => {
  const s = scene();
  await s.pass(100, { executor: 'down' });
  s.restart();
  await s.pass(100, { executor: 'unknown' });
  await s.pass(100, { executor: 'down' });
  assert.equal(s.said.length, 1);
  s.restart();
  await s.pass(100);
  assert.match(s.said[1] ?? '', /^edit of \$1: .*is back \(14:00 /);
  s.restart();
  await s.pass(100);
  assert.equal(s.said.length, 2);
});

test('an executor that cannot be heard of, because the ledger is down, is not told as down', async () => {
  const s = scene();
  await s.pass(600, { ledger: 'down', executor: 'unknown' });
  await s.pass(15, { executor: 'down' }); // until it has found the ledger again
  await s.pass(100);
  assert.equal(s.said.length, 2);
  assert.ok(s.said.every((text) => text.includes('The ledger is')));
});

test('a homeserver that was away is told when it is back, if that took minutes', async () => {
  const s = scene();
  await s.pass(100, { homeserver: 'down' });
  await s.pass(100);
  assert.deepEqual(s.said, []);
  await s.pass(3600, { homeserver: 'down' });
  await s.pass(100);
  assert.equal(s.said.length, 1);
  assert.match(s.said[0] ?? '', /^✅ The homeserver was away and is back \(14:03 to 15:03\)/);
});

test('what could not be said for hours is said once, and what is over by then ends as over', async () => {
  const s = scene();
  const let_ = s.hold();
  await s.pass(7200, { ledger: 'down' });
  await s.pass(60);
  assert.deepEqual(s.said, []);
  let_();
  await s.pass(60);
  assert.equal(s.said.length, 2, s.said.join('\n'));
  assert.match(s.said[1] ?? '', /^edit of \$1: ✅/);
});

test('each room is told, and where nobody is paired none', async () => {
  const two = scene([room, '!other:x' as RoomId]);
  await two.pass(60, { ledger: 'down' });
  await two.pass(60);
  assert.equal(two.said.length, 4);
  const none = scene([]);
  await none.pass(60, { ledger: 'down' });
  await none.pass(60);
  assert.deepEqual(none.said, []);
});
