/** Mutants as they are written down: a text file each, which takes one defence out of one file of the tree. */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** `find` stands in the file exactly once, and `replace` takes its place: nothing depends on where it stands. */
type Change = { find: string; replace: string };
/** A mutant's file begins with lines for people: what it takes out, which attacks rest on that too, which tests to run: none are those that start no container. */
export type Mutant = {
  name: string;
  number: number;
  takesOut: string;
  also: number[];
  tests: string[];
  /** What is changed, relative to the tree. */
  file: string;
  changes: Change[];
};
function mutantOf(path: string): Mutant {
  const [head = '', ...parts] = readFileSync(path, 'utf8').split('--- find\n');
  const line = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(head)?.[1] ?? '';
  const name = basename(path, '.txt');
  return {
    ...{ name, number: Number(name.slice(0, 2)), takesOut: line('Takes out'), file: line('File') },
    also: line('Turns red as well').split(' ').filter(Boolean).map(Number),
    tests: line('Tests').split(' ').filter(Boolean),
    changes: parts.map((part) => {
      const [find = '', replace = ''] = part.split('--- replace\n');
      return { find, replace };
    }),
  };
}

/** The text without that defence. @throws Error where a place is not there, or there twice */
export function mutated(text: string, changes: readonly Change[]): string {
  for (const { find, replace } of changes) {
    const [before = '', after, ...more] = text.split(find);
    if (after === undefined || more.length > 0) throw new Error('its place is not there exactly once');
    text = before + replace + after;
  }
  return text;
}

/** All that there are, in the order of their names. */
export const mutants = (): Mutant[] =>
  globSync('*.txt', { cwd: import.meta.dirname })
    .sort()
    .map((file) => mutantOf(join(import.meta.dirname, file)));
