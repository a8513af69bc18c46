// @ts-check
// What changes who may approve, what the policy asks, and what leases and plans there are: whether that can be had where the
// chain stands.
const { isEgress, isPull, isPush } = require('./egress.cjs');
const { isLease, isPlan } = require('./grants.cjs');
const { atLeast, deviceKeys, distinct, enrolled, roles } = require('./identities.cjs');
const { isFrozen } = require('./lifecycle.cjs');
const { policyFault } = require('./policy.cjs');
const { isLook, isPin, isPinned, isReach, pinKey } = require('./servers.cjs');

/**
 * @typedef {import('./state.cjs').State} State
 * @typedef {import('./codes.cjs').Refusal} Refusal
 * @typedef {import('./judge.cjs').Body} Body
 * @typedef {{workspace: unknown, sha256: (text: string) => string}} Where
 */

/** @param {unknown} v @param {number} most @returns {v is string} */
const text = (v, most) => typeof v === 'string' && v.length > 0 && v.length <= most;

/** @param {Body} body @returns {body is import('../src/bodies.ts').Keys} */
const hasKeys = (body) => deviceKeys.every((key) => text(body[key], 255));

/** @param {Body} args @param {number} count */
const areJust = (args, count) => Object.keys(args).length === count;

/** Why what a control action, a lease of the network, or a call of a tool server asks for can't be had where the chain stands. @type {Record<string, (args: Body, state: State, where: Where) => Refusal>} */
const effects = {
  egress: (args) => (isEgress(args) ? '' : 'body_invalid'),
  push: (args) => (isPush(args) ? '' : 'body_invalid'),
  pull: (args) => (isPull(args) ? '' : 'body_invalid'),
  server_look: (args) => (isLook(args) ? '' : 'body_invalid'),
  server_reach: (args) => (isReach(args) ? '' : 'body_invalid'),
  server_pin: (args) => (isPin(args) ? '' : 'body_invalid'),
  mcp: (args, state, { workspace, sha256 }) =>
    isPinned('exec', args, workspace, state, sha256) ? '' : 'not_pinned',
  mcp_read: (args, state, { workspace, sha256 }) =>
    isPinned('read', args, workspace, state, sha256) ? '' : 'not_pinned',
  mcp_out: (args, state, { workspace, sha256 }) =>
    isPinned('network', args, workspace, state, sha256) ? '' : 'not_pinned',
  lease: (args) => (isLease(args) ? '' : 'body_invalid'),
  plan: (args) => (isPlan(args) ? '' : 'body_invalid'),
  policy(args, { people }) {
    const policy = /** @type {import('./policy.cjs').Policy} */ (args.policy);
    if (policyFault(policy) || !areJust(args, 1)) return 'policy';
    // One that nobody here could satisfy could never be changed again.
    const able = distinct(enrolled(people).filter((d) => atLeast(d.role, 'approves')));
    const { approvers = 1, devices = 1 } = policy['control'] ?? {};
    return approvers > able.people || devices > able.devices ? 'too_few' : '';
  },
  role({ user, role, ...more }, { people }) {
    if (
      !text(user, 255) ||
      !people.roles.has(user) ||
      !roles.some((one) => one === role) ||
      !areJust(more, 0)
    )
      return 'body_invalid';
    const another = enrolled(people).some((d) => d.user !== user && d.role === 'owner');
    return role === 'owner' || another ? '' : 'last_owner';
  },
  device(args, { people }) {
    if (!hasKeys(args) || !areJust(args, deviceKeys.length)) return 'body_invalid';
    const known = enrolled(people).some((d) => d.user === args.user && d.master === args.master);
    return known ? '' : 'not_enrolled';
  },
  thaw(args, state) {
    if (!areJust(args, 0)) return 'body_invalid';
    return isFrozen(state) ? '' : 'not_frozen';
  },
};

/** @param {Body} asked its kind, arguments and workspace @param {Pick<import('./judge.cjs').Context, 'state' | 'sha256'>} c @returns {Refusal} */
const effectRefusal = ({ kind, args, workspace }, { state, sha256 }) =>
  effects[String(kind)]?.(/** @type {Body} */ (args), state, { workspace, sha256 }) ?? '';

/** @param {Body} body @returns {Refusal} */
const namesUser = (body) => (text(body.user, 255) ? '' : 'body_invalid');

/** What no approved action is needed for. @type {Record<string, (body: Body, c: {state: State}) => Refusal>} */
const foundations = {
  'identity.enrolled'(body) {
    const { role = 'owner' } = body;
    return hasKeys(body) && role !== 'none' && roles.some((one) => one === role) ? '' : 'body_invalid';
  },
  'identity.changed': namesUser,
  'identity.revoked': namesUser,
  'server.removed': ({ workspace, name }, { state }) =>
    state.servers.has(pinKey(workspace, name)) ? '' : 'not_pinned',
  'policy.set'({ policy }, { state }) {
    if (policyFault(policy)) return 'policy';
    return enrolled(state.people).length > 0 ? 'needs_approval' : '';
  },
};

module.exports = { text, effectRefusal, foundations };
