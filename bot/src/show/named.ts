/** What a card says of the files of the workspace that its scripts name, as the executor found them before it was made. */
import { scriptsOf } from '@pocketcoder/ledger/rules/named.cjs';
import type { Action } from '@pocketcoder/ledger/src/action.ts';
import type { Named } from '@pocketcoder/ledger/src/bodies.ts';
import type { Block } from './blocks.ts';
import { unmistakable } from './unmistakable.ts';

/** Hex digits of a hash that a person is shown. The ledger has all of it, and the executor goes by that. */
const short = 12;

/** @param named undefined where the executor said nothing before the card was made */
export function namedBlocks(action: Action, named: Named | undefined): Block[] {
  if (scriptsOf(action).length === 0) return [];
  if (!named)
    return [{ line: '⚠️ nobody looked which files of the workspace it names: they run as they then stand' }];
  // A name comes last in its line, so that none reads as words of ours.
  const lines = named.files.map(
    ({ path, sha256 }) =>
      `${sha256 ? sha256.slice(0, short) : 'as it then stands, a link or too large:'} ${unmistakable(path, true).text}`,
  );
  const but = action.kind === 'plan' ? ', but for what its own steps change' : '';
  const names = `names these files, whose SHA-256 begin so; nothing runs if one has changed by then${but}`;
  const some = '⚠️ not all that it names was looked at: the rest runs as it then stands';
  return [
    ...(lines.length > 0 ? [{ line: names }, { quote: lines.join('\n') }] : []),
    ...(named.more ? [{ line: some }] : []),
  ];
}
