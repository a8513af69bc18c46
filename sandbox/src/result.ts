/** From how an action ended to the entry that says so. */

import { constants } from 'node:os';
import { reasons } from '@pocketcoder/ledger/rules/codes.cjs';
import type { Changes } from '../../ledger/src/bodies.ts';
import type { Append } from '../../ledger/src/client.ts';
import type { Limits } from './container.ts';
import { noRoom, type Status } from './frames.ts';
import type { Outcome, Output } from './tasks.ts';

/** What the action ran under: the container's limits, its own time limit in seconds, and the numbers of terminals that could write as well. */
export type Under = { limits: Limits; timeout: number; beside?: readonly number[] };

const signalName = (number: number): string =>
  Object.entries(constants.signals).find(([, n]) => n === number)?.[0] ?? `SIG${number}`;

/** What a person has to know beside the exit status, in words; a limit is named with its setting. */
function reasonOf({ how, left, memory, processes }: Status, { limits, timeout, beside = [] }: Under): string {
  const ended = how === 'exit' || how === 'signal';
  const words: (string | false)[] = [
    how === 'timeout' && `its time limit of ${timeout} s was over`,
    how === 'stopped' && reasons.stopped,
    how === 'flood' && 'its output was larger than 1000 MiB',
    how === 'full' && 'the disk is full: its output could not be kept',
    how === 'room' && noRoom,
    how === 'broken' && 'its container could not start it; nothing was run',
    memory > 0 && `out of memory: the limit is ${limits.memory_mb} MB (setting sandbox.memory_mb)`,
    processes > 0 && `too many processes: the limit is ${limits.pids} (setting sandbox.pids)`,
    ended && left === 1 && '1 process still ran and was ended',
    ended && left > 1 && `${left} processes still ran and were ended`,
    beside.length > 0 && `what changed may also be the work of the terminal of #${beside.join(' and #')}`,
  ];
  return words.filter(Boolean).join('; ');
}

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

/** A short output stands in the entry itself; a long one, and such that is no text, is its file. */
function withOutput(kind: string, body: object, { size, sha256, bytes, read }: Output): Append {
  const all = { ...body, bytes: size, sha256 };
  const text = bytes && exactText(bytes);
  return text === undefined
    ? { kind, body: all, transcript: read }
    : { kind, body: { ...all, output: text } };
}

/** The entry (without its action) for an outcome. `exit` and `signal` come from the runner's wait, never from text. */
export function resultOf(digest: string, outcome: Outcome, under: Under, changes?: Changes): Append {
  if (outcome.end === 'unknown') return { kind: 'unknown', body: { digest, reason: outcome.why } };
  if (outcome.end === 'cut') {
    const body = { digest, exit: null, signal: 'SIGKILL', reason: outcome.why, ...(changes && { changes }) };
    return withOutput('killed', body, outcome.output);
  }
  const { status, lease, why } = outcome;
  const { kind, ...how } = endOf(status);
  const reason = lease?.why ?? why ?? reasonOf(status, under);
  const went = lease && { up: lease.up, down: lease.down };
  const body = { digest, ...how, ...went, ...(reason && { reason }), ...(changes && { changes }) };
  return withOutput(kind, body, outcome.output);
}
