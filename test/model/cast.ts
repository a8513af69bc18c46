/** Who is there in the small worlds, what they ask for, and what may be said beside it. */
import type { Said } from './position.ts';
import {
  type Asked,
  canonical,
  defaultPolicy,
  idOf,
  makeAction,
  type Policy,
  sha256,
  type Term,
} from './rules.ts';

export type Person = { user: string; device: string; master: string; ed25519: string; curve25519: string };
export type Action = ReturnType<typeof makeAction>;
const device = (name: string, device: string, more: object = {}): Person => ({
  ...{ user: `@${name}:home`, master: `M-${name}`, device },
  ...{ ed25519: `E-${name}-${device}`, curve25519: `C-${name}-${device}`, ...more },
});
export const phone = device('owner', 'PHONE');
export const tablet = device('owner', 'TABLET');
export const ann = device('ann', 'PHONE');
export const annsTablet = device('ann', 'TABLET');
export const stranger = device('mallory', 'PHONE');
export const anew = device('owner', 'PHONE', { ed25519: 'another' });
export const reset = device('owner', 'NEW', { master: 'another' });

const usual = { decide_within: 10, execute_within: 10 };
export const policyOf = (over: Record<string, Partial<Term>> = {}): Policy =>
  Object.fromEntries(
    Object.entries(defaultPolicy).map(([risk, term]) => [risk, { ...term, ...usual, ...over[risk] }]),
  );
export const plain = policyOf();

const where = { workspace: 'work', task: 'one', requester: 'brain' } as const;
export const bash = (script: string) =>
  ({ kind: 'bash', args: { script, cwd: '.', env: {}, timeout: 9 } }) as const;
export const file = (path: string) => ({ kind: 'read_file', args: { path, offset: 0, limit: 9 } }) as const;
export const byOwner = { requester: phone.user };
export const asked = (name: string, act: object, over: object = {}, policy = plain): Action =>
  makeAction({ ...where, ...act, ...over } as Asked, policy, undefined, idOf(name, sha256));
export const control = (name: string, kind: string, args: object, policy = plain): Action =>
  asked(name, { kind, args }, byOwner, policy);

const said = (author: string, kind: string, body: object): Said => ({
  ...{ author, kind, action: '' },
  body: canonical(body),
});
export const enrolled = (person: Person, role?: string): Said =>
  said('operator', 'identity.enrolled', { ...person, ...(role && { role }) });
export const revoked = ({ user, device }: Person): Said =>
  said('operator', 'identity.revoked', { user, device });
export const changed = ({ user }: Person): Said => said('bot', 'identity.changed', { user });
export const freeze = said('bot', 'frozen', {});
export const thaw = said('operator', 'thawed', {});
export const ended = ({ id }: Action): Said => said('bot', 'lease.ended', { lease: id });
export const policySet = (policy: Policy): Said => said('operator', 'policy.set', { policy });
