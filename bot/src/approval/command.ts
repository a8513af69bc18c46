/** Commands that are their own decision: they read, and their words name exactly what. */
import type { Wish } from '@pocketcoder/ledger/src/action.ts';
import { unended } from './said.ts';

/** @returns the number of an action, where that is all that the words say */
function numberIn(words: string): number | undefined {
  const [, number] = /^#?(\d{1,9})$/.exec(unended(words, /[\s.,;:!?…。]/)) ?? [];
  return number ? Number(number) : undefined;
}

/** What a person's message asks for and decides at once. */
const acts: Readonly<Record<string, (args: string) => Wish | undefined>> = {
  files: (path) => ({ kind: 'list', args: { path: path || '.' } }),
  get: (path) => (path ? { kind: 'get_file', args: { path } } : undefined),
  diff: () => ({ kind: 'diff', args: {} }),
  push(words) {
    const branch = unended(words, /[\s.,;:!?…。]/);
    return /\s/.test(branch) ? undefined : { kind: 'push_look', args: { branch } };
  },
  screen: () => ({ kind: 'screen', args: {} }),
  undo(words) {
    const number = numberIn(words);
    return number === undefined ? undefined : { kind: 'undo_diff', args: { number } };
  },
  merge(words) {
    const number = words.includes('#') ? undefined : numberIn(words); // a task's, not an action's
    return number === undefined ? undefined : { kind: 'merge_look', args: { number } };
  },
  try(words) {
    const number = numberIn(words);
    return number === undefined ? undefined : { kind: 'try', args: { number } };
  },
  export(words) {
    const as = unended(words, /[\s.,;:!?…。]/).toLowerCase() || 'patch';
    return as === 'patch' || as === 'bundle' ? { kind: 'export', args: { as } } : undefined;
  },
};

/**
 * @param text as `saidIn` gives it
 * @returns the very act that its words name; undefined for any other text, and for such a command that names none
 */
export function actIn(text: string): Wish | undefined {
  const [, name = '', args = ''] = /^!(\S*)\s*([\s\S]*)$/.exec(text.trim()) ?? [];
  const known = name.toLowerCase();
  return Object.hasOwn(acts, known) ? acts[known]?.(args.trim()) : undefined;
}
