/** What a terminal shows in the end of what a program wrote: progress that is drawn over itself is one line, not hundreds. */

/** The width of the window that scripts write into (sandbox/image/task.c). */
const width = 200;

/**
 * Pieces of output (ECMA-48): a string for the terminal itself, which ends on its own line or is none; a control sequence with
 * its parameters and its final byte; another escape; one control character; a run of what is shown.
 */
const piece =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\n\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~])|\x1b[ -/]*[0-~]?|((?!\t)\p{Cc})|((?:\t|\P{Cc})+)/gu;

/** Whether anything but plain lines is in it. */
const control = /(?![\n\t])\p{Cc}/gu;

/**
 * The text as a terminal without an upper edge would show it: carriage returns, backspaces, erasing and moves of the cursor have
 * been heeded, colours and titles are gone. Control characters that move nothing stay in it.
 */
export function onScreen(text: string): string {
  if (text.search(control) < 0) return text;
  const rows: string[][] = [[]];
  let row = 0;
  let column = 0;
  const line = (): string[] => (rows[row] ??= []);
  const put = (shown: string): void => {
    const cells = line();
    while (cells.length < column) cells.push(' ');
    for (const one of shown) cells[column++] = one;
  };
  const moved = (by: number): number => Math.min(Math.max(0, column + by), Math.max(width, column));
  const obey = (final: string, parameter: number): void => {
    const times = parameter || 1;
    if (final === 'A' || final === 'F') row = Math.max(0, row - times);
    if (final === 'B' || final === 'E') row = Math.min(rows.length - 1, row + times);
    if (final === 'E' || final === 'F') column = 0;
    if (final === 'C') column = moved(times);
    if (final === 'D') column = moved(-times);
    if (final === 'G') column = Math.min(times, width) - 1;
    if (final === 'K' && parameter !== 1)
      line().length = Math.min(line().length, parameter === 2 ? 0 : column);
    if (final === 'K' && parameter === 1) line().fill(' ', 0, column + 1);
    if (final === 'J' && parameter === 0) {
      line().length = Math.min(line().length, column);
      rows.length = row + 1;
    }
  };
  for (const [, parameters, final, single, shown] of text.matchAll(piece)) {
    if (final !== undefined) obey(final, Number.parseInt(parameters ?? '', 10) || 0);
    else if (single === '\n') {
      row++;
      column = 0;
      line();
    } else if (single === '\r') column = 0;
    else if (single === '\b') column = moved(-1);
    else put(single ?? shown ?? '');
  }
  return rows.map((cells) => cells.join('')).join('\n');
}

/** The same for a model: no control character is left in it but line feeds and tabs. */
export const forModel = (text: string): string => onScreen(text).replace(control, '');
