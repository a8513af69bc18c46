/** An action: one thing somebody wants done, its canonical text and its digest. No Matrix, no Docker, no LLM here. */
import { createHash, randomBytes } from 'node:crypto';
import { canonical } from './canonical.cjs';
import { classes, minimumGrade } from './rules.cjs';

export type Grade = 'plain' | 'sealed' | 'signed';
export type RiskClass = 'read' | 'write' | 'exec' | 'network' | 'secret' | 'destructive' | 'control';
export type Requester = 'brain' | 'owner';

/** What each kind of action takes. Paths are relative to the workspace's root; `timeout` is in seconds. */
export type Args = {
  bash: { script: string; cwd: string; env: Readonly<Record<string, string>>; timeout: number };
  read_file: { path: string; offset: number; limit: number };
  write_file: { path: string; content: string };
  edit_file: { path: string; old: string; new: string };
};
export type Kind = keyof Args;

/** The body of a `requested` entry. Waits are in seconds and run on the ledger's clock. */
export type Action<K extends Kind = Kind> = {
  [P in K]: {
    id: string;
    kind: P;
    args: Args[P];
    workspace: string;
    task: string;
    requester: Requester;
    class: RiskClass;
    grade: Grade;
    decide_within: number;
    execute_within: number;
  };
}[K];

export type Asked = {
  [P in Kind]: { kind: P; args: Args[P]; workspace: string; task: string; requester: Requester };
}[Kind];
export type Clocks = { decide_within: number; execute_within: number };

/** SHA-256 of a text's UTF-8 bytes, in hex. */
export const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

/** A PocketBase record id: 15 characters of [a-z0-9], chosen by the client so that a retry is the same entry. */
export function newId(random: (n: number) => Uint8Array = randomBytes): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz012345'; // 32 letters: five bits each, without bias
  return Array.from(random(15), (b) => alphabet[b & 31]).join('');
}

/** Completes what was asked into an action. Its class comes from its kind; its grade is the class's weakest. */
export function makeAction(asked: Asked, clocks: Clocks, id: string = newId()): Action {
  const risk = classes[asked.kind] as RiskClass;
  const grade = (minimumGrade[risk] ?? 'signed') as Grade;
  return { ...asked, id, class: risk, grade, ...clocks } as Action;
}

/** The exact text that is approved, stored and run. Throws on what canonical JSON cannot carry (a lone surrogate). */
export const actionText = (action: Action): string => canonical(action);

/** What an approval names: SHA-256 of the canonical text, in hex. */
export const digestOf = (action: Action): string => sha256(actionText(action));
