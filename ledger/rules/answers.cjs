// @ts-check
// The answers to an action: whether one counts, whether they suffice, and whether what they decided may begin.
const { idOf } = require('./id.cjs');
const { distinct, mayApprove, tapsAreSpoilt } = require('./identities.cjs');
const { overSince } = require('./grants.cjs');
const { traits } = require('./kinds.cjs');
const { bodyOf, isFrozen, last } = require('./lifecycle.cjs');
const { rank, stricter, termOf } = require('./policy.cjs');

/**
 * @typedef {import('./lifecycle.cjs').Entry} Entry
 * @typedef {import('./state.cjs').State} State
 * @typedef {import('./codes.cjs').Refusal} Refusal
 * @typedef {import('../src/action.ts').Action} Action
 * @typedef {import('../src/bodies.ts').Answer} Answer
 * @typedef {Pick<import('./judge.cjs').Context, 'story' | 'state' | 'now' | 'sha256'>} Context
 */

/** A request's own terms. @param {Pick<Action, 'grade' | 'decide_within' | 'execute_within' | 'grace' | 'approvers' | 'devices'>} request */
const termsOf = ({ grade, decide_within, execute_within, grace, approvers, devices }) =>
  /** @type {import('./policy.cjs').Term} */
  ({ mode: 'lease', grade, form: 'chip', decide_within, execute_within, grace, approvers, devices });

/** The moment until which something may still be done. @param {Entry} from @param {number} seconds */
const deadline = (from, seconds) => Date.parse(from.at) + seconds * 1000;

/** What was answered for this action so far. @param {readonly Entry[]} story @returns {(Answer & {seq: number})[]} */
const answers = (story) =>
  story
    .filter((e) => e.kind === 'endorsed' || e.kind === 'approved')
    .map((e) => ({ ...bodyOf(e, 'endorsed', 'approved'), seq: e.seq }));

/** @param {Pick<Answer, 'evidence'>[]} given */
const count = (given) => distinct(given.map((a) => a.evidence));

/**
 * The body of the `applied` entry that puts an approved control action into effect: what was approved, by whom, and the
 * files that a plan's card named.
 * @param {Action} request @param {string} digest of the request @param {readonly Entry[]} story
 */
const effectOf = ({ kind, args, workspace, task }, digest, story) => {
  const by = answers(story).map(({ evidence: { user, device } }) => ({ user, device }));
  const named = last(story, 'named');
  return { digest, kind, args, workspace, task, by, ...(named && { named: bodyOf(named, 'named') }) };
};

/**
 * The body of the `lease.granted` entry that gives what an action's card leased besides: what was approved, by whom, and by the
 * weakest grade among their answers. A tap names no device.
 * @param {Action} request @param {string} digest of the request @param {readonly Entry[]} story
 */
function readsOf({ reads, workspace, task }, digest, story) {
  const all = answers(story);
  const grade = all.every((a) => a.grade === 'signed') ? 'signed' : 'sealed';
  const by = all.map(({ evidence: { user, device } }) => (grade === 'signed' ? { user, device } : { user }));
  return { digest, reads, workspace, task, grade, by };
}

/** What is asked of the answers now: the request's own terms and those of the policy in force, or nothing where it lets none run. @param {Action} request @param {State} state */
function termNow(request, state) {
  const now = termOf(state.policy, request);
  return now && now.mode !== 'never' ? stricter(termsOf(request), now) : undefined;
}

/**
 * How many people and devices are still needed after these answers.
 * @param {Action} request @param {Pick<Answer, 'evidence'>[]} given @param {State} state
 */
function lacking(request, given, state) {
  const { approvers = 1, devices = 1 } = termNow(request, state) ?? {};
  const has = count(given);
  return { people: Math.max(0, approvers - has.people), devices: Math.max(0, devices - has.devices) };
}

/** Whether who asks may be who decides, by the one message. @param {Answer} a @param {Action} request @param {import('./policy.cjs').Term} term */
const isCommand = (a, request, { approvers, devices, grace }) =>
  traits(request.kind).words &&
  a.grade === 'signed' &&
  a.evidence.user === request.requester &&
  approvers * devices === 1 &&
  grace === 0;

/** Why one answer does not count now. @param {Answer & {seq: number}} a @param {Action} request @param {number} requested @param {State} state @returns {Refusal} */
function unfit(a, request, requested, state) {
  const term = termNow(request, state);
  if (!term) return 'never';
  if (rank(a.grade) < rank(term.grade)) return 'grade';
  if (!mayApprove(a, state, a.seq)) return 'revoked';
  if (a.grade !== 'signed' && tapsAreSpoilt(state, requested)) return 'grade';
  if (state.frozenAt > a.seq) return 'frozen';
  if (a.evidence.form === 'command' && !isCommand(a, request, term)) return 'command';
  return term.approvers > 1 && a.evidence.user === request.requester ? 'own_request' : '';
}

/** Why one of these answers does not count now. @param {(Answer & {seq: number})[]} all @param {Action} request @param {number} requested @param {State} state */
const anyUnfit = (all, request, requested, state) =>
  all.map((a) => unfit(a, request, requested, state)).find((why) => why !== '') ?? '';

/** Why these answers together do not suffice now. @param {(Answer & {seq: number})[]} all @param {Action} request @param {number} requested @param {State} state @returns {Refusal} */
function insufficient(all, request, requested, state) {
  const why = anyUnfit(all, request, requested, state);
  if (why) return why;
  const { people, devices } = lacking(request, all, state);
  if (people + devices > 0) return 'quorum';
  if (!traits(request.kind).owner) return '';
  const own = request.kind === 'device' ? request.args.user : undefined;
  const may = all.some(({ evidence: { user } }) => user === own || state.people.roles.get(user) === 'owner');
  return may ? '' : 'not_owner';
}

/**
 * Why this answer does not count, or does not suffice.
 * @param {string} kind endorsed or approved @param {Answer} body @param {Action} request @param {Entry} requested @param {Context} c
 * @returns {Refusal}
 */
function answerRefusal(kind, body, request, requested, c) {
  if (isFrozen(c.state) && request.kind !== 'thaw') return 'frozen';
  const term = termNow(request, c.state);
  if (!term) return 'never';
  if (Date.parse(c.now) > deadline(requested, term.decide_within)) return 'late';
  if (!mayApprove(body, c.state)) return rank(body.grade) < rank(term.grade) ? 'grade' : 'not_enrolled';
  // The one action that this event may decide as a command, so that none decides two.
  if (body.evidence.form === 'command' && idOf(String(body.evidence.event), c.sha256) !== requested.id)
    return 'command';
  const before = answers(c.story);
  const mine = { ...body, seq: Infinity };
  const all = [...before, mine];
  const why = unfit(mine, request, requested.seq, c.state);
  if (why) return why;
  if (count(all).devices === count(before).devices) return 'counted_already';
  return kind === 'approved'
    ? insufficient(all, request, requested.seq, c.state)
    : anyUnfit(before, request, requested.seq, c.state);
}

/**
 * Why a decided action may not begin (or, a control action, take effect) now. What was asked of its answers is asked again.
 * @param {Action} request @param {Context} c @returns {Refusal}
 */
function beginRefusal(request, { story, state, now }) {
  const requested = last(story, 'requested');
  const decided = last(story, 'approved', 'leased');
  if (!requested || !decided) return 'lifecycle';
  if (state.frozenAt > decided.seq || (isFrozen(state) && request.kind !== 'thaw')) return 'frozen';
  const term = termNow(request, state);
  if (!term) return 'never';
  if (Date.parse(now) > deadline(decided, term.execute_within)) return 'late';
  if (decided.kind === 'leased') {
    const grant = state.grants.get(bodyOf(decided, 'leased').lease);
    if (!grant) return 'lease_over'; // it stood when it was used
    if (grant.kind === 'lease' && term.mode !== 'lease') return 'not_leased';
    // Its count was taken and its time looked at when it was used; what ended it since still counts.
    return overSince(grant, state, decided.at);
  }
  if (Date.parse(now) < deadline(decided, term.grace)) return 'grace';
  return insufficient(answers(story), request, requested.seq, state);
}

module.exports = { termsOf, answers, effectOf, readsOf, lacking, answerRefusal, beginRefusal };
