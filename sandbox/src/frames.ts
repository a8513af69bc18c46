/** The feeder's frames (image/feed.c): u32 length, u8 type, 15 bytes of action id, payload; numbers are big-endian. */
import type { Script } from './script.ts';

export type Status = {
  how: 'exit' | 'signal' | 'timeout' | 'stopped' | 'flood' | 'full' | 'room' | 'broken';
  number: number;
  size: number;
  /** Processes that still ran when the script ended, and were ended. */
  left: number;
  /** Processes that the kernel ended because memory ran out. */
  memory: number;
  /** Times that a process was refused, for there were too many. */
  processes: number;
};
/** How an action stands for good as far as its container can tell: `unknown` has no live runner and left no status. */
export type End =
  | { end: 'done'; status: Status }
  | { end: 'unknown' }
  | { end: 'never' }
  | { end: 'refused'; why: string };
export type Update = { id: string } & ({ running: true } | { offset: number; bytes: Uint8Array } | End);

const idLength = 15;
/** Of `room`: a runner, or a terminal's first process, saw too little of the disk (image/room.c). */
export const noRoom =
  'less of the disk was left than the ledger needs (1 GiB, and twice the output): take away what is not needed there, then ask again';

const hows = ['exit', 'signal', 'timeout', 'stopped', 'flood', 'full', 'room', 'broken'] as const;

function frame(type: string, id: string, ...payload: Uint8Array[]): Buffer {
  if (!/^[a-z0-9]{15}$/.test(id)) throw new Error(`not an action id: ${JSON.stringify(id)}`);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(payload.reduce((sum, part) => sum + part.length, 1 + idLength));
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, Buffer.from(id, 'latin1'), ...payload]);
}

/** Start this script as the action `id`; refused for ever after the first time. */
export function runFrame(id: string, script: Script): Buffer {
  const strings = [script.cwd, ...Object.entries(script.env).map(([name, value]) => `${name}=${value}`)];
  const head = Buffer.alloc(9);
  head.write(script.program === 'bash' ? 'b' : 'f', 0, 'latin1');
  head.writeUInt32BE(script.timeout, 1);
  head.writeUInt32BE(strings.length, 5);
  const { input, rest = new Uint8Array() } = script;
  return frame('R', id, head, Buffer.from(strings.map((s) => `${s}\0`).join('')), input, rest);
}

/** Tell the action's state and send its output from `offset` on. */
export function watchFrame(id: string, offset: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeBigUInt64BE(BigInt(offset));
  return frame('W', id, payload);
}

/** End the running action. */
export const killFrame = (id: string): Buffer => frame('K', id);

/** Delete the bytes of an action that is over and whose result is recorded. */
export const dropFrame = (id: string): Buffer => frame('D', id);

function status(text: string): Status {
  const [word, ...rest] = text.split(' ');
  const how = hows.find((h) => h === word);
  const [number = 0, size = 0, left = 0, memory = 0, processes = 0] = rest.map(Number);
  const all = { number, size, left, memory, processes };
  if (!how || rest.length !== 5 || !Object.values(all).every(Number.isInteger))
    throw new Error(`the feeder sent a status that is none: ${JSON.stringify(text)}`);
  return { how, ...all };
}

function update(type: string, id: string, payload: Buffer): Update {
  if (type === 'O') return { id, offset: Number(payload.readBigUInt64BE(0)), bytes: payload.subarray(8) };
  const text = payload.toString('utf8');
  if (type === 'S') return { id, end: 'done', status: status(text) };
  if (type === 'E') return { id, end: 'refused', why: text };
  if (type === 'A' && text === 'r') return { id, running: true };
  if (type === 'A' && text === 'u') return { id, end: 'unknown' };
  if (type === 'A' && text === 'n') return { id, end: 'never' };
  throw new Error(`the feeder sent a frame of unknown type ${JSON.stringify(type)}`);
}

/** Makes updates of a byte stream, however it is cut. The returned function throws on what no feeder sends. */
export function updateParser(onUpdate: (u: Update) => void): (chunk: Uint8Array) => void {
  let held = Buffer.alloc(0);
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 4) {
      const length = held.readUInt32BE(0);
      if (length < 1 + idLength || length > 1 << 20)
        throw new Error(`the feeder sent a frame of ${length} bytes`);
      if (held.length < 4 + length) return;
      const id = held.toString('latin1', 5, 5 + idLength);
      onUpdate(update(held.toString('latin1', 4, 5), id, held.subarray(5 + idLength, 4 + length)));
      held = held.subarray(4 + length);
    }
  };
}
