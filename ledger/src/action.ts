/** An action: one thing somebody wants done, its canonical text and its digest. No Matrix, no Docker, no LLM here. */
import { createHash, randomBytes } from 'node:crypto';
import { canonical } from '../rules/canonical.cjs';
import { idFrom, length } from '../rules/id.cjs';
import { kinds } from '../rules/kinds.cjs';
import { type Policy, type Reads, rank, readsTerm, type Term, termOf } from '../rules/policy.cjs';

export type Grade = 'plain' | 'sealed' | 'signed';
export type RiskClass = 'read' | 'write' | 'exec' | 'network' | 'secret' | 'destructive' | 'control';
/** The brain, the operator at the console, or the Matrix id of the person who asked. */
export type Requester = 'brain' | 'operator' | `@${string}`;
export type Role = 'none' | 'reads' | 'asks' | 'approves' | 'owner';

/** A repository by https, what its host is shown, and the ssh address that it stands for. */
export type Repository = { host: string; path: string; secret?: string; ssh?: string };
/** What each kind of action that the sandbox runs takes. Paths are relative to the workspace's root; `timeout` is in seconds. */
export type RunArgs = {
  bash: { script: string; cwd: string; env: Readonly<Record<string, string>>; timeout: number };
  read_file: { path: string; offset: number; limit: number };
  list: { path: string };
  grep: { pattern: string; path: string };
  /** The whole file, byte for byte. */
  get_file: { path: string };
  /** A new file of the bytes that come with the request as its entry's file; where there is one of that path it gets a further name. */
  put_file: { path: string; sha256: string; size: number };
  /** What changed since the import, to read, and to take elsewhere. */
  diff: Record<string, never>;
  export: { as: 'patch' | 'bundle' };
  write_file: { path: string; content: string };
  /** What a push of a branch would bring; '' is the one that is checked out. */
  push_look: { branch: string };
  /** To the repository's branch exactly this commit, never by force. `commits` is what that brings, to the letter, as the look had it. */
  push: Repository & { branch: string; commit: string; commits: string };
  /** Fetches a branch ('': the one that is checked out) and tells what a merge would bring. */
  pull: Repository & { branch: string };
  edit_file: { path: string; old: string; new: string };
};
/** A program in a terminal of its own, for so many seconds at most. Its action lasts as long. */
export type TerminalArgs = { script: string; cwd: string; seconds: number };
/** A terminal is read once its last line ends with `until`, or, where that is '', once nothing changed for `quiet` seconds; after `seconds` at the latest. */
export type Wait = { until: string; quiet: number; seconds: number };
/** What the executor does itself. `number` is an action's, as cards have it: back to how it was before that one. */
export type KeptArgs = {
  undo_diff: { number: number };
  /** `difference` is what that changes, to the letter, and stands for the tree that it was told of. */
  undo: { number: number; difference: string };
  /** What a task that is apart, which is called by that number, would bring into the workspace. */
  merge_look: { number: number };
  /** `task` is that task's id; `difference` is what that changes, to the letter, and stands for the bytes that it brings. */
  merge: { number: number; task: string; difference: string };
  /** What the action of that number, which waits, would do: it runs in a copy of the workspace. */
  try: { number: number };
  /** What the task's terminal shows at that moment. */
  screen: Record<string, never>;
  terminal_open: TerminalArgs;
  /** `text` is typed into the terminal that action `number` opened, to the byte, and Enter after it; then it is read. */
  terminal_send: { number: number; text: string; enter: boolean } & Wait;
  terminal_read: { number: number } & Wait;
  server_look: LookArgs;
  /** The same, of one at a URL, or of one that has a way out. */
  server_reach: ReachArgs | OutwardArgs;
  mcp: CallArgs;
  /** The same, of a tool that the pin gives the class read. */
  mcp_read: CallArgs;
  /** The same, of a server at a URL, which the call goes out to, or of one that reaches these hosts while it is called. */
  mcp_out: CallArgs & (Pick<ReachArgs, 'url'> | Pick<OutwardArgs, 'hosts'>);
};
/** A tool server: how it is called here, an image that the engine has, the command in place of the image's own (none for that), and by the variables of its environment the names of the secrets that stand in them. */
export type LookArgs = {
  name: string;
  image: string;
  command: readonly string[];
  secrets?: Readonly<Record<string, string>>;
};
/** One of an image that reaches these hosts. */
export type OutwardArgs = LookArgs & { hosts: readonly string[] };
/** A tool server that others run: how it is called here, where it is, and the name of what its host is shown. */
export type ReachArgs = { name: string; url: string; secret?: string };
/** A tool as its server tells it, whole. */
export type Item = { name: string; description?: string; inputSchema: object; [more: string]: unknown };
/** What a look tells: the image's id, where it is started from one, the protocol's version, and every tool as it came. */
export type Look = { image?: string; era: string; tools: Item[] };
/** A tool server as it was looked at: `era` is the version of the protocol. `class` is the owner's word; calls that go out have no other than `network`. */
export type PinArgs = (ReachArgs | Started) & {
  era: string;
  tools: readonly { class: 'exec' | 'read' | 'network'; item: Item }[];
};
/** `from` names its image, which has the id `image`. */
export type Started = LookArgs & Partial<OutwardArgs> & { from: string };
/** What passes by one connection to a server at a URL, or by the way out of one of an image, at most, and for how long it is open. */
export const reachTerms = { up: 10e6, down: 100e6, seconds: 86400 };
/** One call of a pinned tool, which `hash` names with all that it was pinned with. */
export type CallArgs = {
  server: string;
  tool: string;
  hash: string;
  params: Readonly<Record<string, unknown>>;
};
/** What may be asked of a host: packages to read, one repository to fetch or push, or anything, each below a path. */
export type EgressRule = {
  host: string;
  port: 443;
  class: 'read' | 'git-fetch' | 'git-push' | 'any';
  path: string;
  /** The name of what its proxy shows the host: the value is the operator's, and is in no action. */
  secret?: string;
};
/** The task's way out, for so many bytes either way and so many seconds from its claim on. */
export type EgressArgs = { rules: readonly EgressRule[]; up: number; down: number; seconds: number };
/** What goes by a push or a pull, at most, and for how long its way is open. */
export const gitTerms = {
  push: { up: 500e6, down: 100e6, seconds: 600 },
  pull: { up: 10e6, down: 500e6, seconds: 600 },
};
export type Act = { [P in keyof RunArgs]: { kind: P; args: RunArgs[P] } }[keyof RunArgs];
type Wished = 'undo_diff' | 'merge_look' | 'screen' | 'try';
/** What a message may ask for and decide itself. */
export type Wish = Act | { [P in Wished]: { kind: P; args: KeptArgs[P] } }[Wished];
export type LeaseArgs =
  /** Exactly these acts. */
  | { acts: readonly Act[]; uses: number; seconds: number }
  /** One kind of file action on whatever is below a path; '' is the whole workspace. */
  | {
      of: 'read_file' | 'list' | 'grep' | 'write_file' | 'edit_file';
      path: string;
      uses: number;
      seconds: number;
    };
/** What each kind takes. The last seven are control actions: once approved the ledger applies them, and nothing runs. */
export type Args = RunArgs &
  KeptArgs & {
    egress: EgressArgs;
    server_pin: PinArgs;
    lease: LeaseArgs;
    /** `words`: what it says besides its exact steps, of which it may have none. */
    plan: { steps: readonly Act[]; seconds: number; words?: string };
    policy: { policy: Policy };
    role: { user: string; role: Role };
    device: { user: string; master: string; device: string; ed25519: string; curve25519: string };
    thaw: Record<string, never>;
  };
export type Kind = keyof Args;

export type Asked<K extends Kind = Kind> = {
  [P in K]: { kind: P; args: Args[P]; workspace: string; task: string; requester: Requester };
}[K];

type Terms = Pick<Term, 'decide_within' | 'execute_within' | 'grace' | 'approvers' | 'devices'>;

/** The body of a `requested` entry: what was asked, with its terms. Waits are in seconds and run on the ledger's clock. */
export type Action<K extends Kind = Kind> = Asked<K> &
  Terms & {
    id: string;
    class: RiskClass;
    grade: Grade;
    /** What its card leases besides: whatever the agent reads of this workspace, so often, until then or the task's end. */
    reads?: Reads;
  };

/** Bytes of a file that a person sends, at most. */
export const mostSent = 32 << 20;

/** SHA-256 of a text's UTF-8 bytes, in hex. */
export const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

/** A fresh entry's id. */
export const newId = (random: (n: number) => Uint8Array = randomBytes): string => idFrom(random(length));

/**
 * Completes what was asked into an action, with the terms that the policy in force has for it.
 * @param raise grade to ask for where the policy would take a lower one
 * @throws Error where the policy lets nothing of this class run
 */
export function makeAction(asked: Asked, policy: Policy, raise?: 'signed', id: string = newId()): Action {
  const term = termOf(policy, asked);
  if (!term) throw new Error(`there is no action of kind ${asked.kind}`);
  const { class: risk } = kinds[asked.kind];
  if (term.mode === 'never') throw new Error(`the policy lets nothing of class ${risk} run`);
  const { decide_within, execute_within, grace, approvers, devices } = term;
  const terms: Terms = { decide_within, execute_within, grace, approvers, devices };
  return { ...asked, id, class: risk, grade: raise ?? term.grade, ...terms } as Action;
}

/** The same action, its card leasing reads besides where the policy lets it: then it takes the grade that reading takes as well. */
export function withReads(action: Action, policy: Policy): Action {
  const term = readsTerm(policy);
  if (!term || action.class === 'control') return action;
  const grade = rank(term.grade) > rank(action.grade) ? term.grade : action.grade;
  return { ...action, grade, reads: term.reads };
}

/** The exact text that is approved, stored and run. Throws on what canonical JSON cannot carry (a lone surrogate). */
export const actionText = (action: Action): string => canonical(action);

/** What an approval names: SHA-256 of the canonical text, in hex. */
export const digestOf = (action: Action): string => sha256(actionText(action));
