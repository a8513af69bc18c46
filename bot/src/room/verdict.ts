/** How an action ended, for people: what happened in the first words; who let it and how is for auditors and stands last. */
import { answers } from '@pocketcoder/ledger/rules/answers.cjs';
import { reasons } from '@pocketcoder/ledger/rules/codes.cjs';
import { bodyOf } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import type { Book, Page } from '../approval/view.ts';
import { changesText, type Outcome } from '../gateway/outcome.ts';
import { nameOf } from '../show/action.ts';
import { roughly } from '../show/control.ts';
import { testsIn } from './summary.ts';

type Known = Pick<Book, 'enrolled' | 'number'>;

/** ` by ann`, or ` by you` where nobody else could have been it; '' where nobody is named. */
function byWhom(by: string | undefined, book: Known): string {
  if (by === undefined) return '';
  return book.enrolled().every((d) => d.user === by) ? ' by you' : ` by ${nameOf(by)}`;
}

/** How long it ran, by the ledger's clock, as ` (2 s)`; '' for what did not, or for no time worth a word. */
function took({ story }: Page): string {
  const claimed = story.find((e) => e.kind === 'claimed');
  const seconds = (Date.parse(story.at(-1)?.at ?? '') - Date.parse(claimed?.at ?? '')) / 1000;
  return seconds >= 0.1 ? ` (${roughly(seconds)})` : '';
}

/** What its tests came to, where it ran some and its whole output is at hand. */
export const testsOf = ({ action }: Page, { output, truncated }: Outcome) =>
  action.kind === 'bash' && !truncated ? testsIn(action.args.script, output) : undefined;

/** One line that says how it ended. */
export function verdictLine(page: Page, outcome: Outcome, book: Known): string {
  const changed = changesText(outcome.changes);
  return `${endOf(page, outcome, book)}${changed && ` · ${changed}`}`;
}

function endOf(page: Page, outcome: Outcome, book: Known): string {
  const { action, story } = page;
  const { reason } = outcome;
  const nothing = 'Nothing was run.';
  const tests = testsOf(page, outcome);
  const more = (tests?.failed ? ` · ${tests.text}` : '') + (reason ? ` · ${reason}` : '');
  switch (outcome.state) {
    case 'succeeded': {
      const well = tests?.failed === 0 ? tests.text : action.kind === 'bash' ? 'ended with exit 0' : 'done';
      return `✅ ${well}${took(page)}${more}`;
    }
    case 'failed':
      if (outcome.exit === undefined) return `⚠️ ${reason ?? 'not run'}`;
      return `⚠️ exit ${outcome.exit}${took(page)}${more}`;
    case 'killed': {
      const stop = story.findLast((e) => e.kind === 'stop');
      if (reason === reasons.stopped)
        return `🛑 stopped${byWhom(stop && bodyOf(stop, 'stop').by, book)}${took(page)}`;
      return reason ? `🛑 ended: ${reason}${took(page)}` : `🛑 ended by ${outcome.signal}${took(page)}`;
    }
    case 'denied': {
      const denied = story.findLast((e) => e.kind === 'denied');
      const by = byWhom(denied && bodyOf(denied, 'denied').by, book);
      const ask = action.requester === 'brain' ? ' Say why, and the agent is told.' : '';
      return `❌ denied${by} (${reason ?? 'no reason given'}). ${nothing}${ask}`;
    }
    case 'expired':
      return `⌛ expired: ${reason ?? 'not decided in time'}. ${nothing}`;
    case 'void':
      return `🚫 taken back: ${reason ?? 'withdrawn'}. ${nothing}`;
    case 'applied':
      return '✅ in force';
    case 'open':
      return '🌐 open';
    case 'unknown':
      return `❓ outcome unknown (${reason ?? 'a part crashed'}). It is not run again by itself: look, then ask again.`;
  }
}

/** Who let it run, and the ledger's last entry of it. @param entry that ended it */
export function proofOf({ story }: Page, entry: Entry, book: Known): string[] {
  const mark = `⛓ ${entry.seq} ${entry.hash.slice(0, 12)}`;
  const leased = story.find((e) => e.kind === 'leased');
  if (leased) {
    const { lease, use } = bodyOf(leased, 'leased');
    return [`by #${book.number(lease) ?? lease}, use ${use}`, mark];
  }
  if (!story.some((e) => e.kind === 'approved')) return [mark];
  const names = [...new Set(answers(story).map(({ evidence }) => nameOf(evidence.user)))];
  const ways = [...new Set(answers(story).map(({ grade, evidence }) => `${grade}, ${evidence.form}`))];
  return [`approved by ${names.join(' and ')} (${ways.join('; ')})`, mark];
}
