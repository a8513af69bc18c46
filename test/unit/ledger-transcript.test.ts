/** Files on their way to the ledger: no faster than it takes them, whatever it answers. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LedgerError } from '../../ledger/src/errors.ts';
import { makeSession } from '../../ledger/src/session.ts';
import { sendTranscript } from '../../ledger/src/transcript.ts';

const size = 64 << 20;
const piece = 64 << 10;
const entry = { id: 'e', seq: 1, prev: '', at: '', author: 'executor', kind: 'succeeded', action: '' };
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const far = Buffer.from(JSON.stringify({ exp: 4e9 })).toString('base64url');

/** A ledger that takes entries as `take` does. @param take reads the request and answers */
async function ledgerThat(take: (request: IncomingMessage, response: ServerResponse) => Promise<void>) {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    if (!request.url?.endsWith('/auth-with-password')) return void take(request, response);
    response.end(JSON.stringify({ token: `a.${far}.b`, record: { id: 'r' } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.closeAllConnections());
  after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const session = makeSession({ url, identity: 'executor', password: 'p' });
  let given = 0;
  function* source() {
    for (given = 0; given < size; given += piece) yield Buffer.alloc(piece);
  }
  return {
    given: () => given,
    send: () => session.once((signal) => sendTranscript(session, { id: 'e' }, source, signal), 30),
  };
}

test('attack-54 nothing of a file is held once the ledger has taken it, and all of it comes', async () => {
  let taken = 0;
  // The least of the looks in the second half: what is free is not always given back by the next collection.
  let held = Number.POSITIVE_INFINITY;
  let looked = size / 2;
  const ledger = await ledgerThat(async (request, response) => {
    for await (const bytes of request) {
      taken += (bytes as Buffer).length;
      if (taken < looked) continue;
      looked += size / 32;
      collect();
      held = Math.min(held, process.memoryUsage().arrayBuffers);
    }
    response.end(JSON.stringify({ ...entry, body: '{}', hash: '', transcript: 't' }));
  });
  assert.equal((await ledger.send()).seq, 1);
  assert.ok(taken > size && ledger.given() === size, `${taken} bytes came of ${ledger.given()}`);
  assert.ok(held < size / 4, `${held} bytes were held`);
});

test('a refusal that comes before all of a file was read is told by its code', async () => {
  const ledger = await ledgerThat(async (_, response) => {
    const data = { entry: { code: 'not_allowed', message: 'no' } };
    response.writeHead(400).end(JSON.stringify({ status: 400, message: 'no', data }));
  });
  await assert.rejects(ledger.send(), (error: unknown) => {
    assert.ok(error instanceof LedgerError, String(error));
    assert.deepEqual([error.code, error.status], ['not_allowed', 400]);
    return true;
  });
  assert.ok(ledger.given() < size);
});
