/** Takes away the containers that nobody needs any more. */
import type { Context } from './step.ts';
import type { Use } from './use.ts';

/**
 * Returns the way to ask for it: whenever something is over. What is asked for while it goes on makes it look once more.
 * @param busy whether an action of the task is in hand
 */
export function makeTidy(
  { tasks, book, log, signal }: Context,
  use: Use,
  busy: (task: string) => boolean,
): () => Promise<void> {
  const open = (task: string) => book.open().some((id) => book.request(id).action.task === task);
  let tidying: Promise<void> | undefined;
  let asked = false;

  async function tidy(): Promise<void> {
    for (const name of await tasks.standing()) {
      const now = () => use.of(name, busy(name.task) || open(name.task), Date.now());
      const state = now();
      if (state === 'kept') continue;
      if (!(await tasks.retire(name, state === 'idle'))) continue;
      if (state === 'idle') await tasks.endCopy(name, () => now() === 'idle');
      log.info({ task: name.task, state }, 'its container was taken away');
    }
  }

  async function whileAsked(): Promise<void> {
    while (asked && !signal.aborted) {
      asked = false;
      await tidy().catch((error: unknown) =>
        log.warn({ err: error }, 'containers that nobody needs may stand'),
      );
    }
    tidying = undefined;
  }

  return () => {
    asked = true;
    tidying ??= whileAsked();
    return tidying;
  };
}
