/** Requests to the homeserver: retried while it is down, patient with its rate limits, ended by `stop`. */
import { retry } from '@pocketcoder/ledger/src/retry.ts';
import { MatrixError } from 'matrix-bot-sdk';

export type RequestOptions = {
  query?: Record<string, unknown>;
  /** Bytes are sent as they are, anything else as JSON. */
  body?: unknown;
  contentType?: string;
  token?: string;
  /** Milliseconds for one try. */
  timeout?: number;
  /** Milliseconds to go on trying while the server is down; for ever if absent. */
  patience?: number;
  /** Bytes of an answer, at most (32 MiB if absent): where there are more, no more are read, and MatrixError M_TOO_LARGE is thrown. */
  most?: number;
};
export type Answer = { status: number; headers: Headers; bytes: Buffer };
export type Http = (method: string, path: string, o?: RequestOptions) => Promise<Answer>;
export type HttpOptions = {
  base: string;
  signal: AbortSignal;
  onState(state: 'up' | 'down', why?: string): void;
};

const mostBytes = 32 << 20;
const backOff = { first: 200, most: 10_000 };
/** A server that answers 500 to the same request again and again won't take it later either. */
const triesOf500 = 5;

function url(base: string, path: string, query: Record<string, unknown> = {}): string {
  const used = Object.entries(query).filter(([, v]) => v !== undefined && v !== null);
  const text = new URLSearchParams(used.map(([k, v]) => [k, String(v)])).toString();
  return base.replace(/\/+$/, '') + path + (text && `?${text}`);
}

function request(method: string, o: RequestOptions, stop: AbortSignal): RequestInit {
  const bytes = o.body instanceof Uint8Array;
  const body = bytes ? (o.body as Uint8Array<ArrayBuffer>) : JSON.stringify(o.body);
  return {
    method,
    redirect: 'error', // the token goes to this server and no other
    signal: AbortSignal.any([stop, AbortSignal.timeout(o.timeout ?? 30_000)]),
    headers: {
      ...(o.token && { authorization: `Bearer ${o.token}` }),
      ...(o.body !== undefined && { 'content-type': bytes ? (o.contentType ?? '') : 'application/json' }),
    },
    ...(o.body !== undefined && { body }),
  };
}

function failure(answer: Answer): MatrixError {
  let body: unknown;
  try {
    body = JSON.parse(answer.bytes.toString('utf8'));
  } catch {
    body = undefined; // a proxy's page: the status has to do
  }
  const known = typeof body === 'object' && body !== null && 'errcode' in body ? body : {};
  const retry_after_ms = Number(answer.headers.get('retry-after')) * 1000;
  const other = { errcode: 'M_UNKNOWN', error: `the homeserver answered ${answer.status}`, retry_after_ms };
  return new MatrixError({ ...other, ...known }, answer.status);
}

const words = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
};

/** The server's bytes: what it says of their number is not believed. */
async function bytesOf(response: Response, most = mostBytes): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.length;
    if (size > most) throw new MatrixError({ errcode: 'M_TOO_LARGE', error: `more than ${most} bytes` }, 413);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** @returns a function that resolves with a 2xx answer and throws MatrixError for any other that is final */
export function createHttp({ base, signal, onState }: HttpOptions): Http {
  let down = false;
  function note(now: boolean, why?: string): void {
    if (now !== down) onState(now ? 'down' : 'up', why);
    down = now;
  }
  /** Asks something small: the request that failed may be one that the server answers after half a minute. */
  async function probe(): Promise<void> {
    const init = { redirect: 'error' as const, signal: AbortSignal.any([signal, AbortSignal.timeout(5000)]) };
    const response = await fetch(url(base, '/_matrix/client/versions'), init).catch(() => undefined);
    if (response) await bytesOf(response, 1 << 16).catch(() => undefined);
    if (response?.ok) note(false);
  }
  async function once(method: string, path: string, o: RequestOptions): Promise<Answer> {
    const response = await fetch(url(base, path, o.query), request(method, o, signal));
    const { status, headers } = response;
    const answer = { status, headers, bytes: await bytesOf(response, o.most) };
    if (status < 500) note(false);
    if (response.ok) return answer;
    throw failure(answer);
  }
  return (method, path, o = {}) => {
    const end = Date.now() + (o.patience ?? Number.POSITIVE_INFINITY);
    const attempt = async (n: number): Promise<Answer> => {
      if (n > 1 && down) await probe();
      return once(method, path, o);
    };
    return retry(attempt, {
      ...backOff,
      signal,
      again(error, tries) {
        const status = error instanceof MatrixError ? error.statusCode : 503;
        if (status === 429) return true;
        if (status < 500 || (status === 500 && tries >= triesOf500) || Date.now() > end) return false;
        note(true, words(error));
        return true;
      },
      wait(error, usual) {
        if (!(error instanceof MatrixError && error.statusCode === 429))
          return usual * (0.75 + Math.random() / 2);
        return Math.min(Math.max(error.retryAfterMs || usual, 50), 60_000);
      },
    });
  };
}
