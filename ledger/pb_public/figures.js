/** Decisions in figures: how many, how, and how long they took, of the actions that the page has loaded. */
import { make, seen } from './show.js';
import { bodyOf, span } from './story.js';

/** How an action was decided, and what has that colour; a denial ends what was approved before. */
const hows = { approved: 'applied', leased: 'lease', denied: 'denied', lapsed: 'void' };
const lapses = ['expired', 'void'];

/** One action's decision; nothing before there is one. `ms`: from its card on, where somebody answered. */
function decisionOf(story) {
  const of = (...kinds) => story.find(({ kind }) => kinds.includes(kind));
  const [posted, end] = [of('posted'), of('denied') ?? of('approved', 'leased', ...lapses)];
  const at = Date.parse(end?.at);
  if (Number.isNaN(at)) return [];
  const { kind, class: risk } = bodyOf(story[0]);
  const how = lapses.includes(end.kind) ? 'lapsed' : end.kind;
  const ms = posted && how !== 'lapsed' ? at - Date.parse(posted.at) : undefined;
  return [{ day: new Date(at).toLocaleDateString('sv'), class: String(risk), kind: String(kind), how, ms }];
}

const middle = (sorted) => sorted[Math.floor((sorted.length - 1) / 2)];

/** The decisions by one of their properties: for each of its values how many there are of each way, and the median time. */
export function tally(stories, by) {
  const groups = Map.groupBy(stories.flatMap(decisionOf), (decision) => decision[by]);
  return [...groups].map(([name, all]) => ({
    ...{ name, all: all.length },
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
  const part = (width, i) => {
    const x = counts.slice(0, i).reduce((sum, n) => sum + n, 0);
    return svg('rect', { x, width, height: 1, class: `is-${Object.values(hows)[i]}` });
  };
  const box = { viewBox: `0 0 ${most} 1`, preserveAspectRatio: 'none', 'aria-hidden': 'true' };
  return svg('svg', box, ...counts.map(part));
}

function group(title, rows) {
  const most = Math.max(...rows.map(({ all }) => all));
  const heads = [`By ${title}`, ...Object.keys(hows), 'median'];
  return make(
    'tbody',
    {},
    make('tr', {}, ...heads.map((head) => make('th', { scope: 'col' }, head))),
    ...rows.map(({ name, counts, median }) =>
      make(
        'tr',
        {},
        make('th', { scope: 'row' }, ...seen(name), bar(counts, most)),
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
    make('table', {}, ...groups.map(([by, rows]) => group(by, rows))),
  ];
}
