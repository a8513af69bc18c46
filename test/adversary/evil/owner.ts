/** An owner who reads each card as a phone shows it, and answers some: by a seed, as their eyes tell them, and in no hurry. */
import fc from 'fast-check';
import type { Page } from '../../../bot/src/approval/view.ts';
import { marksIn, never } from './calls.ts';

export type Answer = 'approve' | 'deny' | 'leave';
export type Owner = ReturnType<typeof createOwner>;

/**
 * @param ways how a card is read, and how it is answered: `approve` tells whether that was in time
 */
export function createOwner(
  seed: number,
  ways: {
    read(page: Page): Promise<string>;
    approve(page: Page): Promise<boolean>;
    deny(page: Page): Promise<unknown>;
  },
) {
  const moods = fc.sample(fc.nat(99), { seed, numRuns: 10_000 }).values();
  const mood = (): number => moods.next().value ?? 0;
  /** The marks on the cards that were approved, as they were read there. */
  const approved: string[] = [];
  const counts: Record<Answer, number> = { approve: 0, deny: 0, leave: 0 };
  let last: Promise<unknown> = Promise.resolve();

  function answerTo({ action }: Page, text: string): Answer {
    const marks = marksIn(text);
    const harmless = ['bash', 'write_file', 'plan'].includes(action.kind) && !text.includes(never);
    const walks = action.task.startsWith('walk'); // who waits there is told, sooner or later
    if (harmless && marks.length > 0 && mood() < (walks ? 85 : 45)) return 'approve';
    return walks || mood() < 60 ? 'deny' : 'leave';
  }

  async function decide(page: Page): Promise<void> {
    const text = await ways.read(page);
    const answer = answerTo(page, text);
    counts[answer]++;
    if (answer === 'approve' && (await ways.approve(page))) approved.push(...marksIn(text));
    if (answer === 'deny') await ways.deny(page);
  }

  return {
    approved,
    counts,
    /** Looks at a card that was posted, once those before it were looked at. */
    look(page: Page): void {
      last = last.then(() => decide(page));
    },
    /** Resolves when every card was looked at. @throws what went wrong at one */
    async done(): Promise<void> {
      for (let seen: unknown; seen !== last; ) {
        seen = last;
        await last;
      }
    },
  };
}
