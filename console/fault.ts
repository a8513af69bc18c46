/** What a person sees when the set-up cannot go on, and the exit code that goes with it. */

/** Exit codes, after BSD's sysexits.h; `docs/exit-codes.md` says when each is used. */
export const exitCodes = {
  failed: 1,
  usage: 64,
  unavailable: 69,
  cannotCreate: 73,
  temporary: 75,
  noPermission: 77,
  config: 78,
} as const;
export type ExitName = keyof typeof exitCodes;

/** A failure with a message for a person: what happened, what was not done, what to do next. */
export class Fault extends Error {
  readonly exit: ExitName;
  constructor(exit: ExitName, message: string) {
    super(message);
    this.exit = exit;
  }
}

/** A failure by its exit code: `throw fault.usage('…')`. */
export const fault = Object.fromEntries(
  (Object.keys(exitCodes) as ExitName[]).map((exit) => [exit, (message: string) => new Fault(exit, message)]),
) as Record<ExitName, (message: string) => Fault>;
