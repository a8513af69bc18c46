// @ts-check
// The life of an action as a table, and who may write which kind of entry. Plain CommonJS without imports of Node: the
// ledger's hooks run in goja.

/** @typedef {{id: string, seq: number, prev: string, at: string, author: string, kind: string, action: string, body: string, hash: string}} Entry */

const undecided = ['endorsed', 'approved', 'denied', 'expired', 'void'];

/**
 * From an action's last lifecycle entry to what may follow it. The empty state is "not there yet". `endorsed` is one of
 * several answers that are needed; `leased` stands where a lease or a plan covers the action, so that no card is asked;
 * `applied` ends a control action, which the ledger itself carries out.
 * @type {Record<string, string[]>}
 */
const lifecycle = {
  '': ['requested'],
  requested: ['posted', 'leased', 'void'],
  posted: undecided,
  endorsed: undecided,
  approved: ['claimed', 'applied', 'denied', 'expired', 'void'],
  leased: ['claimed', 'denied', 'expired', 'void'],
  claimed: ['running', 'unknown'],
  running: ['succeeded', 'failed', 'killed', 'unknown'],
  applied: [],
  denied: [],
  expired: [],
  void: [],
  succeeded: [],
  failed: [],
  killed: [],
  unknown: [],
};

/** What is written beside its life while an action runs. */
const whileItRuns = ['stop', 'lease.granted'];

/** What is written once beside its life, before its card is. */
const beforeItsCard = 'named';

/** @param {string} kinds */
const list = (kinds) => kinds.split(' ');

/** Who may write which kinds. The superuser and the auditor write nothing. @type {Record<string, string[]>} */
const rights = {
  bot: list(
    'requested posted leased endorsed approved applied denied expired void stop alarm frozen ' +
      'identity.changed identity.revoked lease.ended server.removed workspace.created helper.ended',
  ),
  executor: list('named claimed lease.granted running succeeded failed killed unknown expired alarm'),
  // void and unknown: of what was open when a backup was made.
  operator: list(
    'identity.enrolled identity.revoked policy.set lease.ended frozen thawed void unknown alarm ' +
      'workspace.imported workspace.exported',
  ),
  auditor: [],
};

/** The state an action is in: the kind of its last lifecycle entry, or ''. @param {readonly Entry[]} story */
const stateOf = (story) => story.findLast(({ kind }) => Object.hasOwn(lifecycle, kind))?.kind ?? '';

/** Whether such an entry is part of an action's story. @param {string} kind */
const isOfAction = (kind) =>
  Object.hasOwn(lifecycle, kind) || whileItRuns.includes(kind) || kind === beforeItsCard;

/** Whether it was handed to an executor and has no end yet. @param {string} state */
const isUnderWay = (state) => state === 'claimed' || state === 'running';

/** Whether such an entry may come next in this story. @param {readonly Entry[]} story @param {string} kind */
function mayFollow(story, kind) {
  const state = stateOf(story);
  if (kind === beforeItsCard) return state === 'requested' && !last(story, kind);
  return whileItRuns.includes(kind) ? isUnderWay(state) : lifecycle[state]?.includes(kind);
}

/** True for states that nothing follows. @param {string} state */
const isOver = (state) => Object.hasOwn(lifecycle, state) && lifecycle[state]?.length === 0;

/**
 * What an entry of this kind says.
 * @template {keyof import('../src/bodies.ts').Bodies} K
 * @param {Pick<Entry, 'kind' | 'body'>} entry that was judged @param {...K} kinds it is of one of these
 * @returns {import('../src/bodies.ts').Bodies[K]}
 */
function bodyOf(entry, ...kinds) {
  if (!kinds.some((kind) => kind === entry.kind))
    throw new Error(`a body of ${kinds} was asked of ${entry.kind}`);
  return JSON.parse(entry.body);
}

/** @param {readonly Entry[]} story @param {...string} kinds */
const last = (story, ...kinds) => story.findLast(({ kind }) => kinds.includes(kind));

/** True while the last of frozen and thawed is frozen. @param {import('./state.cjs').State} state */
const isFrozen = ({ frozenAt, thawedAt }) => frozenAt > thawedAt;

module.exports = {
  lifecycle,
  rights,
  isOfAction,
  mayFollow,
  stateOf,
  isOver,
  isUnderWay,
  last,
  bodyOf,
  isFrozen,
};
