/** What each brain was asked and has not answered to the end: asked again where it was restarted in the middle, never lost unsaid. */
import type { BrainEvent } from '../brain/brain.ts';
import type { Task, TaskStore } from './tasks.ts';

export type Turns = {
  /** It took this prompt. */
  asked(task: Task, text: string): void;
  /** Takes an event of the task's session. Returns what to tell the room, or ''. */
  take(task: Task, e: BrainEvent): string;
  /** Whether a turn of the task's is under way. */
  works(task: string): boolean;
  /** It is away: what it does from now on began anew. */
  down(): void;
};

const again =
  'You were restarted while you worked on what follows, and your turn ended there. Go on from where it stands, and look before you do anything twice.';
const saidAgain = '🔁 The agent was restarted in the middle of its answer. It is asked again.';
const saidLost =
  '⚠️ The agent was restarted again in the middle of its answer. What it was asked is not asked a third time: say it again.';

/** Errors that leave a turn under way, or were no end of its own. */
const open = ['model_unreachable', 'model_limit', 'aborted'];

/** @param waits whether an action of a task is still to end: its outcome will be told, and the brain goes on by that */
export function createTurns(tasks: TaskStore, waits: (task: string) => boolean): Turns {
  const working = new Set<string>();
  /** Tasks whose turn began after, or with, all that they were asked; that were asked since the brain came; that were cut off. */
  const begun = new Set<string>();
  const fresh = new Set<string>();
  const cut = new Set<string>();

  function rest(id: string, prompts: readonly string[], whole: boolean): string {
    const asked = tasks.asked(id);
    const isAnswered = whole && asked.every((text) => prompts.includes(text));
    if (asked.length === 0 || (fresh.has(id) && !isAnswered)) return '';
    tasks.answered(id);
    if (isAnswered) return '';
    if (waits(id) || tasks.owed().some(({ task, outcome }) => task === id && outcome)) return '';
    if (asked.some((text) => text.startsWith(again))) return saidLost;
    tasks.oweFirst(id, [again, ...asked].join('\n\n'));
    return saidAgain;
  }

  return {
    asked({ id }, text) {
      tasks.ask(id, text);
      fresh.add(id);
      if (!working.has(id)) begun.delete(id);
    },
    take({ id }, e) {
      if (e.type === 'busy') {
        working.add(id);
        begun.add(id);
        cut.delete(id);
      }
      if (e.type === 'error' && e.code === 'aborted') cut.add(id);
      const idle = e.type === 'idle';
      if (idle) working.delete(id);
      if (idle ? begun.has(id) && !cut.has(id) : e.type === 'error' && !open.includes(e.code))
        tasks.answered(id);
      return e.type === 'rest' ? rest(id, e.prompts, e.whole) : '';
    },
    works: (id) => working.has(id),
    down() {
      for (const some of [working, begun, fresh, cut]) some.clear();
    },
  };
}
