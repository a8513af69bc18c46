/** Differences line by line, as rows of a sign (`+`, `-`, a blank, `@` for what is about lines and is none) and a text to the letter. */
import { bodyOf, latest } from './story.js';

/** Pairs of lines that are compared at most: where there are more, all between a common beginning and end counts as replaced. */
const most = 1e6;

/** Lines with their ends, so that one without is another one. */
const linesOf = (text) => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
const signed = (sign, lines) => lines.map((line) => [sign, line]);

/** What is neither in the common beginning nor in the common end, by the longest lines that both have in order. */
function middle(gone, came) {
  if (gone.length * came.length > most) return [...signed('-', gone), ...signed('+', came)];
  const width = came.length + 1;
  const common = new Uint32Array((gone.length + 1) * width);
  const at = (i, j) => i * width + j;
  for (let i = gone.length - 1; i >= 0; i--)
    for (let j = came.length - 1; j >= 0; j--)
      common[at(i, j)] =
        gone[i] === came[j]
          ? common[at(i + 1, j + 1)] + 1
          : Math.max(common[at(i + 1, j)], common[at(i, j + 1)]);
  const rows = [];
  let [i, j] = [0, 0];
  while (i < gone.length || j < came.length) {
    const goes = i < gone.length && (j === came.length || common[at(i + 1, j)] >= common[at(i, j + 1)]);
    if (i < gone.length && j < came.length && gone[i] === came[j]) rows.push([' ', gone[i++], j++]);
    else rows.push(goes ? ['-', gone[i++]] : ['+', came[j++]]);
  }
  return rows;
}

/** What becomes of a text's lines. */
export function between(old, now) {
  // Where neither ends its last line that is no difference.
  const ends = old && now && !old.endsWith('\n') && !now.endsWith('\n') ? '\n' : '';
  const [a, b] = [linesOf(old + ends), linesOf(now + ends)];
  const shorter = Math.min(a.length, b.length);
  let [head, tail] = [0, 0];
  while (head < shorter && a[head] === b[head]) head++;
  while (tail < shorter - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const changed = middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  const rows = [...signed(' ', a.slice(0, head)), ...changed, ...signed(' ', a.slice(a.length - tail))];
  const odd = ['@', '\\ no line break at its end'];
  return rows.flatMap(([sign, line]) =>
    line.endsWith('\n') ? [[sign, line.slice(0, -1)]] : [[sign, line], odd],
  );
}

/** What git wrote, a summary before it: inside of a hunk each line has its sign, so none of them can begin the next file. */
export function ofGit(text) {
  let inside = false;
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => {
      const begins = line.startsWith('@@ ');
      inside = begins || (inside && !line.startsWith('diff --git '));
      return inside && /^[-+ ]/.test(line) ? [line[0], line.slice(1)] : ['@', line];
    });
}

/** Whether a result's output is a difference of git's. */
export const wroteDifference = ({ kind, args }, { kind: end }) =>
  end === 'succeeded' && (kind === 'diff' || (kind === 'export' && args?.as === 'patch'));

/** What an action's entries hold of what it changes: `rows`, the arguments that are `in` them, and what has to be said. */
export function changeOf(story) {
  const { kind, args } = bodyOf(story[0]);
  const { changes } = bodyOf(latest(story));
  const { changed = 0, added = 0, removed = 0 } = Object(changes);
  const [old, now, content] = [args?.old, args?.new, args?.content].map(
    (text) => typeof text === 'string' && text,
  );
  if (kind === 'edit_file' && old !== false && now !== false)
    return {
      ...{ rows: between(old, now), in: ['old', 'new'] },
      note: 'The one place that is replaced; where it stands in the file, no entry says.',
    };
  const isNew = added === 1 && changed + removed === 0;
  if (kind === 'write_file' && content !== false && isNew)
    return { rows: between('', content), in: ['content'], note: 'A new file.' };
  if (kind === 'write_file')
    return { in: [], note: 'The whole file as it is written; what stood there before, no entry says.' };
  const note =
    'Which lines that were, no entry says: a command’s difference is not kept. !diff in the room shows what changed since the import.';
  return { in: [], note: changed + added + removed > 0 ? note : '' };
}
