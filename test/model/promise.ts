/**
 * The promise of docs/approvals.md, asked of each entry that the rules took: nothing begins without the answers that its policy
 * asked for, from devices enrolled then and now, after the last denial, freeze or revocation; once; in time.
 */

import {
  type Act,
  type Answer,
  answerOf,
  type Deed,
  type Facts,
  type Given,
  type Request,
  read,
} from './facts.ts';
import { covers, type Need, needOf, policyTerm, strength } from './needs.ts';
import { type Entry, idOf, sha256 } from './rules.ts';

/** Says which promise does not hold; the first of them that does not. */
type Check = readonly [holds: boolean, otherwise: string];
const firstBroken = (...checks: readonly Check[]): string => checks.find(([holds]) => !holds)?.[1] ?? '';

const later = (at: string, seconds: number): string =>
  new Date(Date.parse(at) + seconds * 1000).toISOString();
const noSecondTap = [
  'list',
  'get_file',
  'put_file',
  'diff',
  'export',
  'push_look',
  'undo_diff',
  'merge_look',
  'screen',
  'try',
];

/** Whether whoever gave this answer was enrolled and might approve when it was given, and is and may ever since. */
function stillStands({ user, device, grade, seq }: Answer, { devices, roles }: Facts): boolean {
  const since = roles.get(user)?.seq;
  const of = devices.filter((d) => d.user === user && (grade !== 'signed' || d.device === device));
  return since !== undefined && since < seq && of.some((d) => d.seq < seq);
}

const isWatched = ({ devices, roles }: Facts): boolean =>
  devices.some((d) => roles.get(d.user)?.role !== 'none' && roles.get(d.user)?.seq === undefined);

function isOwnCommand(answer: Answer, { id, kind, requester }: Request, need: Need): boolean {
  const once = idOf(answer.event, sha256) === id;
  const alone = need.approvers === 1 && need.devices === 1 && need.grace === 0;
  return (
    once && alone && noSecondTap.includes(kind) && requester === answer.user && answer.grade === 'signed'
  );
}

/** What is wrong with an answer at this moment, or ''. */
function wrongWith(answer: Answer, deed: Deed, need: Need, facts: Facts): string {
  const { request, digest, seq } = deed;
  const tap = answer.grade !== 'signed';
  return firstBroken(
    [answer.digest === digest, 'an answer to another text counted'],
    [strength(answer.grade) >= strength(need.grade), 'an answer of too low a grade counted'],
    [stillStands(answer, facts), 'an answer of somebody who was not enrolled then and now counted'],
    [!tap || !isWatched(facts), 'a tap counted while somebody is enrolled who may not approve'],
    [!tap || facts.lost < seq, 'a tap counted on a card from before a device or a role was taken back'],
    [facts.frozen.seq < answer.seq, 'an answer from before a freeze counted'],
    [need.approvers === 1 || answer.user !== request.requester, 'somebody approved what they asked for'],
    [answer.form !== 'command' || isOwnCommand(answer, request, need), 'a message decided what it may not'],
  );
}

/** What is wrong with these answers together, or ''. */
function wrongTogether(answers: readonly Answer[], deed: Deed, need: Need, facts: Facts): string {
  const { kind, args } = deed.request;
  const people = new Set(answers.map((a) => a.user));
  const devices = new Set(answers.map((a) => `${a.user} ${a.device}`));
  const byOwner = answers.some((a) => facts.roles.get(a.user)?.role === 'owner');
  const ownDevice = kind === 'device' && people.has(String(args['user']));
  const ownersOnly = ['policy', 'role', 'device', 'thaw'].includes(kind);
  return (
    answers.map((a) => wrongWith(a, deed, need, facts)).find(Boolean) ??
    firstBroken(
      [people.size >= need.approvers, 'fewer people answered than the policy asks for'],
      [devices.size >= need.devices, 'fewer devices answered than the policy asks for'],
      [devices.size === answers.length, 'one device answered twice'],
      [!ownersOnly || byOwner || ownDevice, 'no owner decided what only an owner may'],
    )
  );
}

/** What is wrong with what a lease, a plan or reads let begin, or ''. @param at when it was used */
function wrongUnder(grant: Given | undefined, deed: Deed, facts: Facts, at: string): string {
  if (!grant) return 'a lease counted that nobody gave';
  const { kind, args, answers } = grant;
  const signed = answers.every((a) => a.grade === 'signed');
  const need = policyTerm(facts.policy, kind === 'reads' ? { kind: 'read_file', args: {} } : { kind, args });
  const mode = facts.policy[policyTerm(facts.policy, deed.request).risk]?.mode;
  const people = new Set(answers.map((a) => a.user)).size;
  const devices = new Set(answers.map((a) => `${a.user} ${a.device}`)).size;
  return firstBroken(
    [!grant.ended, 'a lease counted that was ended'],
    [at <= later(grant.at, Number(args['seconds'])), 'a lease counted after its time'],
    [facts.frozen.seq < grant.seq, 'a lease from before a freeze counted'],
    [answers.every((a) => stillStands(a, facts)), 'a lease counted without those who gave it'],
    [signed || (!isWatched(facts) && facts.lost < grant.seq), 'a lease by taps counted after a loss'],
    [signed || need.grade !== 'signed', 'a lease counted that was given at too low a grade'],
    [people >= need.approvers && devices >= need.devices, 'a lease counted that too few people gave'],
    [mode !== 'never' && (kind === 'plan' || mode === 'lease'), 'a lease counted where its class takes none'],
  );
}

/** What is wrong with an action that begins, or takes effect, at this moment, or ''. */
function wrongBegin(deed: Deed, facts: Facts, at: string): string {
  const { decided, request, answers } = deed;
  if (!decided) return 'something began that nobody decided';
  const need = needOf(request, facts.policy);
  const graced = decided.lease ? 0 : need.grace;
  return (
    firstBroken(
      [at >= facts.clock, 'something began while the clock was back'],
      [!facts.frozen.now || request.kind === 'thaw', 'something began while frozen'],
      [facts.frozen.seq < decided.seq, 'something began that was decided before a freeze'],
      [!need.closed, 'something began of a class that is closed'],
      [at <= later(decided.at, need.execute_within), 'something began too late'],
      [at >= later(decided.at, graced), 'something began within its grace'],
    ) ||
    (decided.lease
      ? wrongUnder(facts.grants.get(decided.lease), deed, facts, decided.at)
      : wrongTogether(answers, deed, need, facts))
  );
}

function wrongAnswer(entry: Entry, deed: Deed, facts: Facts): string {
  const answer = answerOf(entry);
  const need = needOf(deed.request, facts.policy);
  return (
    firstBroken(
      [entry.at >= facts.clock, 'something was decided while the clock was back'],
      [!facts.frozen.now || deed.request.kind === 'thaw', 'something was decided while frozen'],
      [!need.closed, 'something was decided of a class that is closed'],
      [entry.at <= later(deed.at, need.decide_within), 'an answer that came too late counted'],
    ) ||
    (entry.kind === 'endorsed'
      ? wrongWith(answer, deed, need, facts)
      : wrongTogether([...deed.answers, answer], deed, need, facts))
  );
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function wrongReads(entry: Entry, deed: Deed, facts: Facts): string {
  const { reads, workspace, task, by, grade } = read(entry.body).body;
  const { request, answers } = deed;
  const all = answers.every((a) => a.grade === 'signed') ? 'signed' : 'sealed';
  const givers = answers.map(({ user, device }) => (all === 'signed' ? { device, user } : { user }));
  return (
    firstBroken(
      [!deed.spent && deed.decided?.lease === '', 'reads were given that nobody approved, or twice'],
      [
        request.reads !== undefined && same(reads, request.reads),
        'reads were given that the card did not say',
      ],
      [workspace === request.workspace && task === request.task, 'reads were given of another task'],
      [grade === all && same(by, givers), 'reads were given in the name of others'],
    ) || wrongBegin(deed, facts, entry.at)
  );
}

function wrongEffect(entry: Entry, deed: Deed, facts: Facts): string {
  const { kind, args } = read(entry.body).body as unknown as Act;
  const { request } = deed;
  return (
    firstBroken(
      [
        policyTerm(facts.policy, request).risk === 'control',
        'something took effect that is no control action',
      ],
      [kind === request.kind && same(args, request.args), 'something else took effect than was approved'],
    ) || wrongBegin(deed, facts, entry.at)
  );
}

function wrongClaim(entry: Entry, deed: Deed, facts: Facts): string {
  const isControl = policyTerm(facts.policy, deed.request).risk === 'control';
  return isControl ? 'a control action was run' : wrongBegin(deed, facts, entry.at);
}

function wrongUse(entry: Entry, deed: Deed, facts: Facts): string {
  const { lease, use } = read(entry.body).body;
  const grant = facts.grants.get(String(lease));
  const uses = grant?.uses ?? 0;
  return (
    firstBroken(
      [entry.at >= facts.clock, 'a lease was used while the clock was back'],
      [!facts.frozen.now, 'a lease was used while frozen'],
      [use === uses + 1, 'a use of a lease was not counted'],
      [!grant || covers(grant, deed.request, uses), 'a lease was used for what it does not cover'],
    ) || wrongUnder(grant, deed, facts, entry.at)
  );
}

function wrongRequest(request: Request, { policy }: Facts): string {
  const { risk, grade } = policyTerm(policy, request);
  const asksMore = request.requester === 'brain' && risk === 'control' && request.kind !== 'plan';
  return firstBroken(
    [!asksMore, 'the agent asked for more than an action or a plan'],
    [request.class === risk, 'a class was not that of its kind'],
    [strength(request.grade) >= strength(grade), 'a grade below the policy’s was asked for'],
  );
}

const checks: Record<string, (entry: Entry, deed: Deed, facts: Facts) => string> = {
  endorsed: wrongAnswer,
  approved: wrongAnswer,
  leased: wrongUse,
  claimed: wrongClaim,
  applied: wrongEffect,
  'lease.granted': wrongReads,
};
/** Whose word alone these are, whatever else anybody may write. */
const only: Record<string, string> = {
  ...{ requested: 'bot', endorsed: 'bot', approved: 'bot', leased: 'bot', applied: 'bot' },
  ...{ claimed: 'executor', 'lease.granted': 'executor', running: 'executor', succeeded: 'executor' },
  ...{ 'identity.enrolled': 'operator', 'policy.set': 'operator', thawed: 'operator' },
};

/** Which promise an entry breaks that the rules took at the end of a chain with these facts, or ''. */
export function broken(facts: Facts, entry: Entry): string {
  const { kind, author, action } = entry;
  if (only[kind] && only[kind] !== author) return `${kind} was written by ${author}`;
  if (kind === 'policy.set' && facts.devices.some((d) => facts.roles.get(d.user)?.role !== 'none'))
    return 'the console set a policy while people are enrolled';
  if (kind === 'requested') return wrongRequest(read(entry.body).body as unknown as Request, facts);
  const check = checks[kind];
  if (!check) return '';
  const deed = facts.deeds.get(action);
  if (!deed) return `${kind} without a request`;
  if (deed.digest !== read(entry.body).body['digest']) return `${kind} named another text`;
  const due = kind === 'lease.granted' ? 'claimed' : 'open';
  if (deed.stage !== due) return deed.stage === 'over' ? `${kind} after the end` : `${kind} twice`;
  return check(entry, deed, facts);
}
