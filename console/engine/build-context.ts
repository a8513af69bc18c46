/** A build context: exactly the files an image is made of, their hash, and the tar the engine gets. */
import { createHash } from 'node:crypto';
import { globSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { Readable } from 'node:stream';
import { pack } from 'tar-stream';

type ContextFile = { name: string; mode: number; content: Buffer };

/** Never part of an image, wherever they lie in a folder that is. */
const ignored = /(^|\/)(node_modules|\.git)(\/|$)|\.test\.ts$|README\.md$/;

function walk(root: string, name: string): string[] {
  if (ignored.test(name)) return [];
  if (!statSync(join(root, name)).isDirectory()) return [name];
  return readdirSync(join(root, name)).flatMap((child) => walk(root, posix.join(name, child)));
}

/** The files under these paths (files, folders or patterns, relative to `root`), in a fixed order and with two modes only. */
export function collect(root: string, paths: readonly string[]): ContextFile[] {
  const found = globSync([...paths], { cwd: root });
  const names = [...new Set(found.flatMap((path) => walk(root, path)))].sort();
  return names.map((name) => {
    const executable = (statSync(join(root, name)).mode & 0o111) !== 0;
    return { name, mode: executable ? 0o755 : 0o644, content: readFileSync(join(root, name)) };
  });
}

/** SHA-256 in hex over names, modes and contents, and over whatever else the image depends on. */
export function contextHash(files: readonly ContextFile[], also: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(also));
  for (const file of files)
    hash.update(JSON.stringify([file.name, file.mode, file.content.length])).update(file.content);
  return hash.digest('hex');
}

/** A tar of the files; owners are root's and times are zero, so that equal files are an equal context. */
export function tarOf(files: readonly ContextFile[]): Readable {
  const tar = pack();
  for (const { name, mode, content } of files)
    tar.entry({ name, mode, mtime: new Date(0), size: content.length }, content);
  tar.finalize();
  return tar;
}
