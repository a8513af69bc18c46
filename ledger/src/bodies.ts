/** What entries say, by their kind: the JSON of their bodies. The rules hold those to it that they go by; the others are as their authors write them. */
import type { Policy, Reads } from '../rules/policy.cjs';
import type { Action, Args, Grade } from './action.ts';

/** A device as it is enrolled: its user, and the keys that it is pinned by. */
export type Keys = { user: string; master: string; device: string; ed25519: string; curve25519: string };
/** Who approved something. A tap names no device. */
export type By = { user: string; device?: string };
export type Evidence = By & { event?: string; form?: string };
export type Answer = { grade: Grade; evidence: Evidence };
type Given = { digest: string; workspace: string; task: string; by: By[] };
export type Imported = {
  form: string;
  source: string;
  commit: string;
  tree: string;
  files: number;
  bytes: number;
};

/** Files that an action changed, added and removed; lines that only the new ones have, and only the old ones. */
export type Changes = { changed: number; added: number; removed: number; plus: number; minus: number };

/** A file of the workspace that a script names; `sha256` is '' where it is a link, or too large, so that nothing is known of it. */
export type NamedFile = { path: string; sha256: string };
/** `more`: there are words, or files, that were not looked at. */
export type Named = { files: readonly NamedFile[]; more?: true };

export type Bodies = {
  requested: Action;
  named: Named & { digest: string };
  posted: { digest: string; room: string; event: string; form: string };
  endorsed: Answer & { digest: string };
  approved: Answer & { digest: string };
  denied: { digest: string; reason?: string; by?: string; grade?: Grade };
  stop: { by?: string };
  leased: { digest: string; lease: string; use: number };
  /** `image`: the id of the image that it runs in. */
  claimed: { digest: string; executor: string; image: string };
  /** `open`: what runs is a lease of the network, and it is there. */
  running: { digest: string; open?: true };
  applied: Given & { named?: Named } & { [P in keyof Args]: { kind: P; args: Args[P] } }[keyof Args];
  'lease.granted': Given & { reads: Reads; grade: Grade };
  'lease.ended': { lease: string; reason?: string };
  'server.removed': { workspace: string; name: string; by?: string };
  'policy.set': { policy: Policy };
  'identity.enrolled': Keys & { role?: string };
  'identity.changed': By;
  'identity.revoked': By;
  'workspace.created': { workspace: string; room: string };
  'workspace.exported': { workspace: string; form: string; files: number };
  'workspace.imported': Imported & { workspace: string };
  /** A helper's end, for who reads the chain: it decides nothing. `task` is the helper's own, which names whose it was. */
  'helper.ended': { task: string; agent: string; how: string; text: string };
  alarm: { reason: string; action?: string };
};
