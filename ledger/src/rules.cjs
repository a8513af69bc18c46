// @ts-check
// What may be written to the ledger, by whom and when. One module for the hook that enforces it, the executor that
// checks it again before it runs anything, the audit and the tests. Plain CommonJS without imports of Node, because
// PocketBase's hooks run in goja.
const { canonical } = require('./canonical.cjs');

/**
 * @typedef {{id: string, seq: number, prev: string, at: string, author: string, kind: string, action: string, body: string, hash: string}} Entry
 * @typedef {Pick<Entry, 'id' | 'author' | 'kind' | 'action' | 'body'>} Proposed
 * @typedef {{story: Entry[], control: Entry[], head: {seq: number, at: string} | null, now: string, sha256: (text: string) => string}} Context
 * @typedef {{user: string, master: string, device: string, ed25519: string, curve25519: string, seq: number}} Device
 * @typedef {Record<string, unknown>} Body
 */

/**
 * From an action's last lifecycle entry to what may follow it. The empty state is "not there yet".
 * @type {Record<string, string[]>}
 */
const lifecycle = {
  '': ['requested'],
  requested: ['posted', 'void'],
  posted: ['approved', 'denied', 'expired', 'void'],
  approved: ['claimed', 'denied', 'expired', 'void'],
  claimed: ['running', 'unknown'],
  running: ['succeeded', 'failed', 'killed', 'unknown'],
  denied: [],
  expired: [],
  void: [],
  succeeded: [],
  failed: [],
  killed: [],
  unknown: [],
};

/** Entries that decide who may approve and whether anything runs; every judgement reads them. */
const controlKinds = ['identity.enrolled', 'identity.changed', 'identity.revoked', 'frozen', 'thawed'];

/** Who may write which kinds. The superuser and the auditor write nothing. @type {Record<string, string[]>} */
const rights = {
  bot: [
    'requested',
    'posted',
    'approved',
    'denied',
    'expired',
    'void',
    'stop',
    'identity.changed',
    'alarm',
    'frozen',
    'checkpoint',
    'workspace.created',
  ],
  executor: ['claimed', 'running', 'succeeded', 'failed', 'killed', 'unknown', 'expired', 'alarm'],
  operator: ['identity.enrolled', 'identity.revoked', 'frozen', 'thawed'],
  auditor: [],
};

/** Weakest first. `plain` decides nothing but a denial. */
const grades = ['plain', 'sealed', 'signed'];

/** The risk class of each kind of action: from what the sandbox would let it do, never from its text. @type {Record<string, string>} */
const classes = { read_file: 'read', write_file: 'write', edit_file: 'write', bash: 'exec' };

/** The weakest grade that approves a class. A class not named here needs the strongest. @type {Record<string, string>} */
const minimumGrade = { read: 'sealed', write: 'sealed', exec: 'sealed' };

const longestWait = 7 * 86400;

/** Hashing input of an entry: everything but the hash itself. @param {Omit<Entry, 'hash'>} e */
function hashed(e) {
  return canonical({
    action: e.action,
    at: e.at,
    author: e.author,
    body: e.body,
    id: e.id,
    kind: e.kind,
    prev: e.prev,
    seq: e.seq,
  });
}

/** The state an action is in: the kind of its last lifecycle entry, or ''. @param {Entry[]} story */
function stateOf(story) {
  for (let i = story.length - 1; i >= 0; i--) {
    const entry = story[i];
    if (entry && lifecycle[entry.kind]) return entry.kind;
  }
  return '';
}

/** True for states that nothing follows. @param {string} state */
const isOver = (state) => Object.hasOwn(lifecycle, state) && lifecycle[state]?.length === 0;

/** @param {Entry[]} entries @param {string} kind */
function last(entries, kind) {
  for (let i = entries.length - 1; i >= 0; i--) if (entries[i]?.kind === kind) return entries[i];
  return undefined;
}

/** True while the last of frozen/thawed is frozen. @param {Entry[]} control */
function isFrozen(control) {
  const frozen = last(control, 'frozen');
  const thawed = last(control, 'thawed');
  return frozen !== undefined && (thawed === undefined || thawed.seq < frozen.seq);
}

/**
 * The devices enrolled after these control entries: an enrolment stands until its device, or its user (a revocation
 * that names no device, or a changed identity), is taken back.
 * @param {Entry[]} control
 * @returns {Device[]}
 */
function enrolled(control) {
  /** @type {Device[]} */
  let devices = [];
  for (const entry of control) {
    const body = JSON.parse(entry.body);
    if (entry.kind === 'identity.enrolled') {
      devices = devices.filter(
        (d) => d.user !== body.user || (d.device !== body.device && d.master === body.master),
      );
      devices.push({
        user: body.user,
        master: body.master,
        device: body.device,
        ed25519: body.ed25519,
        curve25519: body.curve25519,
        seq: entry.seq,
      });
    } else if (entry.kind === 'identity.revoked' && body.device) {
      devices = devices.filter((d) => d.user !== body.user || d.device !== body.device);
    } else if (entry.kind === 'identity.revoked' || entry.kind === 'identity.changed') {
      devices = devices.filter((d) => d.user !== body.user);
    }
  }
  return devices;
}

/** @param {unknown} v @param {number} most */
const text = (v, most) => typeof v === 'string' && v.length > 0 && v.length <= most;
/** @param {unknown} v */
const wait = (v) => typeof v === 'number' && Number.isInteger(v) && v >= 1 && v <= longestWait;

/** A table's value by a name that came from outside, which may be `constructor`. @param {Record<string, string>} table @param {unknown} name */
const own = (table, name) =>
  typeof name === 'string' && Object.hasOwn(table, name) ? table[name] : undefined;

/** Where a grade stands; -1 for what is none. @param {unknown} grade */
const rank = (grade) => (typeof grade === 'string' ? grades.indexOf(grade) : -1);

/** @param {Proposed} e @param {Body} body */
function requestRefusal(e, body) {
  if (e.id !== e.action || body.id !== e.action) return 'action_id';
  const risk = own(classes, body.kind);
  if (risk === undefined || body.class !== risk) return 'class';
  if (rank(body.grade) < rank(own(minimumGrade, risk) || 'signed')) return 'grade';
  if (!wait(body.decide_within) || !wait(body.execute_within)) return 'clock';
  if (!text(body.workspace, 40) || !text(body.task, 40) || !body.args || typeof body.args !== 'object')
    return 'body_invalid';
  if (body.requester !== 'brain' && body.requester !== 'owner') return 'body_invalid';
  return '';
}

/** Whether a decision's evidence names somebody who may approve at its grade now. @param {Body} decision @param {Entry[]} control */
function mayApprove(decision, control) {
  if (!decision.evidence || typeof decision.evidence !== 'object') return false;
  const { user, device } = /** @type {Body} */ (decision.evidence);
  return enrolled(control).some(
    (d) => d.user === user && (decision.grade !== 'signed' || d.device === device),
  );
}

/** The moment until which something may still be done. @param {Entry} from @param {unknown} seconds */
const deadline = (from, seconds) => Date.parse(from.at) + Number(seconds) * 1000;

/** @param {Body} body @param {Body} request @param {Entry} requested @param {Context} c */
function approvalRefusal(body, request, requested, c) {
  if (isFrozen(c.control)) return 'frozen';
  if (rank(body.grade) < rank(request.grade)) return 'grade';
  if (Date.parse(c.now) > deadline(requested, request.decide_within)) return 'late';
  if (!mayApprove(body, c.control)) return 'not_enrolled';
  return '';
}

/** @param {Body} request @param {Context} c */
function claimRefusal(request, c) {
  const approved = last(c.story, 'approved');
  if (!approved) return 'lifecycle';
  if (isFrozen(c.control) || c.control.some((e) => e.kind === 'frozen' && e.seq > approved.seq))
    return 'frozen';
  if (Date.parse(c.now) > deadline(approved, request.execute_within)) return 'late';
  if (!mayApprove(JSON.parse(approved.body), c.control)) return 'revoked';
  return '';
}

/** @param {Body} body */
function controlRefusal(body) {
  return text(body.user, 255) ? '' : 'body_invalid';
}

/**
 * Why an entry may not be written where the chain stands, as a code, or '' when it may.
 * @param {Proposed} e what somebody wants to write
 * @param {Context} c the action's story and all control entries in order, the head, the ledger's clock
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
  if (!lifecycle[e.kind]) {
    if (e.action) return 'no_action_here';
    if (e.kind === 'identity.enrolled')
      return ['user', 'master', 'device', 'ed25519', 'curve25519'].every((k) => text(body[k], 255))
        ? ''
        : 'body_invalid';
    return e.kind.indexOf('identity.') === 0 ? controlRefusal(body) : '';
  }
  if (!e.action) return 'action_missing';
  if (!lifecycle[state]?.includes(e.kind)) return 'lifecycle';
  if (e.kind === 'requested') return requestRefusal(e, body);
  const requested = last(c.story, 'requested');
  if (!requested) return 'lifecycle';
  if (body.digest !== c.sha256(requested.body)) return 'digest';
  const request = JSON.parse(requested.body);
  // A clock that went back would give late decisions their time again: nothing is approved or claimed then.
  const back = c.head !== null && Date.parse(c.now) < Date.parse(c.head.at);
  if (back && (e.kind === 'approved' || e.kind === 'claimed')) return 'clock_back';
  if (e.kind === 'approved') return approvalRefusal(body, request, requested, c);
  if (e.kind === 'claimed') return claimRefusal(request, c);
  return '';
}

module.exports = {
  lifecycle,
  rights,
  grades,
  classes,
  minimumGrade,
  controlKinds,
  hashed,
  stateOf,
  isOver,
  isFrozen,
  enrolled,
  refusal,
};
