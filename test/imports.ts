/** What leads where: the imports between our own files. */
import { readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { checkout } from '../console/instance/paths.ts';

/** Ours, by its path from the root; the crypto package is known by the SDK's name for it. */
function ours(file: string, from: string): string[] {
  if (from.startsWith('.')) return [normalize(join(file, '..', from))];
  if (from === '@matrix-org/matrix-sdk-crypto-nodejs') return ['bot/crypto/index.ts'];
  return from.startsWith('@pocketcoder/') ? [from.slice('@pocketcoder/'.length)] : [];
}
const codeOf = (file: string): string =>
  readFileSync(join(checkout, file), 'utf8').replaceAll(/\/\*.*?\*\//gs, '');

/** All of ours that a file names in an import or a require, types among them, by their paths from the root. */
export const importsOf = (file: string): string[] =>
  [...codeOf(file).matchAll(/\b(?:from|import|require)\s*\(?\s*'([^']+)'/g)].flatMap(([, from = '']) =>
    ours(file, from),
  );

/** Those that a reader of what it does is led into: it imports more than types from them. */
export const leadsTo = (file: string): string[] =>
  [...codeOf(file).matchAll(/^(?:import|export) (?!type )([^;]*?) from '([^']+)'|\brequire\('([^']+)'\)/gm)]
    .filter(([, what = '']) => !/^\{(\s*type \w+,?)+\s*\}$/.test(what))
    .flatMap(([, , from, required = '']) => ours(file, from ?? required));

/** The first circle that a walk along the imports comes to, as its files, or undefined. */
export function circleIn(
  files: readonly string[],
  next: (file: string) => readonly string[],
): string[] | undefined {
  const over = new Set<string>();
  function walk(file: string, way: readonly string[]): string[] | undefined {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (over.has(file)) return undefined;
    over.add(file);
    for (const to of next(file)) {
      const found = walk(to, [...way, file]);
      if (found) return found;
    }
    return undefined;
  }
  for (const file of files) {
    const found = walk(file, []);
    if (found) return found;
  }
  return undefined;
}
