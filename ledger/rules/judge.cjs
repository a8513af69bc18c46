// @ts-check
// What may be written to the ledger, by whom and when: a table from an entry's kind to its check. One module for the hook
// that enforces it, the executor that checks it again before it runs anything, the audit and the tests. Plain CommonJS
// without imports of Node, because PocketBase's hooks run in goja.
const { canonical } = require('./canonical.cjs');
const { bodyOf, isFrozen, isOfAction, last, mayFollow, rights } = require('./lifecycle.cjs');
const { answerRefusal, beginRefusal, effectOf, readsOf, termsOf } = require('./answers.cjs');
const { effectRefusal, foundations, text } = require('./effects.cjs');
const { isKind, traits } = require('./kinds.cjs');
const { isNamed, scriptsOf } = require('./named.cjs');
const { isReads, longestWait, rank, readsTerm, termOf, whole } = require('./policy.cjs');
const { uncovered } = require('./grants.cjs');
const { workspaceRefusal } = require('./workspaces.cjs');

/**
 * @typedef {import('./lifecycle.cjs').Entry} Entry
 * @typedef {import('./state.cjs').State} State
 * @typedef {import('./codes.cjs').Refusal} Refusal
 * @typedef {import('../src/action.ts').Action} Action
 * @typedef {import('../src/bodies.ts').Answer} Answer
 * @typedef {Pick<Entry, 'id' | 'author' | 'kind' | 'action' | 'body'>} Proposed
 * @typedef {{story: Entry[], state: State, now: string, sha256: (text: string) => string, given: (lease: string) => boolean, past?: boolean}} Context
 * @typedef {Record<string, unknown>} Body of which nothing is known yet
 */

/** Hashing input of an entry: everything but the hash itself, as canonical JSON, whose order this is. @param {Omit<Entry, 'hash'>} e */
const hashed = ({ action, at, author, body, id, kind, prev, seq }) =>
  JSON.stringify({ action, at, author, body, id, kind, prev, seq });

/** Why the reads that an action's card would lease besides can't be had. @param {Body} request @param {State} state @returns {Refusal} */
function readsRefusal({ reads, requester, kind, grade }, state) {
  if (reads === undefined) return '';
  const term = readsTerm(state.policy);
  if (!term || requester !== 'brain' || traits(kind).class === 'control') return 'reads';
  if (!isReads(reads, term.reads)) return 'reads';
  return rank(grade) < rank(term.grade) ? 'grade' : '';
}

/** @param {Proposed} e @param {Body} body @param {Context} c @returns {Refusal} */
function requestRefusal(e, body, c) {
  const { state } = c;
  const { kind, args, requester } = body;
  if (e.id !== e.action || body.id !== e.action) return 'action_id';
  if (!isKind(kind) || body.class !== traits(kind).class) return 'class';
  if (!text(body.workspace, 40) || !text(body.task, 40) || !args || typeof args !== 'object')
    return 'body_invalid';
  if (typeof requester !== 'string' || !/^(brain$|operator$|@)/.test(requester)) return 'body_invalid';
  if (requester === 'brain' && body.class === 'control' && kind !== 'plan') return 'not_allowed';
  const effect = effectRefusal(body, c);
  if (effect) return effect;
  const term = termOf(state.policy, { kind, args });
  if (!term) return 'class';
  if (term.mode === 'never') return 'never';
  const own = termsOf(/** @type {Action} */ (body));
  if (rank(own.grade) < rank(term.grade)) return 'grade';
  if (own.approvers * own.devices > 1 && own.grade !== 'signed') return 'grade';
  if (!whole(own.decide_within, 1, term.decide_within)) return 'clock';
  if (!whole(own.execute_within, 1, term.execute_within)) return 'clock';
  if (!whole(own.grace, term.grace, longestWait)) return 'clock';
  if (!whole(own.approvers, term.approvers, 9) || !whole(own.devices, term.devices, 9)) return 'quorum';
  return readsRefusal(body, state);
}

/**
 * What decides or begins something, or what that goes by, each with its check of body, request and chain. By a clock that
 * went back none of these may stand: it would give late decisions their time again.
 * @type {Record<string, (body: Body, request: Action, requested: Entry, c: Context) => Refusal>}
 */
const decisive = {
  named: (body, request) => (isNamed(body) && scriptsOf(request).length > 0 ? '' : 'body_invalid'),
  endorsed: (body, request, requested, c) =>
    answerRefusal('endorsed', /** @type {Answer} */ (body), request, requested, c),
  approved: (body, request, requested, c) =>
    answerRefusal('approved', /** @type {Answer} */ (body), request, requested, c),
  leased({ lease, use }, request, _, c) {
    const grant = c.state.grants.get(String(lease));
    if (!grant) return c.given(String(lease)) ? 'lease_over' : 'no_lease';
    if (use !== grant.used + 1) return 'count';
    return isFrozen(c.state) ? 'frozen' : uncovered(grant, request, c.state, c.now, c.past);
  },
  applied(body, request, _, c) {
    if (request.class !== 'control') return 'lifecycle';
    if (canonical(body) !== canonical(effectOf(request, String(body.digest), c.story))) return 'body_invalid';
    return beginRefusal(request, c) || effectRefusal(request, c);
  },
  // What is called has to be pinned still.
  claimed: (_, request, __, c) =>
    request.class === 'control' ? 'lifecycle' : beginRefusal(request, c) || effectRefusal(request, c),
  // What a card leased besides is given once, while the action that it was approved with runs and nobody stopped it.
  'lease.granted'(body, request, _, c) {
    if (last(c.story, 'lease.granted', 'stop') || !request.reads || !last(c.story, 'approved'))
      return 'lifecycle';
    if (canonical(body) !== canonical(readsOf(request, String(body.digest), c.story))) return 'body_invalid';
    return readsRefusal(request, c.state) || beginRefusal(request, c);
  },
};

/** @param {string} kind @returns {(body: Body, c: Context) => Refusal} */
const workspace =
  (kind) =>
  (body, { state }) =>
    workspaceRefusal(kind, body, state.workspaces);

/** What stands beside every action's life, each with its check. @type {Record<string, (body: Body, c: Context) => Refusal>} */
const beside = {
  ...foundations,
  'lease.ended': ({ lease }, c) => (c.given(String(lease)) ? '' : 'no_lease'),
  'workspace.created': workspace('workspace.created'),
  'workspace.imported': workspace('workspace.imported'),
  'workspace.exported': workspace('workspace.exported'),
};

/** What an entry's text says, if it is canonical JSON. @param {string} text @returns {unknown} */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return canonical(value) === text ? value : undefined;
  } catch (_) {
    return undefined;
  }
}

/**
 * Why an entry may not be written where the chain stands.
 * @param {Proposed} e what somebody wants to write
 * @param {Context} c the action's story and the state of the chain, the ledger's clock, whether a grant of this id was ever given, and whether the ledger took the entry before
 * @returns {Refusal}
 */
function refusal(e, c) {
  // hasOwn: an author named like a property of every object has no rights either.
  if (!Object.hasOwn(rights, e.author) || !rights[e.author]?.includes(e.kind)) return 'not_allowed';
  const value = parsed(e.body);
  if (value === undefined) return 'not_canonical';
  if (!value || typeof value !== 'object' || Array.isArray(value)) return 'body_invalid';
  const body = /** @type {Body} */ (value);
  if (!isOfAction(e.kind)) return e.action ? 'no_action_here' : (beside[e.kind]?.(body, c) ?? '');
  if (!e.action) return 'action_missing';
  if (!mayFollow(c.story, e.kind)) return 'lifecycle';
  if (e.kind === 'stop') return '';
  if (e.kind === 'requested') return requestRefusal(e, body, c);
  const requested = last(c.story, 'requested');
  if (!requested) return 'lifecycle';
  if (body.digest !== c.sha256(requested.body)) return 'digest';
  const check = decisive[e.kind];
  if (!check) return '';
  if (Date.parse(c.now) < c.state.clock) return 'clock_back';
  return check(body, bodyOf(requested, 'requested'), requested, c);
}

module.exports = { hashed, refusal };
