import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase } from '../../bot/src/database.ts';
import { createTour } from '../../bot/src/room/tour.ts';
import { log } from '../harness/desk.ts';

/** A tour over a homeserver that takes each transaction once, as the real one does. */
function scene() {
  const db = openDatabase(':memory:');
  const said = new Map<string, string>();
  const state = { down: false };
  const start = () =>
    createTour({
      db,
      log,
      async say(workspace, text, txn) {
        if (state.down) throw new Error('down');
        said.set(`${workspace} ${txn}`, text);
      },
    });
  const steps = () => [...said.values()].map((text) => /(\d) of 5/.exec(text)?.[1]).join('');
  return { start, steps, said, state };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('the tour goes on with what a person does, and only with that', async () => {
  const { start, steps, said } = scene();
  const tour = start();
  tour.did('main', 'succeeded');
  assert.equal(steps(), '', 'it has not begun');
  tour.first('main');
  for (const deed of ['denied', 'stopped', 'expired'] as const) tour.did('main', deed);
  tour.did('other', 'succeeded');
  assert.equal(steps(), '1');
  for (const deed of ['succeeded', 'denied', 'stopped', 'succeeded', 'succeeded', 'denied'] as const)
    tour.did('main', deed);
  assert.equal(steps(), '12345');
  for (const text of said.values()) assert.ok(text.length < 320, `${text.length}: ${text}`);
  tour.first('main');
  assert.equal(steps(), '12345', 'one more pairing is no reason to tell it again');
  tour.again('main');
  tour.did('main', 'succeeded');
  assert.equal(steps(), '1234512');
});

test('it survives a restart, says nothing twice, and what could not be said is said then', async () => {
  const { start, steps, state } = scene();
  const tour = start();
  tour.first('main');
  await turn();
  start().resume();
  assert.equal(steps(), '1');
  state.down = true;
  tour.did('main', 'succeeded');
  await turn();
  assert.equal(steps(), '1');
  state.down = false;
  const later = start();
  later.resume();
  await turn();
  later.resume();
  later.did('main', 'denied');
  assert.equal(steps(), '123');
});

test('off means off, over a restart and one more pairing too', () => {
  const { start, steps } = scene();
  const tour = start();
  tour.first('main');
  tour.off('main');
  tour.did('main', 'succeeded');
  const later = start();
  later.resume();
  later.first('main');
  later.did('main', 'succeeded');
  assert.equal(steps(), '1');
});
