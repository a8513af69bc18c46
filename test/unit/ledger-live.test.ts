/** What waits of a running action's output while the ledger is slow: no more than one request has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeLive } from '../../ledger/src/live.ts';
import type { Session } from '../../ledger/src/session.ts';

test('of each action waits what one request has, however much comes; the rest is dropped, what is there goes in order', async () => {
  const [asked, slow] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const took: Record<string, number[]> = { a: [], b: [] };
  const all = Promise.withResolvers<void>();
  const session = {
    once: (work: (signal: AbortSignal) => Promise<unknown>) => work(new AbortController().signal),
    pb: {
      async send(_: string, { body }: { body: { action: string; chunk: string } }) {
        took[body.action]?.push(Buffer.from(body.chunk, 'base64').length);
        asked.resolve();
        if (body.action === 'end') all.resolve();
        await slow.promise;
      },
    },
  } as unknown as Session;
  const live = makeLive(session);
  const chunk = new Uint8Array(64 << 10);
  live.send('a', chunk);
  await asked.promise;
  for (let i = 0; i < 50; i++) for (const action of ['a', 'b']) live.send(action, chunk);
  live.send('end', chunk);
  slow.resolve();
  await all.promise;
  await new Promise(setImmediate); // what else waits goes at once
  assert.deepEqual(took, { a: [64 << 10, 128 << 10], b: [128 << 10] });
});
