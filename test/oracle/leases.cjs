// @ts-check
// Leases and plans: approved actions that let others run without a card of their own. A lease covers exact acts, or one
// kind of file action below one path; a plan covers its steps, each once, in their order; `reads`, leased by the card of
// another action, whatever the agent reads of the workspace in that task. All are counted and end.
const { canonical } = require('../../ledger/rules/canonical.cjs');
const { bodyOf, last } = require('./lifecycle.cjs');
const { distinct, mayApprove, tapsAreSpoilt } = require('./identities.cjs');
const {
  defaultPolicy,
  longestWait,
  mostUses,
  rank,
  readsTerm,
  termOf,
  whole,
} = require('../../ledger/rules/policy.cjs');
const { kinds } = require('../../ledger/rules/kinds.cjs');
const classes = Object.fromEntries(Object.entries(kinds).map(([kind, { class: risk }]) => [kind, risk]));
/** @typedef {import('./lifecycle.cjs').Entry} Entry */
/** @typedef {Record<string, unknown>} Body */
/** @typedef {{kind: string, args: Record<string, unknown>}} Act */
/** @typedef {{id: string, kind: string, args: Record<string, any>, workspace: string, task: string, grade: string, by: Body[], seq: number, at: string}} Grant */

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
  const { kind, args, ...more } = /** @type {any} */ (step || {});
  const risk = typeof kind === 'string' && Object.hasOwn(classes, kind) ? classes[kind] : 'control';
  const runs = risk !== 'control' && risk !== 'network' && kind !== 'terminal_open';
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

/** Leases and plans that were approved, the ended ones among them. @param {Entry[]} control @returns {Grant[]} */
function grants(control) {
  return control.flatMap((entry) => {
    if (entry.kind !== 'applied' && entry.kind !== 'lease.granted') return [];
    const body = bodyOf(entry);
    const { action: id, seq, at } = entry;
    if (entry.kind === 'lease.granted') return [{ ...body, kind: 'reads', args: body.reads, id, seq, at }];
    if (body.kind !== 'lease' && body.kind !== 'plan') return [];
    return [{ ...body, grade: 'signed', id, seq, at }];
  });
}

/** The policy in force. @param {Entry[]} control @returns {import('../../ledger/rules/policy.cjs').Policy} */
function policyOf(control) {
  for (let i = control.length - 1; i >= 0; i--) {
    const entry = control[i];
    if (entry?.kind !== 'policy.set' && entry?.kind !== 'applied') continue;
    const body = bodyOf(entry);
    if (entry.kind === 'policy.set') return body.policy;
    if (body.kind === 'policy') return body.args.policy;
  }
  return defaultPolicy;
}

/**
 * Why a grant does not count at this moment, or ''. A freeze ends every grant there is, and so does the loss of any device
 * that approved it.
 * @param {Grant} grant @param {Entry[]} control @param {string} now
 */
function overSince(grant, control, now) {
  if (Date.parse(now) > Date.parse(grant.at) + grant.args.seconds * 1000) return 'lease_over';
  const frozen = last(control, 'frozen');
  if (frozen && frozen.seq > grant.seq) return 'frozen';
  if (control.some((e) => e.kind === 'lease.ended' && bodyOf(e).lease === grant.id)) return 'lease_over';
  const { grade } = grant;
  if (!grant.by.every((evidence) => mayApprove({ evidence, grade }, control, grant.seq))) return 'revoked';
  if (grade !== 'signed' && tapsAreSpoilt(control, grant.seq)) return 'revoked';
  // A policy that asks for more by now is not satisfied by less from before.
  const policy = policyOf(control);
  const term = grant.kind === 'reads' ? readsTerm(policy) : termOf(policy, grant);
  const { people, devices } = distinct(grant.by);
  if (!term || people < term.approvers || devices < term.devices) return 'quorum';
  return rank(grade) < rank(term.grade) ? 'grade' : '';
}

/**
 * Why this grant does not cover what is asked, or ''.
 * @param {Grant} grant @param {Act & {workspace?: unknown, task?: unknown, requester?: unknown}} asked
 * @param {{control: Entry[], now: string, uses(lease: string): number}} c
 */
function uncovered(grant, asked, c) {
  const over = overSince(grant, c.control, c.now);
  if (over) return over;
  if (asked.workspace !== grant.workspace) return 'not_covered';
  const term = termOf(policyOf(c.control), asked);
  const used = c.uses(grant.id);
  const text = actText(asked, asked.workspace);
  if (grant.kind === 'plan') {
    const step = grant.args.steps[used];
    if (!step) return 'lease_over';
    if (!term || term.mode === 'never') return 'never';
    return asked.task === grant.task && actText(step, grant.workspace) === text ? '' : 'not_covered';
  }
  if (used >= grant.args.uses) return 'lease_over';
  if (term?.mode !== 'lease') return 'not_leased';
  if (grant.kind === 'reads') {
    const mine = asked.task === grant.task && asked.requester === 'brain';
    const reads = classes[asked.kind] === 'read' && fileKinds.indexOf(asked.kind) >= 0;
    return mine && (asked.kind === 'terminal_read' || (reads && isBelow(asked.args.path, '')))
      ? ''
      : 'not_covered';
  }
  const { acts, of, path } = grant.args;
  const covers = acts
    ? acts.some((/** @type {Act} */ act) => actText(act, grant.workspace) === text)
    : asked.kind === of && isBelow(asked.args.path, path);
  return covers ? '' : 'not_covered';
}

module.exports = { actText, grantFault, grants, policyOf, overSince, uncovered };
