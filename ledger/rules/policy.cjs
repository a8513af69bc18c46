// @ts-check
// The policy: what each risk class needs before it runs. It is set by the operator before anybody is enrolled, and from
// then on by an approved action alone.
const { traits } = require('./kinds.cjs');

/**
 * What a class needs. Waits are in seconds and run on the ledger's clock: `decide_within` from the request, `execute_within`
 * and `grace` from the approval. `approvers` and `devices` count distinct ones. `reads` is of the class read alone: what the card
 * of an agent's first action in a task may lease besides; absent where none may.
 * @typedef {{uses: number, seconds: number}} Reads
 * @typedef {{mode: 'ask' | 'lease' | 'never', grade: 'sealed' | 'signed', form: 'chip' | 'poll', decide_within: number, execute_within: number, grace: number, approvers: number, devices: number, reads?: Reads}} Term
 * @typedef {Record<string, Term>} Policy one term a risk class
 */

/** Weakest first. `plain` decides nothing but a denial. */
const grades = ['plain', 'sealed', 'signed'];

/** Risk classes, the least harmful first. */
const risks = ['read', 'write', 'exec', 'network', 'secret', 'destructive', 'control'];

/** The weakest grade that any policy may ask for. A class not named here takes nothing but `signed`. @type {Record<string, string>} */
const floor = { read: 'sealed', write: 'sealed', exec: 'sealed' };

const longestWait = 7 * 86400;
const mostUses = 1000;

/** @param {string} risk @returns {Term} */
function usual(risk) {
  const inside = Object.hasOwn(floor, risk);
  return {
    mode: inside ? 'lease' : 'ask',
    grade: inside ? 'sealed' : 'signed',
    form: 'chip',
    decide_within: risk === 'destructive' ? 300 : 3600,
    execute_within: 600,
    grace: 0,
    approvers: 1,
    devices: 1,
  };
}

/** The policy until another one is set. @type {Policy} */
const defaultPolicy = Object.fromEntries(risks.map((risk) => [risk, usual(risk)]));

/** @param {unknown} v @param {number} least @param {number} most */
const whole = (v, least, most) => typeof v === 'number' && Number.isInteger(v) && v >= least && v <= most;

/** Where a grade stands; -1 for what is none. @param {unknown} grade */
const rank = (grade) => (typeof grade === 'string' ? grades.indexOf(grade) : -1);

/** Whether this is a lease of reads within these bounds, and nothing else. @param {unknown} v @param {Reads} most */
function isReads(v, most) {
  const { uses, seconds, ...more } = /** @type {Record<string, unknown>} */ (v ?? {});
  return whole(uses, 1, most.uses) && whole(seconds, 1, most.seconds) && Object.keys(more).length === 0;
}

/** Why a term is none for this class, in words that follow its name, or ''. @param {string} risk @param {Partial<Term>} t */
function termFault(risk, t) {
  if (!t || typeof t !== 'object') return 'is missing';
  if (t.mode !== 'ask' && t.mode !== 'lease' && t.mode !== 'never') return 'has no mode ask, lease or never';
  if (t.mode === 'lease' && !Object.hasOwn(floor, risk)) return 'can never be leased';
  if (t.mode === 'never' && risk === 'control') return 'can never be closed: nobody could open it again';
  if (rank(t.grade) < rank(floor[risk] || 'signed')) return `takes no grade below ${floor[risk] || 'signed'}`;
  if (t.form !== 'chip' && t.form !== 'poll') return 'has no form chip or poll';
  if (!whole(t.decide_within, 1, longestWait)) return `has no decide_within from 1 to ${longestWait}`;
  if (!whole(t.execute_within, 1, longestWait)) return `has no execute_within from 1 to ${longestWait}`;
  if (!whole(t.grace, 0, Number(t.execute_within) - 1)) return 'has no grace below its execute_within';
  if (!whole(t.approvers, 1, 9) || !whole(t.devices, 1, 9)) return 'has no approvers and devices from 1 to 9';
  if (Number(t.approvers) * Number(t.devices) > 1 && t.grade !== 'signed')
    return 'needs grade signed, because only signed answers tell people and devices apart';
  const { reads, ...rest } = t;
  if (reads !== undefined && (risk !== 'read' || !isReads(reads, { uses: mostUses, seconds: longestWait })))
    return `has reads that are none: for class read, uses up to ${mostUses} and seconds up to ${longestWait}`;
  if (Object.keys(rest).length !== 8) return 'has a setting that is none';
  return '';
}

/** Why a value is no policy, or ''. @param {unknown} policy */
function policyFault(policy) {
  if (!policy || typeof policy !== 'object' || Array.isArray(policy)) return 'it is no policy';
  const table = /** @type {Policy} */ (policy);
  for (const name of Object.keys(table)) if (risks.indexOf(name) < 0) return `there is no class ${name}`;
  for (const risk of risks) {
    const fault = termFault(risk, table[risk] || {});
    if (fault) return `the class ${risk} ${fault}`;
  }
  return '';
}

/** What both terms ask for at once. @param {Term} a @param {Term} b @returns {Term} */
const stricter = (a, b) => ({
  mode: a.mode === 'never' || b.mode === 'never' ? 'never' : a.mode === 'ask' ? a.mode : b.mode,
  grade: rank(a.grade) > rank(b.grade) ? a.grade : b.grade,
  form: a.form === 'poll' ? a.form : b.form,
  decide_within: Math.min(a.decide_within, b.decide_within),
  execute_within: Math.min(a.execute_within, b.execute_within),
  grace: Math.max(a.grace, b.grace),
  approvers: Math.max(a.approvers, b.approvers),
  devices: Math.max(a.devices, b.devices),
});

/**
 * What an action needs under a policy. A plan or a lease needs, besides, what each action that it holds would.
 * @param {Policy} policy @param {{kind: unknown, args: object}} asked
 * @returns {Term | undefined} nothing for a kind that does not exist
 */
function termOf(policy, { kind, args }) {
  let term = policy[traits(kind).class ?? ''];
  if (!term) return undefined;
  /** @type {{steps?: import('../src/action.ts').Act[], acts?: import('../src/action.ts').Act[], of?: string}} */
  const { steps, acts, of } = args;
  const held = kind === 'plan' ? steps : kind === 'lease' ? (acts ?? [{ kind: of, args: {} }]) : undefined;
  for (const act of held ?? []) {
    const needs = termOf(policy, act);
    if (!needs) return undefined;
    term = { ...stricter(term, needs), mode: needs.mode === 'never' ? 'never' : term.mode };
  }
  return term;
}

/**
 * The class read's term where it lets a card lease reads besides. What has to wait, or takes several people or devices, comes
 * with no other card.
 * @param {Policy} policy @returns {Term & {reads: Reads} | undefined}
 */
function readsTerm({ read }) {
  if (!read?.reads || read.mode !== 'lease' || read.grace > 0 || read.approvers * read.devices > 1)
    return undefined;
  return { ...read, reads: read.reads };
}

module.exports = {
  whole,
  risks,
  defaultPolicy,
  rank,
  policyFault,
  stricter,
  termOf,
  longestWait,
  mostUses,
  isReads,
  readsTerm,
};
