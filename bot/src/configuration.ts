/** What the set-up hands to the bot: one JSON file, read once, checked before anything starts. */
import { readFileSync } from 'node:fs';
import type { Clocks } from '@pocketcoder/ledger/src/action.ts';
import type { UserId } from './matrix/types.ts';

export type Configuration = {
  project: string;
  ledger: { url: string; password: string };
  homeserver: { url: string; server_name: string; user: string; password: string };
  owner: UserId;
  brain: { url: string; password: string; model: string } | null;
  /** `host` is what to listen on: a name that only the brain's network has. */
  gateway: { host: string; port: number; url: string };
  clocks: Clocks;
  form: 'chip' | 'poll';
};

/** Exact Matrix user ids only: a blank, a pattern or a bare name would let somebody else own the bot. */
const mxid = /^@[a-z0-9._=/+-]+:[A-Za-z0-9.:[\]-]+$/;

/** Reads and checks the file. Throws an error that says what is wrong and that nothing was started. */
export function readConfiguration(path: string): Configuration {
  const fail = (what: string): never => {
    throw new Error(`${path}: ${what}. Nothing was started: run the set-up (npm start) again.`);
  };
  let c: Configuration;
  try {
    c = JSON.parse(readFileSync(path, 'utf8')) as Configuration;
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
  if (typeof c.owner !== 'string' || !mxid.test(c.owner))
    fail(`owner must be one Matrix user id like @you:example.org, not ${JSON.stringify(c.owner)}`);
  if (c.form !== 'chip' && c.form !== 'poll') fail('form must be chip or poll');
  for (const clock of ['decide_within', 'execute_within'] as const)
    if (!Number.isInteger(c.clocks?.[clock]) || c.clocks[clock] < 1)
      fail(`clocks.${clock} must be whole seconds`);
  for (const part of ['ledger', 'homeserver', 'gateway'] as const)
    if (!c[part]?.url) fail(`${part}.url is missing`);
  return c;
}
