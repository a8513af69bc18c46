/** What the set-up hands to the bot: one JSON file, read once, checked before anything starts. */
import { readFileSync } from 'node:fs';
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import type { Agent } from './agents.ts';
import type { Caps } from './brain/costs.ts';
import type { Model } from './brain/models.ts';
import type { Transcription } from './room/dictation.ts';
import type { UserId } from './types.ts';

export type Configuration = {
  project: string;
  ledger: { url: string; password: string };
  homeserver: { url: string; server_name: string; user: string; password: string };
  owner: UserId;
  /** Of its models the first is the one that tasks begin with. */
  brain: { url: string; password: string; models: readonly Model[] } | null;
  /** What tasks may cost; absent where nothing holds them. */
  spend?: Caps;
  /** `host` is what to listen on: a name that only the brain's network has. */
  gateway: { host: string; port: number; url: string };
  /** Where voice messages are written down; absent where they are not. */
  transcription?: Transcription;
  /** Whether leases of the network can be opened; absent in what an older set-up wrote, which has no image for them. */
  network?: boolean;
  /** The file that says which secret is for which host: names alone, as the operator has them now. */
  secrets?: string;
  /** Figures are told; `backup` is the file that says when the newest backup was made. Absent where they are not. */
  metrics?: { backup: string };
  /** Every task begins with a plan. */
  plan?: 'always';
  /** Whom the agent may hand work to; absent where there is nobody. */
  agents?: readonly Agent[];
  /** Seconds from a card within which an approval counts as unread; 0 for never. */
  quick: number;
  /** The owner's, by its IANA name: every time that the room is told is in it. */
  timezone: string;
  /** Where the owner opens the timeline's page: how actions ended links to it. */
  timeline?: string;
  /** What the sandbox of a workspace has, in words; of all that are not named, under ''. */
  tools: Readonly<Record<string, string>>;
};

/** Exact Matrix user ids only: a blank, a pattern or a bare name would let somebody else own the bot. */
const mxid = /^@[a-z0-9._=/+-]+:[A-Za-z0-9.:[\]-]+$/;

export const isUserId = (v: unknown): v is UserId => typeof v === 'string' && mxid.test(v);

/** Whether this is a time zone by its IANA name, such as Europe/Berlin. */
export function isTimezone(v: unknown): v is string {
  try {
    return typeof v === 'string' && /^[A-Z]/i.test(v) && !!new Intl.DateTimeFormat('en', { timeZone: v });
  } catch {
    return false;
  }
}

/** Reads and checks the file. Throws an error that says what is wrong and that nothing was started. */
export function readConfiguration(path: string): Configuration {
  const fail = (what: string): never => {
    throw new Error(`${path}: ${what}. Nothing was started: run the set-up (npm start) again.`);
  };
  let c: Configuration;
  try {
    c = JSON.parse(readFileSync(path, 'utf8')) as Configuration;
  } catch (error) {
    return fail(messageOf(error));
  }
  if (!isUserId(c.owner))
    fail(`owner must be one Matrix user id like @you:example.org, not ${JSON.stringify(c.owner)}`);
  if (!(c.quick >= 0)) fail('quick must be seconds, 0 or more');
  if (!isTimezone(c.timezone))
    fail(`timezone must be one such as Europe/Berlin, not ${JSON.stringify(c.timezone)}`);
  for (const part of ['ledger', 'homeserver', 'gateway'] as const)
    if (!c[part]?.url) fail(`${part}.url is missing`);
  return c;
}

/** From a secret's name to its host. Read anew each time: the operator may have changed it since. */
export function boundIn(file: string | undefined): Readonly<Record<string, string>> {
  try {
    return file ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>) : {};
  } catch {
    return {}; // it is being written, or never was: the agent is told that there is none
  }
}
