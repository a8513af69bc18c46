/** Writes what an export gave: a tar whose names and links may be the agent's, so that nothing outside of one place is touched. */
import { mkdir, open, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { extract } from 'tar-stream';
import { fault } from '../fault.ts';

/** Whether a link, wherever it stands, leads to something below the root through no other name that climbs out. */
export function staysInside(name: string, target: string): boolean {
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const up = parts.findIndex((part) => part !== '..');
  const climbs = up < 0 ? parts.length : up;
  const depth = name.split('/').length - 1;
  return !target.startsWith('/') && climbs <= depth && !parts.slice(climbs).includes('..');
}

/**
 * Unpacks the tar's `result`, a file or a directory, as `into`, which must not be there.
 * @returns the bytes written, and what is left out: symbolic links that lead out of it, and names that are no UTF-8
 */
export async function writeResult(
  tar: NodeJS.ReadableStream,
  into: string,
): Promise<{ bytes: number; left: string[] }> {
  const made = new Set<string>();
  const done = { bytes: 0, left: [] as string[] };
  const unpacking = extract();
  tar.on('error', (error) => unpacking.destroy(error)).pipe(unpacking);
  for await (const entry of unpacking) {
    const { type, mode = 0, linkname } = entry.header;
    const [root, ...parts] = entry.header.name.replace(/\/$/, '').split('/');
    const name = parts.join('/');
    if (name.includes('\ufffd')) {
      const parent = done.left.at(-1);
      if (!parent || !name.startsWith(`${parent}/`)) done.left.push(name);
      entry.resume();
      continue;
    }
    const wrong = parts.some((part) => ['', '.', '..'].includes(part) || part.toLowerCase() === '.git');
    // A parent that is no directory made here could be a link.
    if (root !== 'result' || wrong || (name !== '' && !made.has(dirname(`/${name}`))))
      throw fault.failed(`An entry ${JSON.stringify(name)} can't be written safely.`);
    const path = join(into, name);
    if (type === 'directory') {
      await mkdir(path);
      made.add(name ? `/${name}` : '/');
    } else if (type === 'symlink' && name) {
      if (linkname && staysInside(name, linkname)) await symlink(linkname, path);
      else done.left.push(name);
    } else if (type === 'file') {
      await using file = await open(path, 'wx', mode & 0o100 ? 0o755 : 0o644);
      for await (const bytes of entry) {
        await file.appendFile(bytes);
        done.bytes += bytes.length;
      }
    } else throw fault.failed(`An entry ${JSON.stringify(name)} is a ${type}.`);
    entry.resume();
  }
  return done;
}
