// @ts-check
// What the judgements go by: the chain folded into who may approve what, where, and whether anything runs. One entry more
// costs the same however long the chain is, and what is over leaves the state. Runs in goja too.
const { atLeast } = require('./identities.cjs');
const { bodyOf } = require('./lifecycle.cjs');
const { defaultPolicy, longestWait } = require('./policy.cjs');
const { pinKey } = require('./servers.cjs');

/**
 * @typedef {import('./lifecycle.cjs').Entry} Entry
 * @typedef {import('./policy.cjs').Policy} Policy
 * @typedef {import('../src/bodies.ts').By} By
 * @typedef {import('../src/bodies.ts').Keys & {seq: number}} Device
 * @typedef {{devices: Device[], roles: Map<string, string>, lostAt: number}} People `lostAt` numbers the last entry that took a device, an
 *   identity or a role from anybody; `roles` has whoever ever had one
 * @typedef {import('../src/action.ts').Act} Act
 * @typedef {{uses?: number, seconds: number, acts?: readonly Act[], of?: string, path?: string, steps?: readonly Act[]}} GrantArgs
 * @typedef {{id: string, kind: string, args: GrantArgs, workspace: string, task: string, grade: string, by: By[], seq: number, at: string, used: number, named?: import('../src/bodies.ts').Named}} Grant
 * @typedef {{room: string, imported?: import('../src/bodies.ts').Imported}} Workspace `room` is '' until it is made
 * @typedef {import('../src/action.ts').PinArgs & {id: string, workspace: string}} Server as it is pinned, by the action of that id
 * @typedef {{seq: number, hash: string, clock: number, people: People, policy: Policy, frozenAt: number, thawedAt: number, grants: Map<string, Grant>, workspaces: Map<string, Workspace>, servers: Map<string, Server>}} State
 *   `seq` and `hash` are the last entry's; `clock` is the latest moment that any entry states, in ms; `frozenAt` and `thawedAt` number
 *   the last such entry, 0 for none; `grants` and `workspaces` are oldest first; `servers` goes by `pinKey`
 */

/** Before the first entry. @returns {State} */
const empty = () => ({
  ...{ seq: 0, hash: '', clock: 0, policy: defaultPolicy, frozenAt: 0, thawedAt: 0 },
  people: { devices: [], roles: new Map(), lostAt: 0 },
  ...{ grants: new Map(), workspaces: new Map(), servers: new Map() },
});

/** After these, oldest first: all entries, or all of `judgedKinds`; then head and clock are the last one's of those. @param {Iterable<Entry>} entries */
function stateAfter(entries) {
  const state = empty();
  for (const entry of entries) fold(state, entry);
  return state;
}

/** With this device from now on. Where its user had another identity, or the device other keys, it takes those away. @param {People} people @param {Device} device @returns {People} */
function withDevice(people, { user, master, device, ed25519, curve25519, seq }) {
  const mine = people.devices.filter((d) => d.user === user);
  const replaced = mine.some(
    (d) =>
      d.master !== master || (d.device === device && (d.ed25519 !== ed25519 || d.curve25519 !== curve25519)),
  );
  const others = people.devices.filter(
    (d) => d.user !== user || (d.device !== device && d.master === master),
  );
  const devices = others.concat([{ user, master, device, ed25519, curve25519, seq }]);
  return { ...people, devices, lostAt: replaced ? seq : people.lostAt };
}

/**
 * With this role from now on. Of who may not approve by it the devices count anew, so that no answer from before comes back with a
 * higher one.
 * @param {People} people @param {string} user @param {string} role @param {number} seq @returns {People}
 */
function withRole(people, user, role, seq) {
  const had = people.roles.get(user) ?? role;
  const roles = new Map(people.roles).set(user, role);
  if (had === role) return { ...people, roles };
  const may = atLeast(role, 'approves');
  const devices = may ? people.devices : people.devices.map((d) => (d.user === user ? { ...d, seq } : d));
  return { devices, roles, lostAt: seq };
}

/** Without a user's devices, or one of them. @param {People} people @param {By} lost @param {number} seq @returns {People} */
const without = (people, { user, device }, seq) => ({
  ...people,
  devices: people.devices.filter((d) => d.user !== user || (device && d.device !== device)),
  lostAt: seq,
});

/**
 * The people after one more entry, as an object of its own. An enrolment stands until its device, or its user (a revocation that
 * names no device, a changed identity), is taken back. Who is enrolled without a role is an owner, as the first person is.
 * @param {People} people @param {Entry} entry @returns {People}
 */
function peopleAfter(people, entry) {
  const { kind, seq } = entry;
  if (kind === 'identity.enrolled') {
    const { role, ...keys } = bodyOf(entry, kind);
    const { user } = keys;
    return withRole(
      withDevice(people, { ...keys, seq }),
      user,
      role || people.roles.get(user) || 'owner',
      seq,
    );
  }
  if (kind === 'identity.revoked') return without(people, bodyOf(entry, kind), seq);
  if (kind === 'identity.changed') return without(people, { user: bodyOf(entry, kind).user }, seq);
  const effect = bodyOf(entry, 'applied');
  if (effect.kind === 'device') return withDevice(people, { ...effect.args, seq });
  if (effect.kind !== 'role') return people;
  return { ...withRole(people, effect.args.user, effect.args.role, seq), lostAt: seq };
}

/** The lease, plan or reads that an entry gives, if it gives any. @param {Entry} entry @returns {Grant | undefined} */
function grantOf(entry) {
  const { kind, action: id, seq, at } = entry;
  if (kind === 'lease.granted') {
    const { workspace, task, by, reads, grade } = bodyOf(entry, kind);
    return { id, kind: 'reads', args: reads, workspace, task, by, grade, seq, at, used: 0 };
  }
  if (kind !== 'applied') return undefined;
  const { workspace, task, by, named, ...effect } = bodyOf(entry, kind);
  if (effect.kind !== 'lease' && effect.kind !== 'plan') return undefined;
  if (effect.kind === 'plan' && effect.args.steps.length === 0) return undefined;
  const grant = { id, kind: effect.kind, args: effect.args, workspace, task, by, seq, at, used: 0 };
  return { ...grant, grade: 'signed', ...(named && { named }) };
}

/** Milliseconds after which a grant counts no more: its own time is over by then, and so is that of whatever was leased by it and waited to begin. */
const grantsCountFor = 2 * longestWait * 1000;

/** @param {State} state @param {Entry} entry */
function give({ grants }, entry) {
  const grant = grantOf(entry);
  if (!grant) return;
  grants.set(grant.id, grant);
  for (const { id, at } of grants.values()) {
    if (Date.parse(at) + grantsCountFor >= Date.parse(grant.at)) return; // oldest first
    grants.delete(id);
  }
}

/** @param {State} state @param {Entry} entry */
function meet(state, entry) {
  state.people = peopleAfter(state.people, entry);
}

/** @param {State} state @param {Entry} entry */
function setUp({ workspaces }, entry) {
  if (entry.kind === 'workspace.created') {
    const { workspace, room } = bodyOf(entry, entry.kind);
    workspaces.set(workspace, { ...workspaces.get(workspace), room });
  } else {
    const { workspace, ...imported } = bodyOf(entry, 'workspace.imported');
    workspaces.set(workspace, { room: '', imported });
  }
}

/** What lasts, by the kind of its entry: who may approve, the policy, freezes, workspaces, and leases that were asked for by a card of their own. @type {Record<string, (state: State, entry: Entry) => void>} */
const lasting = {
  'identity.enrolled': meet,
  'identity.changed': meet,
  'identity.revoked': meet,
  'workspace.created': setUp,
  'workspace.imported': setUp,
  applied(state, entry) {
    const effect = bodyOf(entry, 'applied');
    if (effect.kind === 'policy') state.policy = effect.args.policy;
    else if (effect.kind === 'thaw') state.thawedAt = entry.seq;
    else if (effect.kind === 'server_pin') {
      const { args, workspace } = effect;
      state.servers.set(pinKey(workspace, args.name), { ...args, workspace, id: entry.action });
    } else if (effect.kind === 'device' || effect.kind === 'role') meet(state, entry);
    else give(state, entry);
  },
  'server.removed'({ servers }, entry) {
    const { workspace, name } = bodyOf(entry, 'server.removed');
    servers.delete(pinKey(workspace, name));
  },
  'policy.set'(state, entry) {
    state.policy = bodyOf(entry, 'policy.set').policy;
  },
  frozen(state, { seq }) {
    state.frozenAt = seq;
  },
  thawed(state, { seq }) {
    state.thawedAt = seq;
  },
};

/** What comes with every task, and counts no longer than its lease does. @type {Record<string, (state: State, entry: Entry) => void>} */
const leasing = {
  'lease.granted': give,
  'lease.ended'({ grants }, entry) {
    grants.delete(bodyOf(entry, 'lease.ended').lease);
  },
  leased({ grants }, entry) {
    const grant = grants.get(bodyOf(entry, 'leased').lease);
    if (grant) grant.used++;
  },
};
const lastingKinds = Object.keys(lasting);
const leasingKinds = Object.keys(leasing);

/** Moves the head on. @param {State} state @param {Pick<Entry, 'seq' | 'hash' | 'at'>} entry */
function pass(state, { seq, hash, at }) {
  state.clock = Math.max(state.clock, Date.parse(at));
  state.seq = seq;
  state.hash = hash;
}

/** Takes the next entry, which was judged, into the state, in place. @param {State} state @param {Entry} entry */
function fold(state, entry) {
  for (const changes of [lasting, leasing])
    if (Object.hasOwn(changes, entry.kind)) changes[entry.kind]?.(state, entry);
  pass(state, entry);
}

module.exports = {
  lastingKinds,
  leasingKinds,
  grantsCountFor,
  empty,
  stateAfter,
  grantOf,
  pass,
  fold,
};
