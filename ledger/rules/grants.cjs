// @ts-check
// Leases and plans: approved actions that let others run without a card of their own. A lease covers exact acts, or one
// kind of file action below one path; a plan covers its steps, each once, in their order; `reads`, leased by the card of
// another action, whatever the agent reads of the workspace in that task. All are counted and end.
const { canonical } = require('./canonical.cjs');
const { distinct, mayApprove, tapsAreSpoilt } = require('./identities.cjs');
const { classes, longestWait, mostUses, rank, readsTerm, termOf, whole } = require('./policy.cjs');
/** @typedef {import('./state.cjs').State} State */
/** @typedef {import('./state.cjs').Grant} Grant */
/** @typedef {{kind: string, args: Record<string, unknown>}} Act */

/** Kinds of action that a path can stand for. */
const fileKinds = ['read_file', 'list', 'grep', 'write_file', 'edit_file'];

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

/** A plan holds what the sandbox runs, and no further grants. @param {unknown} step */
const isStep = (step) => {
  const { kind, args, ...more } = /** @type {Partial<Act>} */ (step || {});
  const runs = typeof kind === 'string' && Object.hasOwn(classes, kind) && classes[kind] !== 'control';
  return runs && args && typeof args === 'object' && Object.keys(more).length === 0;
};

/** Why a lease's or plan's arguments are none, or ''. @param {Act} asked */
function grantFault({ kind, args }) {
  const { acts, of, path, steps, uses, seconds } = args;
  if (!whole(seconds, 1, longestWait)) return 'seconds';
  if (kind === 'plan')
    return Array.isArray(steps) &&
      steps.length > 0 &&
      steps.length <= 50 &&
      steps.every(isStep) &&
      Object.keys(args).length === 2
      ? ''
      : 'steps';
  if (!whole(uses, 1, mostUses)) return 'uses';
  if (Array.isArray(acts))
    return acts.length > 0 && acts.length <= 50 && acts.every(isStep) && Object.keys(args).length === 3
      ? ''
      : 'acts';
  return fileKinds.indexOf(String(of)) >= 0 && partsOf(path) && Object.keys(args).length === 4 ? '' : 'path';
}

/**
 * Why a grant that was not ended does not count at this moment, or ''. A freeze ends every grant there is, and so does the loss of
 * any device that approved it.
 * @param {Grant} grant @param {State} state @param {string} now
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
 * Why this grant does not cover what is asked, or ''.
 * @param {Grant} grant @param {Act & {workspace?: unknown, task?: unknown, requester?: unknown}} asked
 * @param {State} state @param {string} now
 */
function uncovered(grant, asked, state, now) {
  const over = overSince(grant, state, now);
  if (over) return over;
  if (asked.workspace !== grant.workspace) return 'not_covered';
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
    const reads = classes[asked.kind] === 'read' && fileKinds.indexOf(asked.kind) >= 0;
    return mine && reads && isBelow(asked.args.path, '') ? '' : 'not_covered';
  }
  const { acts, of, path } = args;
  const covers = acts
    ? acts.some((/** @type {Act} */ act) => actText(act, grant.workspace) === text)
    : asked.kind === of && isBelow(asked.args.path, path);
  return covers ? '' : 'not_covered';
}

module.exports = { actText, grantFault, overSince, uncovered };
