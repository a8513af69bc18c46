/** Cards from entries. No text of the ledger is ever read as markup, and none of it can hide or move the rest. */
import { canHash, sha256 } from './chain.js';
import { changeOf, ofGit, wroteDifference } from './difference.js';
import { bytes, NoAnswer } from './ledger.js';
import { asker, bodyOf, factsOf, gist, latest, rowsOf, size, words } from './story.js';

/** What draws nothing or moves the rest about, as the room's cards have it: bot/src/show/visible.ts. */
const unseen = /(?![ \n\t])([\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Z}\p{DI}\u2800\uFFFC\u{1D159}])\1*/gu;

/** An element with these properties, and texts and elements in it. */
export function make(tag, properties = {}, ...inside) {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  element.append(...inside);
  return element;
}

/** A text to the letter: what cannot be seen stands as its code, marked. */
export function seen(given) {
  const text = String(given);
  const parts = [];
  let at = 0;
  for (const { 0: run, index } of text.matchAll(unseen)) {
    const code = run.codePointAt(0);
    const times = run.length / (code > 0xffff ? 2 : 1);
    const name = `\\u{${code.toString(16).toUpperCase()}${times > 1 ? `*${times}` : ''}}`;
    parts.push(text.slice(at, index), make('mark', { title: 'a character that cannot be seen' }, name));
    at = index + run.length;
  }
  return [...parts, text.slice(at)];
}

const block = (text) => make('pre', { tabIndex: 0 }, ...seen(text));
/** Lines of a difference that are shown at most: each is an element. */
const mostRows = 20_000;
const kinds = { '+': 'ins', '-': 'del', ' ': 'span', '@': 'span' };
/** A difference: each row a line of its own, whose sign stands before whatever its text is, also where that goes on in the next line. */
function difference(rows) {
  const count = (sign) => rows.filter(([is]) => is === sign).length;
  const ariaLabel = `Difference: ${count('+')} lines added, ${count('-')} removed`;
  const lines = rows
    .slice(0, mostRows)
    .map(([sign, text]) =>
      make(kinds[sign], { className: 'row' }, sign === '@' ? '' : sign, ...seen(text), '\n'),
    );
  const more = rows.length > mostRows ? [quiet(`The first ${mostRows} lines of ${rows.length}.`)] : [];
  return make('pre', { tabIndex: 0, role: 'group', ariaLabel }, ...lines, ...more);
}
/** The address of a card: it is made of a number alone. */
const link = (named) => make('a', { href: named }, named.replace('#/', 'entry '));
const quiet = (...inside) => make('p', { className: 'quiet' }, ...inside);
const unfolding = (summary, ...inside) => make('details', {}, make('summary', {}, summary), ...inside);
const pairs = (rows) =>
  make(
    'dl',
    {},
    ...rows.flatMap(([name, text]) => [
      make('dt', {}, ...seen(name)),
      make('dd', {}, ...(text.includes('\n') ? [block(text)] : seen(text))),
    ]),
  );
const clock = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
function moment(at) {
  const date = new Date(at);
  return make('time', {}, ...seen(Number.isNaN(date.getTime()) ? at : clock.format(date)));
}

/** Bytes of an output that are shown at most: more of them makes a page slow. */
const most = 1 << 20;

/** What an action wrote, whole where that is not too much, and whether it has the hash that its entry states. */
async function fill(into, entry, draw) {
  const { bytes: all, output, sha256: stated } = bodyOf(entry);
  try {
    const data = typeof output === 'string' ? new TextEncoder().encode(output) : await bytes(entry, most);
    into.replaceChildren(draw(new TextDecoder().decode(data)));
    if (data.length < all) into.append(quiet(`The first ${size(data.length)}: their hash says nothing.`));
    else if (canHash && (await sha256(data)) !== stated)
      into.append(make('p', { className: 'off' }, 'It does not have the SHA-256 that its entry states.'));
  } catch (error) {
    const why = error instanceof NoAnswer ? error.message : 'It could not be read.';
    into.replaceChildren(quiet(`${why} Fold this and unfold it to try again.`));
  }
}

function output(entry, action) {
  const { bytes: all, output: text } = bodyOf(entry);
  if (typeof all !== 'number') return [];
  if (all === 0) return [quiet('It wrote nothing.')];
  const into = make('div');
  const draw = wroteDifference(action, entry) ? (text) => difference(ofGit(text)) : block;
  const details = unfolding(`Output · ${size(all)}`, into);
  if (typeof text === 'string') fill(into, entry, draw);
  else details.addEventListener('toggle', () => details.open && fill(into, entry, draw));
  details.open = typeof text === 'string' && text.length < 1000;
  return [details];
}

/** The entries behind a card, and what is wrong with them. */
function proof(story, off) {
  const wrong = story.filter(({ seq }) => off.has(seq));
  const rows = story.map(({ seq, kind, author, at, hash }) => [
    `${seq} ${kind}`,
    `${author} · ${at} · ${hash}`,
  ]);
  const digest = story.map((entry) => bodyOf(entry).digest).find(Boolean);
  return [
    ...wrong.map(({ seq }) => make('p', { className: 'off' }, `Entry ${seq}: ${off.get(seq)}.`)),
    unfolding(
      `Proof · entry ${story.map(({ seq }) => seq).join(', ')}`,
      pairs([...rows, ...(digest ? [['digest', String(digest)]] : [])]),
    ),
  ];
}

/** A card of an action. @param number that cards of the room have for it @param off why entries are not right, by number */
export function actionCard(story, number, off) {
  const action = bodyOf(story[0]);
  const last = latest(story);
  const first = gist(action);
  const change = changeOf(story);
  const shown = [first?.[0], ...change.in];
  const rest = rowsOf(action.args).filter(([name, text]) => !shown.includes(name) && text && text !== '{}');
  const state = make('span', { className: 'state' }, ...seen(words[last.kind] ?? last.kind));
  const title = make('h3', { id: `a${number}`, tabIndex: -1 }, link(`#${number}`), ' ', ...seen(action.kind));
  return make(
    'article',
    { className: `is-${/^[a-z]+$/.test(last.kind) ? last.kind : 'odd'}` },
    make('div', { className: 'head' }, title, state),
    quiet(...seen(`${asker(action.requester)} · ${action.workspace} · `), moment(story[0].at)),
    ...(first ? [block(first[1])] : []),
    ...(change.rows ? [difference(change.rows)] : []),
    pairs([...rest, ...factsOf(story)]),
    ...(change.note ? [quiet(change.note)] : []),
    ...output(last, action),
    ...proof(story, off),
  );
}

/** A card of an entry that belongs to no action. */
export const entryCard = (entry, off) =>
  make(
    'article',
    { className: entry.kind === 'alarm' ? 'is-alarm' : 'is-entry' },
    make(
      'h3',
      { id: `e${entry.seq}`, tabIndex: -1 },
      ...seen(entry.kind.replaceAll('.', ' ')),
      ' ',
      link(`#/${entry.seq}`),
    ),
    quiet(...seen(`${entry.author} · `), moment(entry.at)),
    pairs(rowsOf(bodyOf(entry))),
    ...proof([entry], off),
  );
