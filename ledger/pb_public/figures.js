/** Decisions in figures: how many, how, and how long they took, of the actions that the page has loaded. */
import { make, seen } from './show.js';
import { bodyOf, span } from './story.js';

/** How an action was decided; a denial ends what was approved before. */
const hows = { approved: 'approved', leased: 'lease', denied: 'denied', lapsed: 'lapsed' };
const lapses = ['expired', 'void'];
const isoDay = new Intl.DateTimeFormat('sv-SE');

/** One action's decision; nothing before there is one. `ms`: from its card on, where somebody answered. */
function decisionOf(story) {
  const of = (...kinds) => story.find(({ kind }) => kinds.includes(kind));
  const [posted, end] = [of('posted'), of('denied') ?? of('approved', 'leased', ...lapses)];
  const at = Date.parse(end?.at);
  if (Number.isNaN(at)) return [];
  const { kind, class: risk } = bodyOf(story[0]);
  const how = lapses.includes(end.kind) ? 'lapsed' : end.kind;
  const ms = posted && how !== 'lapsed' ? at - Date.parse(posted.at) : undefined;
  return [{ day: isoDay.format(at), class: String(risk), kind: String(kind), how, ms }];
}

const middle = (sorted) => sorted[Math.floor((sorted.length - 1) / 2)];

/** The decisions by one of their properties: for each of its values how many there are of each way, and the median time. */
export function tally(stories, by) {
  const groups = Map.groupBy(stories.flatMap(decisionOf), (decision) => decision[by]);
  return [...groups].map(([name, all]) => ({
    name,
    all: all.length,
    counts: Object.keys(hows).map((how) => all.filter((one) => one.how === how).length),
    median: middle(all.flatMap(({ ms }) => ms ?? []).sort((a, b) => a - b)),
  }));
}

function svg(tag, attributes, ...inside) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

/** Its row's numbers as a bar, which says nothing that they don't. */
function bar(counts, most) {
  const part = (width, i) =>
    svg('rect', { x: counts.slice(0, i).reduce((x, n) => x + n, 0), width, height: 1, class: `bar${i}` });
  const box = { viewBox: `0 0 ${most} 1`, preserveAspectRatio: 'none', 'aria-hidden': 'true' };
  return svg('svg', box, ...counts.map(part));
}

function group(title, rows) {
  const most = Math.max(...rows.map(({ all }) => all));
  const heads = [`By ${title}`, ...Object.values(hows), 'median'];
  const cell = (tag, scope, ...inside) => make(tag, { scope }, ...inside);
  return make(
    'tbody',
    {},
    make('tr', {}, ...heads.map((head) => cell('th', 'col', head))),
    ...rows.map(({ name, counts, median }) =>
      make(
        'tr',
        {},
        cell('th', 'row', ...seen(name), bar(counts, most)),
        ...counts.map((n) => make('td', {}, String(n))),
        make('td', {}, median === undefined ? '' : span(median)),
      ),
    ),
  );
}

/** @param stories of actions, their entries in order */
export function figures(stories) {
  const groups = ['day', 'class', 'kind'].map((by) => [by, tally(stories, by).sort((a, b) => b.all - a.all)]);
  groups[0][1].sort((a, b) => (a.name < b.name ? 1 : -1));
  const about = `Of the ${stories.length} actions that this page has loaded: older ones count once they were scrolled to. The median is of the times from card to answer.`;
  return [
    make('p', { className: 'quiet' }, about),
    make('table', {}, ...groups.flatMap(([by, rows]) => (rows.length > 0 ? [group(by, rows)] : []))),
  ];
}
