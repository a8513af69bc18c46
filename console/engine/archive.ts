/**
 * The inside of a backup: a tar with manifest.json, the state directory's files below home/, and the volumes as the engine
 * gives them, a tar each of the bot's and of all others, cut into pieces because nobody knows their length beforehand.
 */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { extract, pack } from 'tar-stream';
import { projectVolumes } from '../instance/volumes.ts';

export type SavedVolume = { name: string; labels: Record<string, string> };
export type Manifest = {
  /** ISO 8601. */
  at: string;
  /** Of the state, and the ledger's migrations: what a release must know to open it. */
  version: number;
  migrations: string[];
  /** Names without the project's. */
  volumes: SavedVolume[];
};
/** Where the bot's part lies in its container, and the others'. */
export const places = { bot: '/tmp/bot', volumes: '/volumes' } as const;
export type Part = keyof typeof places;

/** The bot's own volume is never copied as it is: its key store must not come back. */
export const botVolume = '_bot_data';
/** Rewritten at every start, or of use to a running action alone. */
const passing = /^(_.*_config|-out-.*)$/;

/** The volumes of a project that a backup holds, the bot's among them. */
export async function volumesOf(docker: Docker, project: string): Promise<SavedVolume[]> {
  return (await projectVolumes(docker, project))
    .map(({ Name, Labels }) => ({ name: Name.slice(project.length), labels: Labels ?? {} }))
    .filter(({ name }) => !passing.test(name));
}

const pieceSize = 4 * 2 ** 20;

async function* cut(stream: Readable): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    held.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size < pieceSize) continue;
    yield Buffer.concat(held);
    held = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(held);
}

/** Writes an archive as it is read: `fill` adds to it, at the reader's pace. */
export function writeArchive(
  fill: (
    add: (name: string, bytes: Uint8Array) => Promise<void>,
    addPart: (part: Part, stream: Readable) => Promise<void>,
  ) => Promise<void>,
): Readable {
  const tar = pack();
  const add = (name: string, bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      tar.entry({ name, mode: 0o600, mtime: new Date() }, Buffer.from(bytes), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  async function addPart(part: Part, stream: Readable): Promise<void> {
    let count = 0;
    for await (const piece of cut(stream))
      await add(`${part}.tar/${String(count++).padStart(6, '0')}`, piece);
  }
  fill(add, addPart).then(
    () => tar.finalize(),
    (error: Error) => tar.destroy(error),
  );
  // The pipes of Node and of the web know its own streams only.
  return Readable.from(tar);
}

export type Archive = {
  manifest: Manifest;
  home: Map<string, Buffer>;
  /** The parts in the order in which they were written; each to be read before the next. */
  parts(): AsyncGenerator<{ part: Part; stream: Readable }>;
};

/** Reads an archive up to its parts. Throws where it is none. */
export async function readArchive(stream: Readable): Promise<Archive> {
  const tar = extract();
  stream.on('error', (error) => tar.destroy(error)).pipe(tar);
  const entries = tar[Symbol.asyncIterator]();
  const read = async () => {
    const { value, done } = await entries.next();
    return done ? undefined : { name: value.header.name, bytes: await buffer(value) };
  };
  let next = await read();
  if (next?.name !== 'manifest.json') throw new Error('it is no backup of PocketCoder');
  const manifest = JSON.parse(next.bytes.toString()) as Manifest;
  const home = new Map<string, Buffer>();
  for (next = await read(); next?.name.startsWith('home/'); next = await read())
    home.set(next.name.slice('home/'.length), next.bytes);
  const isOf = (part: string) => next?.name.startsWith(`${part}.tar/`) === true;
  async function* piecesOf(part: string): AsyncGenerator<Buffer> {
    for (; next && isOf(part); next = await read()) yield next.bytes;
  }
  return {
    manifest,
    home,
    async *parts() {
      while (next) {
        const part = next.name.slice(0, next.name.indexOf('.tar/')) as Part;
        if (!Object.hasOwn(places, part)) throw new Error(`it holds ${next.name}, which nobody knows`);
        const pieces = piecesOf(part);
        yield { part, stream: Readable.from(pieces) };
        // An engine reads a tar up to its end mark, and no further.
        await pieces.return(undefined);
        while (isOf(part)) next = await read();
      }
    },
  };
}
