// @ts-check
// The life of an action as a table, and who may write which kind of entry. Plain CommonJS without imports of Node: the
// ledger's hooks run in goja.

/** @typedef {{id: string, seq: number, prev: string, at: string, author: string, kind: string, action: string, body: string, hash: string}} Entry */

const undecided = ['endorsed', 'approved', 'denied', 'expired', 'void'];

/**
 * From an action's last lifecycle entry to what may follow it. The empty state is "not there yet". `endorsed` is one of
 * several answers that are needed; `leased` stands where a lease or a plan covers the action, so that no card is asked;
 * `applied` ends a control action, which the ledger itself carries out.
 * @type {Record<string, string[]>}
 */
const lifecycle = {
  '': ['requested'],
  requested: ['posted', 'leased', 'void'],
  posted: undecided,
  endorsed: undecided,
  approved: ['claimed', 'applied', 'denied', 'expired', 'void'],
  leased: ['claimed', 'denied', 'expired', 'void'],
  claimed: ['running', 'unknown'],
  running: ['succeeded', 'failed', 'killed', 'unknown'],
  applied: [],
  denied: [],
  expired: [],
  void: [],
  succeeded: [],
  failed: [],
  killed: [],
  unknown: [],
};

/** Entries that decide who may approve what, where, and whether anything runs; every judgement reads them. */
const controlKinds = [
  'identity.enrolled',
  'identity.changed',
  'identity.revoked',
  'policy.set',
  'applied',
  'lease.granted',
  'lease.ended',
  'frozen',
  'thawed',
  'workspace.created',
  'workspace.imported',
];

/** Who may write which kinds. The superuser and the auditor write nothing. @type {Record<string, string[]>} */
const rights = {
  bot: [
    ...[
      'requested',
      'posted',
      'leased',
      'endorsed',
      'approved',
      'applied',
      'denied',
      'expired',
      'void',
      'stop',
    ],
    ...[
      'identity.changed',
      'identity.revoked',
      'lease.ended',
      'alarm',
      'frozen',
      'workspace.created',
      'helper.ended',
    ],
  ],
  executor: [
    ...['claimed', 'lease.granted', 'running', 'succeeded', 'failed', 'killed'],
    ...['unknown', 'expired', 'alarm'],
  ],
  operator: [
    ...['identity.enrolled', 'identity.revoked', 'policy.set', 'lease.ended', 'frozen', 'thawed'],
    ...['void', 'unknown', 'alarm'], // what was open when a backup was made
    ...['workspace.imported', 'workspace.exported'],
  ],
  auditor: [],
};

/** The state an action is in: the kind of its last lifecycle entry, or ''. @param {Entry[]} story */
function stateOf(story) {
  for (let i = story.length - 1; i >= 0; i--) {
    const entry = story[i];
    if (entry && Object.hasOwn(lifecycle, entry.kind)) return entry.kind;
  }
  return '';
}

/** True for states that nothing follows. @param {string} state */
const isOver = (state) => Object.hasOwn(lifecycle, state) && lifecycle[state]?.length === 0;

/** @type {WeakMap<object, any>} */
const parsed = new WeakMap();
/** What an entry says. Parsed once: every judgement reads all control entries, many times. @param {Entry} entry @returns {any} */
function bodyOf(entry) {
  if (!parsed.has(entry)) parsed.set(entry, JSON.parse(entry.body));
  return parsed.get(entry);
}

/** @param {Entry[]} entries @param {string} kind */
function last(entries, kind) {
  for (let i = entries.length - 1; i >= 0; i--) if (entries[i]?.kind === kind) return entries[i];
  return undefined;
}

/** The moment of the last thaw, by the console or by an approved action. @param {Entry[]} control */
const thawedAt = (control) =>
  control.reduce((seq, e) => {
    const thaws = e.kind === 'thawed' || (e.kind === 'applied' && bodyOf(e).kind === 'thaw');
    return thaws ? e.seq : seq;
  }, 0);

/** True while the last of frozen and thawed is frozen. @param {Entry[]} control */
function isFrozen(control) {
  const frozen = last(control, 'frozen');
  return frozen !== undefined && thawedAt(control) < frozen.seq;
}

module.exports = { lifecycle, controlKinds, rights, stateOf, isOver, last, bodyOf, isFrozen };
