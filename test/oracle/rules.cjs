// @ts-check
// What may be written to the ledger, by whom and when. One module for the hook that enforces it, the executor that
// checks it again before it runs anything, the audit and the tests. Plain CommonJS without imports of Node, because
// PocketBase's hooks run in goja.
const { canonical } = require('../../ledger/rules/canonical.cjs');
const { lifecycle, rights, stateOf, last, isFrozen } = require('./lifecycle.cjs');
const { effectOf, readsOf, answerRefusal, beginRefusal, termsOf } = require('./answers.cjs');
const { atLeast, deviceKeys, distinct, enrolled, roles, rolesOf } = require('./identities.cjs');
const {
  isReads,
  longestWait,
  policyFault,
  rank,
  readsTerm,
  termOf,
  whole,
} = require('../../ledger/rules/policy.cjs');
const { kinds } = require('../../ledger/rules/kinds.cjs');
const classes = Object.fromEntries(Object.entries(kinds).map(([kind, { class: risk }]) => [kind, risk]));
const { grantFault, grants, policyOf, uncovered } = require('./leases.cjs');
const { egressFault, pullFault, pushFault } = require('./egress.cjs');
const { workspaceRefusal } = require('./workspaces.cjs');

/**
 * @typedef {import('./lifecycle.cjs').Entry} Entry
 * @typedef {Pick<Entry, 'id' | 'author' | 'kind' | 'action' | 'body'>} Proposed
 * @typedef {{story: Entry[], control: Entry[], head: {seq: number, at: string} | null, now: string, sha256: (text: string) => string, uses: (lease: string) => number}} Context
 * @typedef {Record<string, any>} Body
 */

/** Hashing input of an entry: everything but the hash itself. @param {Omit<Entry, 'hash'>} e */
const hashed = ({ action, at, author, body, id, kind, prev, seq }) =>
  canonical({ action, at, author, body, id, kind, prev, seq });

/** @param {unknown} v @param {number} most */
const text = (v, most) => typeof v === 'string' && v.length > 0 && v.length <= most;

/** Why a control action's effect can't be had where the chain stands, or ''. @param {Body} request @param {Entry[]} control */
function effectRefusal(request, control) {
  const { kind, args } = request;
  if (kind === 'policy') {
    if (policyFault(args.policy) || Object.keys(args).length !== 1) return 'policy';
    // One that nobody here could satisfy could never be changed again.
    const able = distinct(enrolled(control).filter((d) => atLeast(d.role, 'approves')));
    const { approvers, devices } = args.policy.control;
    return approvers > able.people || devices > able.devices ? 'too_few' : '';
  }
  if (kind === 'thaw')
    return Object.keys(args).length > 0 ? 'body_invalid' : isFrozen(control) ? '' : 'not_frozen';
  if (kind === 'device') {
    if (!deviceKeys.every((key) => text(args[key], 255)) || Object.keys(args).length !== 5)
      return 'body_invalid';
    const known = enrolled(control).some((d) => d.user === args.user && d.master === args.master);
    return known ? '' : 'not_enrolled';
  }
  if (kind === 'role') {
    const of = rolesOf(control);
    if (
      !text(args.user, 255) ||
      !of[args.user] ||
      roles.indexOf(args.role) < 0 ||
      Object.keys(args).length !== 2
    )
      return 'body_invalid';
    const another = enrolled(control).some((d) => d.user !== args.user && d.role === 'owner');
    return args.role === 'owner' || another ? '' : 'last_owner';
  }
  if (kind === 'egress') return egressFault(args) ? 'body_invalid' : '';
  if (kind === 'pull') return pullFault(args) ? 'body_invalid' : '';
  if (kind === 'push') return pushFault(args) ? 'body_invalid' : '';
  if (kind === 'lease' || kind === 'plan') return grantFault({ kind, args }) ? 'body_invalid' : '';
  return '';
}

/** Why the reads that an action's card would lease besides can't be had, or ''. @param {Body} request @param {Entry[]} control */
function readsRefusal(request, control) {
  if (request.reads === undefined) return '';
  const term = readsTerm(policyOf(control));
  if (!term || request.requester !== 'brain' || request.class === 'control') return 'reads';
  if (!isReads(request.reads, term.reads)) return 'reads';
  return rank(request.grade) < rank(term.grade) ? 'grade' : '';
}

/** @param {Proposed} e @param {Body} body @param {Context} c */
function requestRefusal(e, body, c) {
  if (e.id !== e.action || body.id !== e.action) return 'action_id';
  if (!Object.hasOwn(classes, body.kind) || body.class !== classes[body.kind]) return 'class';
  if (!text(body.workspace, 40) || !text(body.task, 40) || !body.args || typeof body.args !== 'object')
    return 'body_invalid';
  if (!['brain', 'owner', 'operator'].includes(body.requester) && !/^@/.test(body.requester))
    return 'body_invalid';
  if (body.requester === 'brain' && body.class === 'control' && body.kind !== 'plan') return 'not_allowed';
  const effect = effectRefusal(body, c.control);
  if (effect) return effect;
  const term = termOf(policyOf(c.control), { kind: body.kind, args: body.args });
  if (!term) return 'class';
  if (term.mode === 'never') return 'never';
  const asked = termsOf(body);
  if (rank(asked.grade) < rank(term.grade)) return 'grade';
  if (asked.approvers * asked.devices > 1 && asked.grade !== 'signed') return 'grade';
  if (
    !whole(asked.decide_within, 1, term.decide_within) ||
    !whole(asked.execute_within, 1, term.execute_within)
  )
    return 'clock';
  if (!whole(asked.grace, term.grace, longestWait)) return 'clock';
  if (!whole(asked.approvers, term.approvers, 9) || !whole(asked.devices, term.devices, 9)) return 'quorum';
  return readsRefusal(body, c.control);
}

/** @param {Body} body @param {Body} request @param {Context} c */
function appliedRefusal(body, request, c) {
  if (request.class !== 'control') return 'lifecycle';
  if (canonical(body) !== canonical(effectOf(request, body.digest, c.story))) return 'body_invalid';
  return beginRefusal(request, c) || effectRefusal(request, c.control);
}

/** What a card leased besides is given once, while the action that it was approved with runs and nobody stopped it. @param {Body} body @param {Body} request @param {Context} c */
function grantedRefusal(body, request, c) {
  const given = c.story.some((e) => e.kind === 'lease.granted' || e.kind === 'stop');
  if (given || request.reads === undefined || !last(c.story, 'approved')) return 'lifecycle';
  if (canonical(body) !== canonical(readsOf(request, body.digest, c.story))) return 'body_invalid';
  return readsRefusal(request, c.control) || beginRefusal(request, c);
}

/** @param {Body} body @param {Body} request @param {Context} c */
function leasedRefusal(body, request, c) {
  const grant = grants(c.control).find((g) => g.id === body.lease);
  if (!grant) return 'no_lease';
  if (body.use !== c.uses(grant.id) + 1) return 'count';
  return isFrozen(c.control)
    ? 'frozen'
    : uncovered(grant, { ...request, kind: request.kind, args: request.args }, c);
}

/** Kinds beside an action's life. @param {Proposed} e @param {Body} body @param {Context} c */
function besideRefusal(e, body, c) {
  if (e.action) return 'no_action_here';
  if (e.kind === 'identity.enrolled') {
    if (!deviceKeys.every((key) => text(body[key], 255))) return 'body_invalid';
    return body.role === undefined || roles.indexOf(body.role) > 0 ? '' : 'body_invalid';
  }
  if (e.kind.indexOf('identity.') === 0) return text(body.user, 255) ? '' : 'body_invalid';
  if (e.kind === 'policy.set') {
    if (policyFault(body.policy)) return 'policy';
    return enrolled(c.control).length > 0 ? 'needs_approval' : '';
  }
  if (e.kind === 'lease.ended') return grants(c.control).some((g) => g.id === body.lease) ? '' : 'no_lease';
  return e.kind.indexOf('workspace.') === 0 ? workspaceRefusal(e.kind, body, c.control) : '';
}

/**
 * Why an entry may not be written where the chain stands, as a code, or '' when it may.
 * @param {Proposed} e what somebody wants to write
 * @param {Context} c the action's story and all control entries in order, the head, the ledger's clock, how often a lease was used
 * @returns {string}
 */
function refusal(e, c) {
  // hasOwn: an author named like a property of every object has no rights either.
  if (!Object.hasOwn(rights, e.author) || !rights[e.author]?.includes(e.kind)) return 'not_allowed';
  let body;
  try {
    body = JSON.parse(e.body);
    if (canonical(body) !== e.body) return 'not_canonical';
  } catch (_) {
    return 'not_canonical';
  }
  if (!body || typeof body !== 'object' || Array.isArray(body)) return 'body_invalid';
  const state = stateOf(c.story);
  if (e.kind === 'stop') return state === 'claimed' || state === 'running' ? '' : 'lifecycle';
  const granting = e.kind === 'lease.granted';
  if (!granting && !Object.hasOwn(lifecycle, e.kind)) return besideRefusal(e, body, c);
  if (!e.action) return 'action_missing';
  const may = granting ? state === 'claimed' || state === 'running' : lifecycle[state]?.includes(e.kind);
  if (!may) return 'lifecycle';
  if (e.kind === 'requested') return requestRefusal(e, body, c);
  const requested = last(c.story, 'requested');
  if (!requested) return 'lifecycle';
  if (body.digest !== c.sha256(requested.body)) return 'digest';
  const request = JSON.parse(requested.body);
  // A clock that went back would give late decisions their time again: nothing is decided or begun then.
  const back = c.head !== null && Date.parse(c.now) < Date.parse(c.head.at);
  if (back && ['endorsed', 'approved', 'leased', 'applied', 'claimed', 'lease.granted'].includes(e.kind))
    return 'clock_back';
  if (e.kind === 'endorsed' || e.kind === 'approved')
    return answerRefusal(e.kind, body, request, requested, c);
  if (e.kind === 'leased') return leasedRefusal(body, request, c);
  if (granting) return grantedRefusal(body, request, c);
  if (e.kind === 'applied') return appliedRefusal(body, request, c);
  if (e.kind === 'claimed') return request.class === 'control' ? 'lifecycle' : beginRefusal(request, c);
  return '';
}

module.exports = { hashed, refusal };
