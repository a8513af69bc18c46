// @ts-check
// Who may approve: the enrolled devices and the roles of their users.
/** @typedef {import('./state.cjs').State} State */
/** @typedef {import('./state.cjs').People} People */
/** @typedef {import('./state.cjs').Device & {role: string}} Enrolled */
/** @typedef {Record<string, unknown>} Body */

/** What a role may do. `owner` besides decides on policy, roles and thawing; `none` is somebody who was put out. */
const roles = ['none', 'reads', 'asks', 'approves', 'owner'];
/** @param {string | undefined} role @param {string} least */
const atLeast = (role, least) => roles.indexOf(role || 'none') >= roles.indexOf(least);

const deviceKeys = ['user', 'master', 'device', 'ed25519', 'curve25519'];

/** The enrolled devices, each with its user's role, but for those of users who were put out. @param {People} people @returns {Enrolled[]} */
const enrolled = ({ devices, roles }) =>
  devices.map((d) => ({ ...d, role: roles.get(d.user) || 'none' })).filter((d) => d.role !== 'none');

/**
 * Whether a decision's evidence names somebody who may approve at its grade now, and could when it was given: an enrolment that
 * came later, of the same device even, does not bring it back.
 * @param {{grade?: unknown, evidence?: unknown}} decision @param {State} state @param {number} [seq] of the decision, if it is an entry already
 */
function mayApprove(decision, { people }, seq = Infinity) {
  if (!decision.evidence || typeof decision.evidence !== 'object') return false;
  const { user, device } = /** @type {Body} */ (decision.evidence);
  return enrolled(people).some(
    (d) =>
      d.seq < seq &&
      d.user === user &&
      atLeast(d.role, 'approves') &&
      (decision.grade !== 'signed' || d.device === device),
  );
}

/** Whether somebody can read the room, and so its chips' keys, who may not approve. @param {{role: string}[]} devices */
const isWatched = (devices) => devices.some((d) => !atLeast(d.role, 'approves'));

/** Whether a tap proves nothing for what was requested then, since somebody knows its chips who may not approve now. @param {State} state @param {number} since */
const tapsAreSpoilt = ({ people }, since) => isWatched(enrolled(people)) || people.lostAt > since;

/** How many different people gave this evidence, and how many devices. @param {Body[]} evidence */
const distinct = (evidence) => ({
  people: new Set(evidence.map((e) => e.user)).size,
  devices: new Set(evidence.map((e) => `${e.user} ${e.device}`)).size,
});

module.exports = {
  roles,
  atLeast,
  deviceKeys,
  enrolled,
  mayApprove,
  isWatched,
  tapsAreSpoilt,
  distinct,
};
