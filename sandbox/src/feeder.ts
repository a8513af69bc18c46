/** The client's end of a task's feeder: one stream, any number of watched actions, each until it is over. */
import type { Duplex } from 'node:stream';
import { type End, type Update, updateParser } from './frames.ts';

/** `lost`: the stream broke before the container could tell. */
export type Ended = End | { end: 'lost' };
export type OnOutput = (offset: number, bytes: Uint8Array) => void;

export type Feeder = {
  /** Sends a run or watch frame of the action `id` and resolves when nothing more will come of it. Never rejects. */
  follow(id: string, frame: Buffer, onOutput: OnOutput): Promise<Ended>;
  /** Sends a frame that has no answer (kill, drop). */
  send(frame: Buffer): void;
  /** Whether this stream has told that the followed action has a live runner. */
  runs(id: string): boolean;
  /** Ends the stream; what runs in the container runs on. */
  close(): void;
  readonly open: boolean;
};

/** @param connect opens the stream of a feeder and has its bytes brought to the function it is given */
export async function openFeeder(
  connect: (onBytes: (bytes: Uint8Array) => void) => Promise<Duplex>,
): Promise<Feeder> {
  const followed = new Map<string, { onOutput: OnOutput; settle: (end: Ended) => void; runs: boolean }>();
  let open = true;
  let stream: Duplex | undefined;

  const finish = (id: string, end: Ended) => {
    const entry = followed.get(id);
    followed.delete(id);
    entry?.settle(end);
  };
  const lose = () => {
    open = false;
    stream?.destroy();
    for (const id of [...followed.keys()]) finish(id, { end: 'lost' });
  };
  const take = (u: Update) => {
    if ('bytes' in u) followed.get(u.id)?.onOutput(u.offset, u.bytes);
    else if ('end' in u) finish(u.id, u);
    else Object.assign(followed.get(u.id) ?? {}, { runs: true });
  };
  const parse = updateParser(take);
  stream = await connect((bytes) => {
    try {
      if (open) parse(bytes);
    } catch {
      lose(); // what no feeder sends: the next stream starts afresh, from files
    }
  });
  for (const event of ['end', 'close', 'error']) stream.on(event, lose);
  const wire = stream;

  return {
    follow(id, frame, onOutput) {
      finish(id, { end: 'lost' });
      return new Promise((settle) => {
        if (!open) return settle({ end: 'lost' });
        followed.set(id, { onOutput, settle, runs: false });
        wire.write(frame);
      });
    },
    send: (frame) => void (open && wire.write(frame)),
    runs: (id) => followed.get(id)?.runs ?? false,
    close: lose,
    get open() {
      return open;
    },
  };
}
