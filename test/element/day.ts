/** A room as its owner reads it: without what differs from one day to another. */
import type { Row } from './types.ts';

/** What differs, and what stands for it. */
const alike: readonly [RegExp, string][] = [
  [/\b\d\d:\d\d\b/g, '14:02'],
  [/ \(\d+(\.\d+)? m?s\)/g, ''],
  [/\d+ tokens/g, '720 tokens'],
  [/digest [0-9A-Z]{10}/g, 'digest C6A9CNA0N1'],
  [/⛓ \d+ [0-9a-f]{12}/g, '⛓ 8 84c8cb97e9e1'],
  [/tap \S+ to approve/g, 'tap 🦊 to approve'],
  [/@owner:\S+/g, 'owner'],
];
/** The pinned message, not the answer of `!resume`: where it stands depends on when the bot looked. */
const isPinned = (body: string): boolean =>
  !body.startsWith('What you say') && /^\S+ (👉 )?\d+ · .*: (working|waits for you|idle|stopped)/m.test(body);

/** @param rows as the engine gives them to the app */
export function pageOf(rows: readonly Row[]): string {
  const shown = rows.filter(
    (row) => (row.kind === 'message' || row.kind === 'poll') && !isPinned(row.body ?? ''),
  );
  return shown
    .map((row) => {
      const text = alike.reduce((all, [what, same]) => all.replace(what, same), row.body ?? '');
      const options = row.answers?.map(
        (one) => `( ) ${one.text}${(row.votes?.[one.id]?.length ?? 0) > 0 ? ' ✓' : ''}`,
      );
      const lines = [...text.split('\n'), ...(options ?? [])];
      return lines.map((line, i) => `${row.own && i === 0 ? 'me: ' : '    '}${line}`.trimEnd()).join('\n');
    })
    .join('\n\n');
}
