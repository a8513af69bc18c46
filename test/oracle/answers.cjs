// @ts-check
// The answers to an action: whether one counts, whether they suffice, and whether what they decided may begin.
const { idOf } = require('../../ledger/rules/id.cjs');
const { distinct, mayApprove, rolesOf, tapsAreSpoilt } = require('./identities.cjs');
const { grants, overSince, policyOf } = require('./leases.cjs');
const { bodyOf, isFrozen, last } = require('./lifecycle.cjs');
const { rank, stricter, termOf } = require('../../ledger/rules/policy.cjs');

/**
 * @typedef {import('./lifecycle.cjs').Entry} Entry
 * @typedef {import('./rules.cjs').Context} Context
 * @typedef {Record<string, any>} Body
 */

/** A request's terms; requests of before there were policies name fewer. @param {Body} r @returns {import('../../ledger/rules/policy.cjs').Term} */
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

/** What was answered for this action so far. @param {Entry[]} story @returns {(Body & {seq: number})[]} */
const answers = (story) =>
  story
    .filter((e) => e.kind === 'endorsed' || e.kind === 'approved')
    .map((e) => ({ ...bodyOf(e), seq: e.seq }));

/** @param {Body[]} given */
const count = (given) => distinct(given.map((a) => a.evidence));

/**
 * The body of the `applied` entry that puts an approved control action into effect: what was approved, and by whom.
 * @param {Body} request @param {string} digest of the request @param {Entry[]} story
 */
const effectOf = ({ kind, args, workspace, task }, digest, story) => ({
  ...{ digest, kind, args, workspace, task },
  by: answers(story).map(({ evidence: { user, device } }) => ({ user, device })),
});

/**
 * The body of the `lease.granted` entry that gives what an action's card leased besides: what was approved, by whom, and by the
 * weakest grade among their answers. A tap names no device.
 * @param {Body} request @param {string} digest of the request @param {Entry[]} story
 */
function readsOf({ reads, workspace, task }, digest, story) {
  const all = answers(story);
  const grade = all.every((a) => a.grade === 'signed') ? 'signed' : 'sealed';
  const by = all.map(({ evidence: { user, device } }) => (grade === 'signed' ? { user, device } : { user }));
  return { digest, reads, workspace, task, grade, by };
}

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
  const has = count(given);
  return { people: Math.max(0, approvers - has.people), devices: Math.max(0, devices - has.devices) };
}

/** What its own signed message may decide: it reads, or adds a file and replaces none. */
const commanded = [
  'list',
  'get_file',
  'put_file',
  'diff',
  'export',
  'push_look',
  'undo_diff',
  'screen',
  'try',
];

/** Whether who asks may be who decides, by the one message. @param {Body} a @param {Body} request @param {import('../../ledger/rules/policy.cjs').Term} term */
const isCommand = (a, request, { approvers, devices, grace }) =>
  commanded.indexOf(request.kind) >= 0 &&
  a.grade === 'signed' &&
  a.evidence.user === request.requester &&
  approvers * devices === 1 &&
  grace === 0;

/** Why one answer does not count now, or ''. @param {Body} a with its `seq` @param {Body} request @param {number} requested @param {Entry[]} control */
function unfit(a, request, requested, control) {
  const term = termNow(request, control);
  if (!term || term.mode === 'never') return 'never';
  if (rank(a.grade) < rank(term.grade)) return 'grade';
  if (!mayApprove(a, control, a.seq)) return 'revoked';
  if (a.grade !== 'signed' && tapsAreSpoilt(control, requested)) return 'grade';
  if (control.some((e) => e.kind === 'frozen' && e.seq > a.seq)) return 'frozen';
  if (a.evidence.form === 'command' && !isCommand(a, request, term)) return 'command';
  return term.approvers > 1 && a.evidence.user === request.requester ? 'own_request' : '';
}

/** Why these answers together do not suffice now, or ''. @param {Body[]} all @param {Body} request @param {number} requested @param {Entry[]} control */
function insufficient(all, request, requested, control) {
  for (const a of all) {
    const why = unfit(a, request, requested, control);
    if (why) return why;
  }
  const { people, devices } = lacking(request, all, control);
  if (people + devices > 0) return 'quorum';
  const of = rolesOf(control);
  const byOwner = all.some((a) => of[a.evidence.user] === 'owner');
  const own = request.kind === 'device' && all.some((a) => a.evidence.user === request.args.user);
  return byOwner || own || !['policy', 'role', 'device', 'thaw'].includes(request.kind) ? '' : 'not_owner';
}

/**
 * Why this answer does not count, or does not suffice, or ''.
 * @param {string} kind endorsed or approved @param {Body} body @param {Body} request @param {Entry} requested @param {Context} c
 */
function answerRefusal(kind, body, request, requested, c) {
  if (isFrozen(c.control) && request.kind !== 'thaw') return 'frozen';
  const term = termNow(request, c.control);
  if (!term || term.mode === 'never') return 'never';
  if (Date.parse(c.now) > deadline(requested, term.decide_within)) return 'late';
  if (!mayApprove(body, c.control)) return rank(body.grade) < rank(term.grade) ? 'grade' : 'not_enrolled';
  // The one action that this event may decide as a command, so that none decides two.
  if (body.evidence.form === 'command' && idOf(String(body.evidence.event), c.sha256) !== requested.id)
    return 'command';
  const mine = { ...body, seq: Infinity };
  const before = answers(c.story);
  const why = unfit(mine, request, requested.seq, c.control);
  if (why) return why;
  const all = [...before, mine];
  if (count(all).devices === count(before).devices) return 'counted_already';
  if (kind === 'approved') return insufficient(all, request, requested.seq, c.control);
  return before.map((a) => unfit(a, request, requested.seq, c.control)).find(Boolean) ?? '';
}

/**
 * Why a decided action may not begin (or, a control action, take effect) now, or ''. What was asked of its answers is asked again.
 * @param {Body} request @param {Context} c
 */
function beginRefusal(request, c) {
  const requested = last(c.story, 'requested');
  const decided = last(c.story, 'approved') || last(c.story, 'leased');
  if (!requested || !decided) return 'lifecycle';
  const freezes = c.control.some((e) => e.kind === 'frozen' && e.seq > decided.seq);
  if (freezes || (isFrozen(c.control) && request.kind !== 'thaw')) return 'frozen';
  const term = termNow(request, c.control);
  if (!term || term.mode === 'never') return 'never';
  if (Date.parse(c.now) > deadline(decided, term.execute_within)) return 'late';
  if (decided.kind === 'leased') {
    const grant = grants(c.control).find((g) => g.id === bodyOf(decided).lease);
    if (!grant || (grant.kind === 'lease' && term.mode !== 'lease')) return 'not_leased';
    // Its count was taken and its time looked at when it was used; what ended it since still counts.
    return overSince(grant, c.control, decided.at);
  }
  if (Date.parse(c.now) < deadline(decided, term.grace)) return 'grace';
  return insufficient(answers(c.story), request, requested.seq, c.control);
}

module.exports = { termsOf, answers, effectOf, readsOf, lacking, answerRefusal, beginRefusal };
