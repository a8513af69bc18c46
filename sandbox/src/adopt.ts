/** Takes up what this executor had claimed before it was restarted. Starts nothing: what had no start by then is `unknown`. */
import type { Context } from './context.ts';
import { record } from './record.ts';
import { passOn } from './run.ts';
import { timeoutOf } from './script.ts';

/** @param frozenAt the number of the last freeze, 0 for none */
export async function adopt(c: Context, id: string, frozenAt: number): Promise<void> {
  const { tasks, book, write, log } = c;
  const request = book.request(id);
  const { action, digest } = request;
  const story = book.story(id);
  const claimed = story.find((e) => e.kind === 'claimed');
  const told = story.some((e) => e.kind === 'running');
  log.info({ action: id, told }, 'taken up again');
  const left = timeoutOf(action) - (Date.now() - Date.parse(claimed?.at ?? '')) / 1000;
  const adopted = tasks.adopt(action, id, left, passOn(c, id));
  const undone = (claimed?.seq ?? 0) < frozenAt || story.some((e) => e.kind === 'stop');
  if (undone) await tasks.kill(action, id);
  const outcome = await adopted;
  if (outcome.end === 'done' && !told) await write({ kind: 'running', action: id, body: { digest } });
  await record(c, request, outcome);
}
