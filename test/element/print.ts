import type { Row } from './types.ts';

/** A timeline as text: who said it, what stands there now, and what stands below it. */
export function printed(rows: readonly Row[]): string {
  return rows
    .map((row) => {
      const marks = [
        row.kind === 'message' ? row.type : row.kind,
        row.edited && 'edited',
        row.ended && 'ended',
        row.reply_to && `in reply to ${row.reply_to.slice(0, 8)}`,
        row.replies > 0 && `thread of ${row.replies}`,
        row.shield,
        row.sending,
      ].filter(Boolean);
      const below = [
        ...(row.answers ?? []).map(({ id, text }) => `( ) ${text}  ${(row.votes?.[id] ?? []).join(', ')}`),
        Object.entries(row.taps)
          .map(([key, by]) => `[${key} ${by.length}]`)
          .join(' '),
      ].filter(Boolean);
      const time = new Date(row.at).toISOString().slice(11, 19);
      const head = `${time} ${row.own ? 'ME' : row.sender} ${row.id?.slice(0, 8) ?? ''} (${marks.join(', ')})`;
      return [
        head,
        ...(row.body ?? '').split('\n').map((line) => `    ${line}`),
        ...below.map((line) => `    ${line}`),
      ].join('\n');
    })
    .join('\n');
}
