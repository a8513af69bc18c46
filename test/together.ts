/**
 * Most files of unit tests take a tenth of the time that a process of their own takes to begin: such share one. An entry made for
 * them imports one after another, and Node's runner takes it as a file.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A hook of the file's own would run before or after every other file's tests as well. */
const ownHook = /^(before|after|beforeEach|afterEach)\(/m;

/**
 * @param folder where the entries are written
 * @param processes how many the files are dealt out to
 * @returns what to run in place of those files: entries, and the files that need a process of their own
 */
export function together(files: readonly string[], folder: string, processes: number): string[] {
  const apart = files.filter((file) => ownHook.test(readFileSync(file, 'utf8')));
  const shared = files.filter((file) => !apart.includes(file));
  const entries = Array.from({ length: processes }, (_, i) => {
    const path = join(folder, `together-${i + 1}.test.ts`);
    const own = shared.filter((_, k) => k % processes === i);
    writeFileSync(path, own.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};\n`).join(''));
    return { path, own };
  });
  return [...entries.filter(({ own }) => own.length > 0).map(({ path }) => path), ...apart];
}
