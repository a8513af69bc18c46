/** A command that a person has run, now or by the clock. */
import type { Asked } from '@pocketcoder/ledger/src/action.ts';

/** For ten minutes at most. */
export const runOf = (script: string): Pick<Extract<Asked, { kind: 'bash' }>, 'kind' | 'args'> => ({
  ...{ kind: 'bash', args: { script, cwd: '.', env: {}, timeout: 600 } },
});
