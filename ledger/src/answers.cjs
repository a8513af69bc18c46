// @ts-check
// The answers to an action: whether one counts, whether they suffice, and whether what they decided may begin.
const { atLeast, enrolled, mayApprove, rolesOf } = require('./identities.cjs');
const { grants, overSince, policyOf } = require('./leases.cjs');
const { isFrozen, last } = require('./lifecycle.cjs');
const { rank, stricter, termOf } = require('./policy.cjs');

/**
 * @typedef {import('./lifecycle.cjs').Entry} Entry
 * @typedef {import('./rules.cjs').Context} Context
 * @typedef {Record<string, any>} Body
 */

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

module.exports = { termsOf, answers, lacking, answerRefusal, beginRefusal };
