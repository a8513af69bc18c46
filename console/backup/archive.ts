/**
 * The inside of a backup, one tar as the engine makes it of a container's directory: below `backup/` stand manifest.json, the
 * state directory's files in home/, the bot's own part in bot/ and every other volume in volumes/.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { extract } from 'tar-stream';
import { checkout } from '../instance/paths.ts';
import { projectVolumes } from '../instance/volumes.ts';

export type Manifest = {
  /** ISO 8601. */
  at: string;
  /** Of the state, and the ledger's migrations: what a release must know to open it. */
  version: number;
  migrations: string[];
  /** Names without the project's. */
  volumes: { name: string; labels: Record<string, string> }[];
};

/** Where all of it lies in the container. */
export const root = '/backup';
/** The bot's own volume is never copied as it is: its key store must not come back. */
const botVolume = '_bot_data';
/** Where a volume's files lie there, by its name without the project's. */
export const placeOf = (volume: string): string =>
  volume === botVolume ? `${root}/bot` : `${root}/volumes/${volume}`;

/** Made anew on every machine, and run or believed there: what a backup holds of the state directory is the rest. */
export const made = /^((bin|drill)\/.*|compose\.env|dockerd\.log|last-(backup|drill)\.json|.*\.new)$/;
/** Rewritten at every start, of use to a running action alone, or the snapshots that undo goes back to; those of a task's own copy of a workspace hold what a merge goes by. */
const passing = /^(_.*_config|-(out|snap)-(?!apart-[a-z]{8}\.).*)$/;

/** The ledger's migrations that this release knows. */
export const migrations = (): string[] =>
  readdirSync(join(checkout, 'ledger/pb_migrations')).filter((name) => name.endsWith('.js'));

/** The volumes of a project that a backup holds, the bot's among them. */
export async function volumesOf(docker: Docker, project: string): Promise<Manifest['volumes']> {
  return (await projectVolumes(docker, project))
    .map(({ Name, Labels }) => ({ name: Name.slice(project.length), labels: Labels ?? {} }))
    .filter(({ name }) => !passing.test(name));
}

/**
 * Reads all of it, and keeps what is no volume's. Throws where it is damaged, or none.
 * @returns also how many files each volume has, by its place below the root
 */
export async function readArchive(
  stream: Readable,
): Promise<{ manifest: Manifest; home: Map<string, Buffer>; files: Map<string, number> }> {
  const tar = extract();
  stream.on('error', (error) => tar.destroy(error)).pipe(tar);
  const home = new Map<string, Buffer>();
  const files = new Map<string, number>();
  let manifest: Manifest | undefined;
  for await (const entry of tar) {
    const [, inHome = ''] = /^backup\/home\/(.+)/.exec(entry.header.name) ?? [];
    const [, place] = /^backup\/(bot|volumes\/[^/]+)\/./.exec(entry.header.name) ?? [];
    if (place && ['file', 'link'].includes(entry.header.type ?? ''))
      files.set(place, (files.get(place) ?? 0) + 1);
    if (entry.header.name === 'backup/manifest.json')
      manifest = JSON.parse((await buffer(entry)).toString()) as Manifest;
    else if (inHome && entry.header.type === 'file') home.set(inHome, await buffer(entry));
    else entry.resume();
  }
  if (!manifest) throw new Error('it is no backup of PocketCoder');
  return { manifest, home, files };
}
