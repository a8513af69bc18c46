/** From how an action ended to the entry that says so. */
import { constants } from 'node:os';
import type { Append } from '../../ledger/src/client.ts';
import type { Status } from './frames.ts';
import type { Outcome } from './tasks.ts';

/** Outputs up to this many bytes stand in the entry itself; longer ones, and such that are no text, are its file. */
const inline = 4096;

const signalName = (number: number): string =>
  Object.entries(constants.signals).find(([, n]) => n === number)?.[0] ?? `SIG${number}`;

const reasons: Record<Status['how'], string | undefined> = {
  exit: undefined,
  signal: undefined,
  timeout: 'timeout',
  stopped: 'stopped',
  flood: 'its output was larger than 64 MiB, or the disk was full',
  broken: 'its container could not start it; nothing was run',
};

/** The bytes as text, if the text is these bytes and nothing else. */
function exactText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function endOf({ how, number }: Status) {
  if (how === 'exit') return { kind: number === 0 ? 'succeeded' : 'failed', exit: number, signal: null };
  if (how === 'broken') return { kind: 'failed', exit: null, signal: null };
  return { kind: 'killed', exit: null, signal: signalName(how === 'signal' ? number : 9) };
}

/** The entry (without its action) for an outcome. `exit` and `signal` come from the runner's wait, never from text. */
export function resultOf(digest: string, outcome: Outcome): Append {
  if (outcome.end === 'unknown') return { kind: 'unknown', body: { digest, reason: outcome.why } };
  const { status, output, sha256 } = outcome;
  const { kind, ...how } = endOf(status);
  const reason = reasons[status.how];
  const text = output.length <= inline ? exactText(output) : undefined;
  const body = { digest, ...how, bytes: output.length, sha256, ...(reason ? { reason } : {}) };
  return text === undefined
    ? { kind, body, transcript: () => [output] }
    : { kind, body: { ...body, output: text } };
}
