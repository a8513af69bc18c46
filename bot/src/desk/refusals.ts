/** What the ledger refuses, and what that means to people. */
import type { Code } from '@pocketcoder/ledger/rules/codes.cjs';
import { LedgerError } from '@pocketcoder/ledger/src/client.ts';

/** Nothing was recorded of a wish, so nothing can come of it. `why` is for whoever asked. */
export class NotAsked extends Error {
  readonly why: string;
  constructor(why: string) {
    super(`Not asked: ${why}. Nothing was run.`);
    this.why = why;
  }
}

/** Lets one refusal of the ledger pass: somebody else was first, and that is as well. @returns whether it was written */
export const unlessOver = (appended: Promise<unknown>): Promise<boolean> =>
  appended.then(
    () => true,
    (error: unknown) => {
      if (!(error instanceof LedgerError) || error.code !== 'lifecycle') throw error;
      return false;
    },
  );

/** What is said of an answer that the ledger did not take. @param code '' where it took it */
export const refusal = (code: string): string =>
  code && (refused[code] ?? `the ledger refused it (${code}): nothing was run`);

/** What the ledger's refusals mean to the person who tapped. */
export const refused: Record<string, string> = {
  no_room: 'the ledger’s disk is full: nothing was run. Make room, then ask again',
  late: 'too late: the time to decide has passed, nothing was run',
  frozen: 'everything is frozen: nothing was run',
  lifecycle: 'it was decided already; what has started is ended by 🛑 or !stop',
  not_enrolled: 'that device is not enrolled: nothing was run. Pair it at the console',
  clock_back: 'the ledger’s clock went back: nothing is run until it is set right. Then ask again',
  grade: 'that answer does not suffice: vote in its poll (!poll N), or send the code of its file',
  counted_already:
    'your answer is counted already; somebody else, or another of your devices, has to approve too',
  own_request: 'you asked for it, so others have to approve it',
  not_owner: 'only an owner may decide that',
  command: 'that is not decided by the message that asks for it: nothing was run',
  revoked: 'somebody who approved it may not any more: nothing was run. Ask again',
  never: 'the policy does not let it run any more',
  quorum: 'more people have to approve it than the card says, by the policy of now: ask again',
  last_owner: 'somebody enrolled has to be owner',
  too_few:
    'there are fewer people or devices here than that policy asks for, so nothing could ever be changed again',
  not_frozen: 'nothing is frozen',
  body_invalid:
    'that can’t be asked for: a lease is for a path inside the workspace, at most 1000 times and at most 7 days',
} satisfies Partial<Record<Code | 'no_room', string>>;
