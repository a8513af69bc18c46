// @ts-check
// What may be written to the ledger, by whom and when. One module for the hook that enforces it, the executor that
// checks it again before it runs anything, the audit and the tests. Plain CommonJS without imports of Node, because
// PocketBase's hooks run in goja.
const { canonical } = require('./canonical.cjs');
const { lifecycle, rights, stateOf, last } = require('./lifecycle.cjs');
const { atLeast, deviceKeys, enrolled, mayApprove, roles, rolesOf } = require('./identities.cjs');
const { classes, longestWait, policyFault, rank, stricter, termOf } = require('./policy.cjs');
const { grantFault, grants, overSince, policyOf, uncovered } = require('./leases.cjs');

/**
 * @typedef {import('./lifecycle.cjs').Entry} Entry
 * @typedef {Pick<Entry, 'id' | 'author' | 'kind' | 'action' | 'body'>} Proposed
 * @typedef {{story: Entry[], control: Entry[], head: {seq: number, at: string} | null, now: string, sha256: (text: string) => string, uses: (lease: string) => number}} Context
 * @typedef {Record<string, any>} Body
 */

/** Hashing input of an entry: everything but the hash itself. @param {Omit<Entry, 'hash'>} e */
const hashed = ({ action, at, author, body, id, kind, prev, seq }) =>
  canonical({ action, at, author, body, id, kind, prev, seq });

/** The moment of the last thaw, by the console or by an approved action. @param {Entry[]} control */
const thawedAt = (control) =>
  control.reduce((seq, e) => {
    const thaws = e.kind === 'thawed' || (e.kind === 'applied' && JSON.parse(e.body).kind === 'thaw');
    return thaws ? e.seq : seq;
  }, 0);

/** True while the last of frozen and thawed is frozen. @param {Entry[]} control */
function isFrozen(control) {
  const frozen = last(control, 'frozen');
  return frozen !== undefined && thawedAt(control) < frozen.seq;
}

/** @param {unknown} v @param {number} most */
const text = (v, most) => typeof v === 'string' && v.length > 0 && v.length <= most;
/** @param {unknown} v @param {number} least @param {number} most */
const whole = (v, least, most) => typeof v === 'number' && Number.isInteger(v) && v >= least && v <= most;

/** A request's terms; requests of before there were policies name fewer. @param {Body} r @returns {import('./policy.cjs').Term} */
const termsOf = (r) => ({
  mode: 'lease',
  grade: r.grade,
  form: 'chip',
  decide_within: r.decide_within,
  execute_within: r.execute_within,
  grace: r.grace ?? 0,
  approvers: r.approvers ?? 1,
  devices: r.devices ?? 1,
});

/** Why a control action's effect can't be had where the chain stands, or ''. @param {Body} request @param {Entry[]} control */
function effectRefusal(request, control) {
  const { kind, args } = request;
  if (kind === 'policy') return policyFault(args.policy) || Object.keys(args).length !== 1 ? 'policy' : '';
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
    if (!of[args.user] || roles.indexOf(args.role) < 0 || Object.keys(args).length !== 2)
      return 'body_invalid';
    const others = Object.keys(of).filter((user) => user !== args.user && of[user] === 'owner');
    return args.role === 'owner' || others.length > 0 ? '' : 'last_owner';
  }
  if (kind === 'lease' || kind === 'plan') return grantFault({ kind, args }) ? 'body_invalid' : '';
  return '';
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
  return whole(asked.approvers, term.approvers, 9) && whole(asked.devices, term.devices, 9) ? '' : 'quorum';
}

/** The moment until which something may still be done. @param {Entry} from @param {unknown} seconds */
const deadline = (from, seconds) => Date.parse(from.at) + Number(seconds) * 1000;

/** What was answered for this action so far. @param {Entry[]} story @returns {Body[]} */
const answers = (story) =>
  story.filter((e) => e.kind === 'endorsed' || e.kind === 'approved').map((e) => JSON.parse(e.body));

/** @param {Body[]} given @param {string} name */
const distinct = (given, name) =>
  new Set(given.map((a) => `${a.evidence.user} ${name && a.evidence[name]}`)).size;

/**
 * What is asked of the answers to an action: the request's own terms and those of the policy in force.
 * @param {Body} request @param {Entry[]} control
 */
function termNow(request, control) {
  const now = termOf(policyOf(control), { kind: request.kind, args: request.args });
  return now && stricter(termsOf(request), now);
}

/**
 * How many people and devices are still needed after these answers.
 * @param {Body} request @param {Body[]} given bodies of answers @param {Entry[]} control
 */
function lacking(request, given, control) {
  const { approvers = 1, devices = 1 } = termNow(request, control) ?? {};
  return {
    people: Math.max(0, approvers - distinct(given, '')),
    devices: Math.max(0, devices - distinct(given, 'device')),
  };
}

/**
 * Why this answer does not count, or does not suffice, or ''.
 * @param {string} kind endorsed or approved @param {Body} body @param {Body} request @param {Entry} requested @param {Context} c
 */
function answerRefusal(kind, body, request, requested, c) {
  if (isFrozen(c.control) && request.kind !== 'thaw') return 'frozen';
  const term = termNow(request, c.control);
  if (!term || term.mode === 'never') return 'never';
  if (rank(body.grade) < rank(term.grade)) return 'grade';
  // A chip's key is known to whoever can read the room: where somebody reads who may not approve, it proves nothing.
  const readers = enrolled(c.control).some((d) => !atLeast(d.role, 'approves'));
  if (readers && body.grade !== 'signed') return 'grade';
  if (Date.parse(c.now) > deadline(requested, term.decide_within)) return 'late';
  if (!mayApprove(body, c.control)) return 'not_enrolled';
  const before = answers(c.story);
  if (before.some((a) => !mayApprove(a, c.control))) return 'revoked';
  if (term.approvers > 1 && body.evidence.user === request.requester) return 'own_request';
  const all = [...before, body];
  if (distinct(all, 'device') === distinct(before, 'device')) return 'counted_already';
  if (kind === 'endorsed') return '';
  const { people, devices } = lacking(request, all, c.control);
  if (people + devices > 0) return 'quorum';
  const of = rolesOf(c.control);
  const byOwner = all.some((a) => of[a.evidence.user] === 'owner');
  const own = request.kind === 'device' && all.some((a) => a.evidence.user === request.args.user);
  return byOwner || own || !['policy', 'role', 'device', 'thaw'].includes(request.kind) ? '' : 'not_owner';
}

/**
 * Why a decided action may not begin (or, a control action, take effect) now, or ''.
 * @param {Body} request @param {Context} c
 */
function beginRefusal(request, c) {
  const decided = last(c.story, 'approved') || last(c.story, 'leased');
  if (!decided) return 'lifecycle';
  const freezes = c.control.some((e) => e.kind === 'frozen' && e.seq > decided.seq);
  if (freezes || (isFrozen(c.control) && request.kind !== 'thaw')) return 'frozen';
  if (Date.parse(c.now) > deadline(decided, request.execute_within)) return 'late';
  if (termNow(request, c.control)?.mode === 'never') return 'never';
  if (decided.kind === 'leased') {
    const grant = grants(c.control).find((g) => g.id === JSON.parse(decided.body).lease);
    // Its count was taken and its time looked at when it was used; what ended it since still counts.
    return grant ? overSince(grant, c.control, decided.at) : 'revoked';
  }
  if (Date.parse(c.now) < deadline(decided, request.grace ?? 0)) return 'grace';
  const given = answers(c.story);
  if (!given.every((a) => mayApprove(a, c.control))) return 'revoked';
  const { people, devices } = lacking(request, given, c.control);
  return people + devices > 0 ? 'quorum' : '';
}

/** @param {Body} body @param {Body} request @param {Context} c */
function appliedRefusal(body, request, c) {
  if (request.class !== 'control') return 'lifecycle';
  const { kind, args, workspace, task } = request;
  const by = answers(c.story).map(({ evidence: { user, device } }) => ({ user, device }));
  if (canonical(body) !== canonical({ digest: body.digest, kind, args, workspace, task, by }))
    return 'body_invalid';
  return beginRefusal(request, c) || effectRefusal(request, c.control);
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
  if (e.kind === 'workspace.created')
    return text(body.workspace, 40) && text(body.room, 255) ? '' : 'body_invalid';
  return '';
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
  if (!Object.hasOwn(lifecycle, e.kind)) return besideRefusal(e, body, c);
  if (!e.action) return 'action_missing';
  if (!lifecycle[state]?.includes(e.kind)) return 'lifecycle';
  if (e.kind === 'requested') return requestRefusal(e, body, c);
  const requested = last(c.story, 'requested');
  if (!requested) return 'lifecycle';
  if (body.digest !== c.sha256(requested.body)) return 'digest';
  const request = JSON.parse(requested.body);
  // A clock that went back would give late decisions their time again: nothing is decided or begun then.
  const back = c.head !== null && Date.parse(c.now) < Date.parse(c.head.at);
  if (back && ['endorsed', 'approved', 'leased', 'applied', 'claimed'].includes(e.kind)) return 'clock_back';
  if (e.kind === 'endorsed' || e.kind === 'approved')
    return answerRefusal(e.kind, body, request, requested, c);
  if (e.kind === 'leased') return leasedRefusal(body, request, c);
  if (e.kind === 'applied') return appliedRefusal(body, request, c);
  if (e.kind === 'claimed') return request.class === 'control' ? 'lifecycle' : beginRefusal(request, c);
  return '';
}

module.exports = { hashed, isFrozen, answers, lacking, refusal };
