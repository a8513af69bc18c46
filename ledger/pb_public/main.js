/** The page's way: lets somebody in, shows the newest, goes on to older ones as one scrolls, and follows what comes. */
import { canHash } from './chain.js';
import { figures } from './figures.js';
import { addressed, everything, found, pageful } from './find.js';
import { count, entries, listen, NoAnswer, stories, takeToken } from './ledger.js';
import { actionCard, entryCard, make, seen } from './show.js';
import { bodyOf, gist, isOpen, latest, span, words } from './story.js';

const $ = (id) => document.getElementById(id);
const [feed, older, said, trouble] = [$('feed'), $('older'), $('said'), $('trouble')];

/** Actions' entries by the action, and actions' numbers by their request's. */
const known = new Map();
const numbers = new Map();
/** The number of the newest entry that was seen; undefined before anything was. */
let head;
/** What the feed shows, and its items by their number. Another one takes its place, and ends what is under way for it. */
let view;
let items = new Map();
let silence = () => {};

/** One step at a time; it is tried until the ledger answers, or nobody waits for it. */
let turn = Promise.resolve();
function inTurn(step) {
  const mine = view;
  turn = turn.then(async () => {
    for (let wait = 1; mine && mine === view; wait = Math.min(2 * wait, 15))
      try {
        await step(mine);
        trouble.hidden = true;
        return;
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        if (error.how === 'out') return leave(error.message);
        trouble.textContent = `${error.message} What stands here is as it was; this page tries again by itself.`;
        trouble.hidden = false;
        await new Promise((resolve) => setTimeout(resolve, wait * 1000));
      }
  });
}

/** Puts entries to the stories that they are of. Returns those whose requests are there, newest first. */
function learn(some) {
  const ofActions = some.filter(({ action }) => action);
  for (const entry of ofActions) {
    const others = (known.get(entry.action) ?? []).filter(({ seq }) => seq !== entry.seq);
    const story = [...others, entry].sort((a, b) => a.seq - b.seq);
    known.set(entry.action, story);
  }
  const actions = [...new Set(ofActions.map(({ action }) => action))];
  return begun(actions.map((action) => known.get(action)));
}
const begun = (all) => all.filter(([e]) => e.kind === 'requested').sort(([a], [b]) => b.seq - a.seq);

/** The number by which people call an action. */
async function numberOf([{ seq }]) {
  if (!numbers.has(seq)) numbers.set(seq, await count(`kind='requested'&&seq<=${seq}`));
  return numbers.get(seq);
}

/** Puts a card in its place, newest first, or anew; what was unfolded stays so. */
function place(seq, card) {
  const item = items.get(seq) ?? make('li');
  const open = [...item.querySelectorAll('details')].map((details) => details.open);
  const focus = [...item.querySelectorAll('summary')].indexOf(document.activeElement);
  item.replaceChildren(card);
  for (const [i, details] of card.querySelectorAll('details').entries()) details.open ||= open[i] ?? false;
  if (focus >= 0) card.querySelectorAll('summary')[focus]?.focus();
  if (items.has(seq)) return;
  const below = [...items.keys()].filter((other) => other < seq);
  feed.insertBefore(item, items.get(Math.max(...below)) ?? null);
  items.set(seq, item);
}

async function show(mine, { some, wanted }) {
  const all = learn(some).filter(wanted);
  await Promise.all(all.map(numberOf));
  if (mine !== view) return;
  for (const story of all) place(story[0].seq, actionCard(story, numbers.get(story[0].seq), mine.chain.off));
  for (const entry of some.filter(({ action }) => !action))
    place(entry.seq, entryCard(entry, mine.chain.off));
  said.textContent = items.size === 0 ? mine.nothing : '';
  tellChain(mine.chain);
  tellFigures();
  await tellNow();
}
function tellFigures() {
  if ($('figures').open) $('counted').replaceChildren(...figures(begun([...known.values()])));
}

/** The next older ones. */
async function goOn(mine) {
  $('timeline').ariaBusy = 'true';
  if (head === undefined) await lookForOpen();
  const next = await mine.next();
  head = Math.max(head, mine.chain.ends().high);
  await show(mine, next);
  if (mine !== view) return;
  $('timeline').ariaBusy = 'false';
  older.hidden = !next.more;
  // It tells anew whether the button can be seen.
  watcher.unobserve(older);
  watcher.observe(older);
}
const watcher = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && inTurn(goOn));

/** What came since. */
async function catchUp(mine) {
  let some;
  do {
    some = await entries(`seq>${head}`, { sort: 'seq', most: pageful });
    head = some.at(-1)?.seq ?? head;
    if (some.length > 0) await show(mine, await mine.newer(learn(some) && some));
  } while (some.length === pageful);
  await tellNow();
}

function tellChain({ off, ends }) {
  const [[seq, why] = []] = off;
  const { low, high } = ends();
  const older = low === 1 ? 'That is all of them.' : 'Older ones are looked at as you scroll.';
  let text =
    'Each entry of what was found has the hash that it states. Links are looked at where all is shown.';
  if (high)
    text = `Entries ${low} to ${high}: each has the hash that it states and names the one before it. ${older}`;
  if (!canHash) text = 'This browser computes no hashes here: it does at 127.0.0.1, or by https.';
  if (seq) text = `Entry ${seq}: ${why}. Do not go by what stands here, and run ./pocketcoder audit.`;
  $('chain').className = seq ? 'off' : '';
  $('chain').textContent = text;
}

/** What is open among what is known, newest first. */
async function tellNow() {
  const open = begun([...known.values()]).filter((story) => isOpen(latest(story)));
  await Promise.all(open.map(numberOf));
  const rows = open.map((story) => {
    const [number, action, { kind, at }] = [numbers.get(story[0].seq), bodyOf(story[0]), latest(story)];
    const since = make('span', { className: 'since' });
    since.dataset.at = at;
    const link = make('a', { href: `#${number}` }, `#${number} `, ...seen(action.kind));
    const line = (gist(action)?.[1] ?? String(action.workspace)).split('\n')[0].slice(0, 80);
    const what = make('p', { className: 'quiet' }, ...seen(line));
    return make(
      'li',
      {},
      link,
      ' ',
      make('span', { className: 'state' }, words[kind] ?? kind),
      ' ',
      since,
      what,
    );
  });
  $('now').replaceChildren(...rows);
  $('calm').hidden = rows.length > 0;
  tick();
}
function tick() {
  for (const since of document.querySelectorAll('.since'))
    since.textContent = span(
      Math.max(1, Math.floor((Date.now() - Date.parse(since.dataset.at)) / 1000)) * 1000,
    );
}

/** What may be open though its entries stand further down than the feed goes. */
async function lookForOpen() {
  const [[newest], ...some] = await Promise.all(
    ['seq>0', "kind='posted'", "kind='claimed'"].map((filter, i) => entries(filter, { most: i ? 40 : 1 })),
  );
  learn(await stories([...new Set(some.flat().map(({ action }) => action))]));
  head = newest?.seq ?? 0;
}

/** Another feed takes the place of the one that is shown. */
function begin(next, all) {
  view = next;
  items = new Map();
  feed.replaceChildren();
  [$('clear').hidden, older.hidden] = [all, true];
  $('timeline-title').textContent = next.title;
  said.textContent = 'The ledger is asked.';
  inTurn(goOn);
}
function search() {
  const [text, state] = [$('text').value.trim(), $('state').value];
  history.replaceState(null, '', location.pathname);
  begin(text || state ? found(text, state) : everything(), !text && !state);
}

/** What the address names: to its card, or to a feed that begins with it. */
function goTo(named) {
  const title = $(named.replace('#/', 'e').replace('#', 'a'));
  if (title) return title.focus();
  [$('state').value, $('text').value] = ['', ''];
  begin(everything(named), false);
  inTurn(async () => feed.querySelector('h3')?.focus());
}
const asked = () => addressed.exec(location.hash)?.[0];

function enter() {
  [$('in').hidden, $('out').hidden] = [false, true];
  if (asked()) goTo(asked());
  else search();
  silence = listen({
    ring() {
      $('live').textContent = 'live';
      inTurn(catchUp);
    },
    lost: () => ($('live').textContent = 'not live, trying again'),
  });
}

function leave(why) {
  silence();
  $('asked').hidden = !asked();
  view = undefined;
  [$('in').hidden, $('out').hidden, $('live').textContent] = [true, false, ''];
  [trouble.textContent, trouble.hidden] = [why, !why];
  $('out-title').focus();
}

let waiting;
$('filters').addEventListener('input', () => {
  clearTimeout(waiting);
  waiting = setTimeout(search, 300);
});
$('filters').addEventListener('submit', (event) => event.preventDefault());
$('filters').addEventListener('reset', () => setTimeout(search)); // once the fields are empty
$('figures').addEventListener('toggle', tellFigures);
older.addEventListener('click', () => inTurn(goOn));
addEventListener('hashchange', ({ oldURL }) => {
  const before = addressed.exec(new URL(oldURL).hash)?.[0] ?? '';
  if (takeToken(before, enter) && $('in').hidden) enter();
  else if (asked() && !$('in').hidden) goTo(asked());
});
setInterval(tick, 1000);
if (takeToken('', enter)) enter();
else leave('');
