/** A tool server's container, on a stand-in for the engine: what is stopped before it is started never is. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { contained } from '../../sandbox/src/contained.ts';
import type { Held } from '../../sandbox/src/exec.ts';

function scene() {
  const done: string[] = [];
  const opened = Promise.withResolvers<Held>();
  const act = async (what: string) => void done.push(what);
  const container = { start: () => act('started'), remove: () => act('removed') };
  const held = { container, wire: new PassThrough(), out: new PassThrough() } as unknown as Held;
  const stop = new AbortController();
  const transport = contained({ hold: () => opened.promise, away: () => act('away') }, stop.signal);
  return { done, stop, transport, starting: transport.start(), open: () => opened.resolve(held) };
}

test('attack-84 a server that was stopped while its way was opened is never started, so nothing is sent with its secrets', async () => {
  const s = scene();
  s.stop.abort();
  s.open();
  await assert.rejects(s.starting, /it was ended before it was started/);
  assert.deepEqual(s.done, ['away', 'removed']);
});

test('genuine-84 one that nobody stopped is started, and a later end of what it was begun for leaves it', async () => {
  const s = scene();
  s.open();
  await s.starting;
  s.stop.abort();
  assert.deepEqual(s.done, ['started']);
  await s.transport.close();
  assert.deepEqual(s.done, ['started', 'removed', 'away']);
});
