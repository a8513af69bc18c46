// @ts-check
// The policy: what each risk class needs before it runs. It is set by the operator before anybody is enrolled, and from
// then on by an approved action alone.

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

/** The class of each kind of action: from what the sandbox would let it do, never from its text. @type {Record<string, string>} */
const classes = {
  read_file: 'read',
  list: 'read',
  grep: 'read',
  get_file: 'read',
  put_file: 'write',
  diff: 'read',
  export: 'read',
  write_file: 'write',
  edit_file: 'write',
  bash: 'exec',
  lease: 'control',
  plan: 'control',
  policy: 'control',
  role: 'control',
  device: 'control',
  thaw: 'control',
};

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

/** Whether this is a lease of reads within these bounds, and nothing else. @param {any} r @param {Reads} most */
const isReads = (r, most) =>
  Boolean(r) &&
  whole(r.uses, 1, most.uses) &&
  whole(r.seconds, 1, most.seconds) &&
  Object.keys(r).length === 2;

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

/** What a grant would let run. @param {string} kind @param {Record<string, any>} args @returns {{kind: string, args: Record<string, any>}[]} */
function heldBy(kind, args) {
  if (kind === 'plan') return args.steps || [];
  if (kind === 'lease') return args.acts || [{ kind: args.of, args: {} }];
  return [];
}

/**
 * What an action needs under a policy. A plan or a lease needs, besides, what each action that it holds would.
 * @param {Policy} policy @param {{kind: string, args: Record<string, any>}} asked
 * @returns {Term | undefined} nothing for a kind that does not exist
 */
function termOf(policy, { kind, args }) {
  const own =
    typeof kind === 'string' && Object.hasOwn(classes, kind) ? policy[classes[kind] || ''] : undefined;
  if (!own) return undefined;
  let term = own;
  for (const act of heldBy(kind, args)) {
    const of = termOf(policy, act);
    if (!of) return undefined;
    term = { ...stricter(term, of), mode: of.mode === 'never' ? 'never' : term.mode };
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
  grades,
  risks,
  classes,
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
