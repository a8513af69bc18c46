// @ts-check
// Leases and plans: approved actions that let others run without a card of their own. A lease covers exact acts, or one
// kind of file action below one path; a plan covers its steps, each once, in their order; `reads`, leased by the card of
// another action, whatever the agent reads of the workspace in that task. All are counted and end.
const { canonical } = require('./canonical.cjs');
const { distinct, mayApprove, tapsAreSpoilt } = require('./identities.cjs');
const { isKind, traits } = require('./kinds.cjs');
const { longestWait, mostUses, rank, readsTerm, termOf, whole } = require('./policy.cjs');
const { treeOf } = require('./workspaces.cjs');
/** @typedef {import('./state.cjs').State} State */
/** @typedef {import('./state.cjs').Grant} Grant */
/** @typedef {import('./codes.cjs').Refusal} Refusal */
/** @typedef {{kind: string, args: Record<string, unknown>}} Act */

/** The exact text of what would be done, whoever asks for it and whenever: what leases and plans are compared by. @param {Act} act @param {unknown} workspace */
const actText = (act, workspace) => canonical({ args: act.args, kind: act.kind, workspace });

/** The parts of a path below the workspace; undefined for what climbs out. @param {unknown} path */
function partsOf(path) {
  if (typeof path !== 'string' || path.charAt(0) === '/') return undefined;
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return parts.indexOf('..') < 0 ? parts : undefined;
}

/** @param {unknown} path @param {unknown} folder */
function isBelow(path, folder) {
  const inner = partsOf(path);
  const outer = partsOf(folder);
  if (!inner || !outer) return false;
  return outer.every((part, i) => inner[i] === part);
}

/** Whether every path of the act is below the folder; an act without one is below none. @param {Act} act @param {unknown} folder */
function isAllBelow({ kind, args }, folder) {
  const { paths = [] } = traits(kind);
  return paths.length > 0 && paths.every((name) => isBelow(args[name], folder));
}

/**
 * Whether git would run or obey what stands under this path: that asks each time, and its card says so. In any case, and in the
 * other spellings of file systems that the workspace may be taken to.
 * @param {unknown} path
 */
const isOfGit = (path) =>
  /(^|\/)(\.git|git~\d+)[\s.]*(\/|:|$)/i.test(
    String(path).replace(/[\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF]/g, ''),
  );

/** Whether these are up to fifty acts that the sandbox runs: a grant holds no further grants. @param {unknown} acts */
const areActs = (acts) =>
  Array.isArray(acts) &&
  acts.length > 0 &&
  acts.length <= 50 &&
  acts.every((act) => {
    const { kind, args, ...more } = act || {};
    const runs = isKind(kind) && !['control', 'network'].includes(traits(kind).class ?? '');
    return (
      runs && kind !== 'terminal_open' && args && typeof args === 'object' && Object.keys(more).length === 0
    );
  });

/**
 * Whether these are a plan's arguments. One in words alone lets nothing run: what it leads to is asked for.
 * @param {Record<string, unknown>} args
 */
function isPlan({ steps, seconds, words, ...more }) {
  const says = typeof words === 'string' && words.trim() !== '' && words.length <= 4000;
  const holds = areActs(steps) || (says && Array.isArray(steps) && steps.length === 0);
  return (
    holds && (words === undefined || says) && whole(seconds, 1, longestWait) && Object.keys(more).length === 0
  );
}

/** Whether these are a lease's arguments: acts, or a kind of file action and a path. @param {Record<string, unknown>} args */
function isLease({ uses, seconds, ...what }) {
  if (!whole(seconds, 1, longestWait) || !whole(uses, 1, mostUses)) return false;
  const { acts, of, path, ...more } = what;
  if (acts !== undefined) return areActs(acts) && Object.keys(what).length === 1;
  return Boolean(traits(of).paths && partsOf(path)) && Object.keys(more).length === 0;
}

/**
 * Why a grant that was not ended does not count at this moment. A freeze ends every grant there is, and so does the loss of
 * any device that approved it.
 * @param {Grant} grant @param {State} state @param {string} now @returns {Refusal}
 */
function overSince(grant, state, now) {
  if (Date.parse(now) > Date.parse(grant.at) + grant.args.seconds * 1000) return 'lease_over';
  if (state.frozenAt > grant.seq) return 'frozen';
  const { grade } = grant;
  if (!grant.by.every((evidence) => mayApprove({ evidence, grade }, state, grant.seq))) return 'revoked';
  if (grade !== 'signed' && tapsAreSpoilt(state, grant.seq)) return 'revoked';
  // A policy that asks for more by now is not satisfied by less from before.
  const { policy } = state;
  const term = grant.kind === 'reads' ? readsTerm(policy) : termOf(policy, grant);
  const { people, devices } = distinct(grant.by);
  if (!term || people < term.approvers || devices < term.devices) return 'quorum';
  return rank(grade) < rank(term.grade) ? 'grade' : '';
}

/**
 * Why this grant does not cover what is asked.
 * @param {Grant} grant @param {Act & {workspace?: unknown, task?: unknown, requester?: unknown}} asked
 * @param {State} state @param {string} now
 * @param {boolean} [past] it was taken before, maybe by a ledger that did not yet refuse what git obeys @returns {Refusal}
 */
function uncovered(grant, asked, state, now, past) {
  const over = overSince(grant, state, now);
  if (over) return over;
  if (treeOf(asked) !== treeOf(grant)) return 'not_covered';
  const term = termOf(state.policy, asked);
  const { used, args } = grant;
  const text = actText(asked, asked.workspace);
  if (grant.kind === 'plan') {
    const step = args.steps?.[used];
    if (!step) return 'lease_over';
    if (!term || term.mode === 'never') return 'never';
    return asked.task === grant.task && actText(step, grant.workspace) === text ? '' : 'not_covered';
  }
  if (used >= Number(args.uses)) return 'lease_over';
  if (term?.mode !== 'lease') return 'not_leased';
  if (grant.kind === 'reads') {
    const mine = asked.task === grant.task && asked.requester === 'brain';
    const reads = traits(asked.kind).class === 'read';
    return mine && reads && (traits(asked.kind).shown || isAllBelow(asked, '')) ? '' : 'not_covered';
  }
  const { class: risk, paths = ['path'] } = traits(asked.kind);
  if (!past && risk === 'write' && paths.some((name) => isOfGit(asked.args[name]))) return 'not_covered';
  const { acts, of, path } = args;
  const covers = acts
    ? acts.some((/** @type {Act} */ act) => actText(act, grant.workspace) === text)
    : asked.kind === of && isAllBelow(asked, path);
  return covers ? '' : 'not_covered';
}

module.exports = { isLease, isOfGit, isPlan, overSince, uncovered };
