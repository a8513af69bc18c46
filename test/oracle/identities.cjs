// @ts-check
// Who may approve: the enrolled devices and the roles of their users, from the control entries alone.
/** @typedef {import('./lifecycle.cjs').Entry} Entry */
/** @typedef {{user: string, role: string, master: string, device: string, ed25519: string, curve25519: string, seq: number}} Device */
/** @typedef {Record<string, unknown>} Body */

const { bodyOf } = require('./lifecycle.cjs');

/** What a role may do. `owner` besides decides on policy, roles and thawing; `none` is somebody who was put out. */
const roles = ['none', 'reads', 'asks', 'approves', 'owner'];
/** @param {string | undefined} role @param {string} least */
const atLeast = (role, least) => roles.indexOf(role || 'none') >= roles.indexOf(least);

const deviceKeys = ['user', 'master', 'device', 'ed25519', 'curve25519'];

/**
 * Users' roles after these control entries. Who is enrolled without a role is an owner, as the first person is.
 * @param {Entry[]} control @returns {Record<string, string>}
 */
function rolesOf(control) {
  /** @type {Record<string, string>} */
  const found = Object.create(null);
  for (const entry of control) {
    if (entry.kind !== 'identity.enrolled' && entry.kind !== 'applied') continue;
    const body = bodyOf(entry);
    if (entry.kind === 'identity.enrolled') found[body.user] = body.role || found[body.user] || 'owner';
    else if (body.kind === 'role') found[body.args.user] = body.args.role;
  }
  return found;
}

/** The devices enrolled after these control entries, of those who were put out too. @param {Entry[]} control */
function devicesOf(control) {
  /** @type {Omit<Device, 'role'>[]} */
  let devices = [];
  /** @type {Record<string, string>} */
  const had = Object.create(null);
  for (const entry of control) {
    const stated = bodyOf(entry);
    // Of who may not approve any more, no answer from before comes back with a higher role.
    const named = entry.kind === 'identity.enrolled' ? stated : stated.kind === 'role' ? stated.args : {};
    if (named.role && had[named.user] && named.role !== had[named.user] && !atLeast(named.role, 'approves'))
      devices = devices.map((d) => (d.user === named.user ? { ...d, seq: entry.seq } : d));
    if (named.role || entry.kind === 'identity.enrolled')
      had[named.user] = named.role || had[named.user] || 'owner';
    const confirmed = entry.kind === 'applied' && stated.kind === 'device';
    const body = confirmed ? stated.args : stated;
    if (entry.kind === 'identity.enrolled' || confirmed) {
      devices = devices.filter(
        (d) => d.user !== body.user || (d.device !== body.device && d.master === body.master),
      );
      const { user, master, device, ed25519, curve25519 } = body;
      devices.push({ user, master, device, ed25519, curve25519, seq: entry.seq });
    } else if (entry.kind === 'identity.revoked' && body.device) {
      devices = devices.filter((d) => d.user !== body.user || d.device !== body.device);
    } else if (entry.kind === 'identity.revoked' || entry.kind === 'identity.changed') {
      devices = devices.filter((d) => d.user !== body.user);
    }
  }
  return devices;
}

/**
 * The devices enrolled after these control entries, each with its user's role: an enrolment stands until its device, or its user (a
 * revocation that names no device, a changed identity, the role `none`), is taken back.
 * @param {Entry[]} control
 * @returns {Device[]}
 */
function enrolled(control) {
  const of = rolesOf(control);
  return devicesOf(control)
    .map((d) => ({ ...d, role: of[d.user] || 'none' }))
    .filter((d) => d.role !== 'none');
}

/**
 * Whether a decision's evidence names somebody who may approve at its grade now, and could when it was given: an enrolment that
 * came later, of the same device even, does not bring it back.
 * @param {Body} decision @param {Entry[]} control @param {number} [seq] of the decision, if it is an entry already
 */
function mayApprove(decision, control, seq = Infinity) {
  if (!decision.evidence || typeof decision.evidence !== 'object') return false;
  const { user, device } = /** @type {Body} */ (decision.evidence);
  return enrolled(control).some(
    (d) =>
      d.seq < seq &&
      d.user === user &&
      atLeast(d.role, 'approves') &&
      (decision.grade !== 'signed' || d.device === device),
  );
}

/** Whether somebody can read the room, and so its chips' keys, who may not approve. @param {{role: string}[]} devices */
const isWatched = (devices) => devices.some((d) => !atLeast(d.role, 'approves'));

/** Whether a tap proves nothing for what was requested then, since somebody knows its chips who may not approve now. @param {Entry[]} control @param {number} since */
function tapsAreSpoilt(control, since) {
  if (isWatched(enrolled(control))) return true;
  return control.some(
    (e, i) =>
      e.seq > since &&
      (e.kind === 'identity.revoked' ||
        e.kind === 'identity.changed' ||
        (e.kind === 'applied' && bodyOf(e).kind === 'role') ||
        takesBack(control.slice(0, i), e)),
  );
}

/** Whether an enrolment replaces a device, by another identity or by other keys, or changes a role. @param {Entry[]} before @param {Entry} e */
function takesBack(before, e) {
  const stated = bodyOf(e);
  const confirmed = e.kind === 'applied' && stated.kind === 'device';
  if (e.kind !== 'identity.enrolled' && !confirmed) return false;
  const body = confirmed ? stated.args : stated;
  const had = rolesOf(before)[body.user];
  const replaced = devicesOf(before).some(
    (d) =>
      d.user === body.user &&
      (d.master !== body.master ||
        (d.device === body.device && (d.ed25519 !== body.ed25519 || d.curve25519 !== body.curve25519))),
  );
  return replaced || (!confirmed && had !== undefined && Boolean(body.role) && body.role !== had);
}

/** How many different people gave this evidence, and how many devices. @param {Body[]} evidence */
const distinct = (evidence) => ({
  people: new Set(evidence.map((e) => e.user)).size,
  devices: new Set(evidence.map((e) => `${e.user} ${e.device}`)).size,
});

module.exports = {
  roles,
  atLeast,
  deviceKeys,
  rolesOf,
  enrolled,
  mayApprove,
  isWatched,
  tapsAreSpoilt,
  distinct,
};
