/**
 * What a chain says, read by one who knows docs/approvals.md and none of the code that judges: the second opinion that the
 * model holds the rules against. Facts never change; each entry makes new ones.
 */
import { type Entry, type Policy, sha256 } from './rules.ts';

export type Device = { user: string; device: string; master: string; key: string; seq: number };
export type Answer = {
  seq: number;
  at: string;
  digest: string;
  grade: string;
  user: string;
  device: string;
  form: string;
  event: string;
};
export type Act = { kind: string; args: Record<string, unknown> };
export type Request = Act & {
  id: string;
  workspace: string;
  task: string;
  requester: string;
  class: string;
  grade: string;
  decide_within: number;
  execute_within: number;
  grace: number;
  approvers: number;
  devices: number;
  reads?: { uses: number; seconds: number };
};
/** An action: how far it is, who said yes, and by which of them or by which lease it was decided. */
export type Deed = {
  stage: 'open' | 'claimed' | 'over';
  request: Request;
  digest: string;
  seq: number;
  at: string;
  answers: readonly Answer[];
  decided?: { seq: number; at: string; lease: string };
  /** No reads come of it any more: they were given, or it was stopped. */
  spent: boolean;
};
export type Given = {
  kind: string;
  args: Record<string, unknown>;
  workspace: string;
  task: string;
  seq: number;
  at: string;
  answers: readonly Answer[];
  uses: number;
  ended: boolean;
};
export type Facts = {
  /** The latest moment that any entry states. */
  clock: string;
  policy: Policy;
  devices: readonly Device[];
  /** Since when each person has had a role that approves; no `seq` for who has another one. */
  roles: ReadonlyMap<string, { role: string; seq?: number }>;
  /** The last entry that took a device or a role from anybody. */
  lost: number;
  frozen: { seq: number; now: boolean };
  deeds: ReadonlyMap<string, Deed>;
  grants: ReadonlyMap<string, Given>;
};

const longAgo = new Date(0).toISOString();
export const nothing = (policy: Policy): Facts => ({
  ...{ clock: longAgo, policy, devices: [], roles: new Map(), lost: 0 },
  ...{ frozen: { seq: 0, now: false }, deeds: new Map(), grants: new Map() },
});

const texts = new Map<string, { body: Record<string, unknown>; digest: string }>();
/** A text read once, so that what it says is one object however often it is met. */
export function read(text: string): { body: Record<string, unknown>; digest: string } {
  const known = texts.get(text) ?? { body: JSON.parse(text), digest: sha256(text) };
  texts.set(text, known);
  return known;
}

export const answerOf = ({ seq, at, body: text }: Pick<Entry, 'seq' | 'at' | 'body'>): Answer => {
  const { digest, grade, evidence } = read(text).body as Record<string, string> & { evidence: Answer };
  const { user = '', device = '', form = '', event = '' } = evidence ?? {};
  return { seq, at, digest: digest ?? '', grade: grade ?? '', user, device, form, event };
};

const approves = (role: string): boolean => role === 'approves' || role === 'owner';

function roleSet(facts: Facts, user: string, role: string, seq: number): Facts {
  const had = facts.roles.get(user);
  const since = approves(role) ? (had?.seq ?? seq) : undefined;
  const fell = had?.seq !== undefined && since === undefined;
  const next = since === undefined ? { role } : { role, seq: since };
  return { ...facts, roles: new Map(facts.roles).set(user, next), lost: fell ? seq : facts.lost };
}

function enrolled(facts: Facts, stated: Record<string, string>, seq: number): Facts {
  const { user = '', device = '', master = '', ed25519, curve25519 } = stated;
  const key = `${ed25519} ${curve25519}`;
  const same = (d: Device) => d.user === user && d.device === device;
  const stays = (d: Device) => d.user !== user || (d.master === master && (!same(d) || d.key === key));
  const kept = facts.devices.filter(stays);
  const lost = kept.length < facts.devices.length ? seq : facts.lost;
  if (kept.some(same)) return { ...facts, lost };
  return { ...facts, devices: [...kept, { user, device, master, key, seq }], lost };
}

function without(facts: Facts, user: unknown, device: unknown, seq: number): Facts {
  const devices = facts.devices.filter(
    (d) => d.user !== user || (device !== undefined && d.device !== device),
  );
  return { ...facts, devices, lost: seq };
}

const change = (facts: Facts, id: string, over: Partial<Deed>): Facts => {
  const deed = facts.deeds.get(id);
  return deed ? { ...facts, deeds: new Map(facts.deeds).set(id, { ...deed, ...over }) } : facts;
};

/** What is over, or claimed and gives nothing, is remembered as that: nothing else of it counts any more. */
function ended(facts: Facts, id: string, stage: Deed['stage'] = 'over'): Facts {
  const { decided: _, ...deed } = facts.deeds.get(id) ?? {};
  const deeds = new Map(facts.deeds).set(id, { ...deed, stage, answers: [], seq: 0, at: longAgo } as Deed);
  return { ...facts, deeds };
}

function given(facts: Facts, deed: Deed | undefined, act: Act, { action: id, seq, at }: Entry): Facts {
  if (!deed) return facts;
  const { workspace, task } = deed.request;
  const grant = { ...act, workspace, task, seq, at, answers: deed.answers, uses: 0, ended: false };
  return { ...facts, grants: new Map(facts.grants).set(id, grant) };
}

const changed = (facts: Facts, id: unknown, over: (was: Given) => Partial<Given>): Facts => {
  const was = facts.grants.get(String(id));
  if (!was) return facts;
  return { ...facts, grants: new Map(facts.grants).set(String(id), { ...was, ...over(was) }) };
};

function applied(facts: Facts, entry: Entry): Facts {
  const { action: id, seq, body: text } = entry;
  const { kind, args } = read(text).body as unknown as { kind: string; args: Record<string, string> };
  const over = ended(facts, id);
  if (kind === 'policy') return { ...over, policy: args['policy'] as unknown as Policy };
  if (kind === 'thaw') return { ...over, frozen: { ...facts.frozen, now: false } };
  if (kind === 'device') return enrolled(over, args, seq);
  if (kind === 'role') return roleSet(over, args['user'] ?? '', args['role'] ?? '', seq);
  return given(over, facts.deeds.get(id), { kind, args }, entry);
}

/** What follows from an entry, of each kind that has a consequence. */
const consequences: Record<string, (facts: Facts, entry: Entry, body: Record<string, unknown>) => Facts> = {
  requested: (facts, { action, seq, at, body: text }) => {
    const { body, digest } = read(text);
    const request = body as unknown as Request;
    const deed: Deed = { stage: 'open', request, digest, seq, at, answers: [], spent: false };
    return { ...facts, deeds: new Map(facts.deeds).set(action, deed) };
  },
  endorsed: (facts, entry) =>
    change(facts, entry.action, {
      answers: [...(facts.deeds.get(entry.action)?.answers ?? []), answerOf(entry)],
    }),
  approved: (facts, entry, body) => {
    const { action: id, seq, at } = entry;
    const answered = consequences['endorsed']?.(facts, entry, body) ?? facts;
    return change(answered, id, { decided: { seq, at, lease: '' } });
  },
  leased: (facts, { action, seq, at }, { lease }) =>
    changed(change(facts, action, { decided: { seq, at, lease: String(lease) } }), lease, ({ uses }) => ({
      uses: uses + 1,
    })),
  claimed: (facts, { action }) =>
    facts.deeds.get(action)?.request.reads
      ? change(facts, action, { stage: 'claimed' })
      : ended(facts, action, 'claimed'),
  applied,
  'lease.granted': (facts, entry, { reads }) =>
    given(
      change(facts, entry.action, { spent: true }),
      facts.deeds.get(entry.action),
      { kind: 'reads', args: reads as Act['args'] },
      entry,
    ),
  'lease.ended': (facts, _, { lease }) => changed(facts, lease, () => ({ ended: true })),
  stop: (facts, { action }) => change(facts, action, { spent: true }),
  frozen: (facts, { seq }) => ({ ...facts, frozen: { seq, now: true } }),
  thawed: (facts) => ({ ...facts, frozen: { ...facts.frozen, now: false } }),
  'policy.set': (facts, _, { policy }) => ({ ...facts, policy: policy as Policy }),
  'identity.enrolled': (facts, { seq }, body) => {
    const stated = body as Record<string, string>;
    const { user = '', role } = stated;
    return roleSet(enrolled(facts, stated, seq), user, role ?? facts.roles.get(user)?.role ?? 'owner', seq);
  },
  'identity.revoked': (facts, { seq }, { user, device }) => without(facts, user, device, seq),
  'identity.changed': (facts, { seq }, { user }) => without(facts, user, undefined, seq),
};
for (const end of ['denied', 'expired', 'void', 'succeeded', 'failed', 'killed', 'unknown'])
  consequences[end] = (facts, { action }) => ended(facts, action);

/** The facts after one more entry. */
export function factsAfter(facts: Facts, entry: Entry): Facts {
  const next = consequences[entry.kind]?.(facts, entry, read(entry.body).body) ?? facts;
  return entry.at > next.clock ? { ...next, clock: entry.at } : next;
}
