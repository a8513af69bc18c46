/** The bytes that stand beside an entry, which can be large: they go in and come out in pieces, and are never held whole. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Entry, entryOf } from './entry.ts';
import { LedgerError, unreachable } from './errors.ts';
import type { Session } from './session.ts';

/** Gives the bytes from their beginning, anew at each call. A throw while they are read counts as a ledger that is away. */
export type Source = () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

const longestPiece = 600; // seconds that one request for bytes may take

/** A multipart form (RFC 7578). Plain fields would have their types guessed, so they go as JSON. */
async function* form(fields: object, source: Source, boundary: string): AsyncGenerator<Uint8Array> {
  const part = (rest: string) => `--${boundary}\r\ncontent-disposition: form-data; name=${rest}\r\n\r\n`;
  yield Buffer.from(`${part('"@jsonPayload"')}${JSON.stringify(fields)}\r\n`);
  yield Buffer.from(
    part('"transcript"; filename="transcript.bin"\r\ncontent-type: application/octet-stream'),
  );
  yield* source();
  yield Buffer.from(`\r\n--${boundary}--\r\n`);
}

/** All pieces as one, where they are exactly so many bytes; no more are read than that. */
export async function wholeOf(
  pieces: AsyncIterable<Uint8Array>,
  size: number,
): Promise<Uint8Array | undefined> {
  const whole = Buffer.alloc(size);
  let at = 0;
  for await (const piece of pieces) {
    if (at + piece.length > size) return undefined;
    whole.set(piece, at);
    at += piece.length;
  }
  return at === size ? whole : undefined;
}

/** In place of fetch, which takes all of a body at once and holds what the other side has not taken yet. */
async function post(
  url: string,
  { headers, signal }: RequestInit = {},
  body: AsyncIterable<Uint8Array>,
): Promise<Response> {
  const sending = request(url, {
    method: 'POST',
    headers: headers as OutgoingHttpHeaders,
    ...(signal && { signal }),
  });
  sending.on('error', () => {}); // told by whatever is waited for; what comes after the answer matters to nobody
  pipeline(body, sending).catch(() => {}); // which is an error of the request as well
  const [answer] = (await once(sending, 'response')) as [IncomingMessage];
  const bytes = await buffer(answer);
  if (!sending.writableFinished) sending.destroy(); // refused before all of it was read
  return new Response(bytes.length > 0 ? bytes : null, { status: answer.statusCode ?? 0 });
}

/** Creates the entry with these fields and this transcript, in one attempt. */
export async function sendTranscript(
  { pb }: Session,
  fields: object,
  source: Source,
  signal: AbortSignal,
): Promise<Entry> {
  const boundary = randomUUID();
  const record = await pb.send('/api/collections/entries/records', {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    signal,
    fetch: (url, init) => post(String(url), init, form(fields, source, boundary)),
  });
  return entryOf(record);
}

/**
 * A transcript's bytes from one place on and, if that is given, up to another (RFC 9110, range requests). What breaks off is
 * gone on with. @throws LedgerError
 */
export async function* readTranscript(
  session: Session,
  entry: Entry,
  from = 0,
  to = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to; ) {
    const before = at;
    const body = await session.patient((signal) => open(session, entry, at, to, signal), longestPiece);
    try {
      for await (const bytes of body) {
        at += bytes.length;
        yield bytes;
      }
      return;
    } catch {
      if (at === before) throw unreachable(`The transcript of entry ${entry.seq} broke off.`);
    }
  }
}

async function open(
  { pb }: Session,
  entry: Entry,
  from: number,
  to: number,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const token = await pb.files.getToken({ signal });
  const url = pb.files.getURL({ ...entry, collectionName: 'entries' }, entry.transcript, { token });
  const range = `bytes=${from}-${Number.isFinite(to) ? to - 1 : ''}`;
  let response: Response;
  try {
    response = await fetch(url, { headers: { range }, signal });
  } catch {
    throw unreachable(`The transcript of entry ${entry.seq} can't be read now.`);
  }
  const whole = response.status === 200 && from === 0; // an empty one has no ranges
  if ((response.status === 206 || whole) && response.body) return response.body;
  throw new LedgerError('failed', response.status, `The ledger has no transcript for entry ${entry.seq}.`);
}
