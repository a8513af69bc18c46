/** How carefully people decide, by the ledger's own clock, and what that asks of the next card. */
import { reasons } from '@pocketcoder/ledger/rules/codes.cjs';
import { bodyOf } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';

type Decision = { kind: 'approved' | 'denied'; seconds: number; decoy: boolean; brain: boolean };

export type Attention = {
  /** Takes the next entry of the chain. @param brain whether the brain had asked for its action */
  read(entry: Entry, brain: boolean): void;
  /** The owner wrote something: the brain may ask again. */
  heard(): void;
  /** Whether a card asks for an answer by an enrolled device, whatever its policy says. */
  asksSigned(): boolean;
  /** Why the brain may not ask just now, in words for it, or ''. @param now milliseconds */
  hold(now: number): string;
  describe(): string;
};

const kept = 20;
/** Of the last so many decisions, that many approvals too quick to have read anything: the next ones are signed. */
const hasty = { of: 6, quick: 5 };
/** Among the same decisions. One may be a slip of the thumb: it denied, and that is all. */
const mostDecoys = 2;
const mostCards = { count: 20, within: 60_000 };
const mostDenials = 3;

/** @param quick seconds from the card within which an approval counts as unread; 0 for never */
export function createAttention(quick: number): Attention {
  const decisions: Decision[] = [];
  const posted = new Map<string, number>();
  let asked: number[] = [];
  let denials = 0;
  let last = 0;

  const decoys = (of: number) => decisions.slice(-of).filter((d) => d.decoy).length;
  const isQuick = (d: Decision) => d.kind === 'approved' && d.seconds < quick;
  const tooQuick = () => decisions.slice(-hasty.of).filter(isQuick).length;
  const asksSigned = () => decoys(hasty.of) >= mostDecoys || tooQuick() >= hasty.quick;

  return {
    read(entry, brain) {
      if (entry.seq <= last) return; // delivered again
      last = entry.seq;
      const at = Date.parse(entry.at);
      if (entry.kind === 'posted') {
        if (bodyOf(entry, 'posted').form === 'command') return; // there was nothing to read
        posted.set(entry.action, at);
        if (brain) asked = [...asked.filter((t) => t > at - mostCards.within), at];
        return;
      }
      const shown = posted.get(entry.action);
      if (shown === undefined || entry.kind === 'endorsed') return;
      posted.delete(entry.action);
      if (entry.kind !== 'approved' && entry.kind !== 'denied') return;
      const decoy = entry.kind === 'denied' && bodyOf(entry, 'denied').reason === reasons.decoy;
      decisions.push({ kind: entry.kind, seconds: (at - shown) / 1000, decoy, brain });
      if (decisions.length > kept) decisions.shift();
      denials = entry.kind === 'approved' ? 0 : denials + (brain ? 1 : 0);
    },
    heard() {
      denials = 0;
    },
    asksSigned,
    hold(now) {
      if (denials >= mostDenials)
        return `the last ${denials} actions were denied one after the other; end your turn and wait for the owner’s words`;
      const recent = asked.filter((t) => t > now - mostCards.within).length;
      return recent >= mostCards.count
        ? `${recent} cards were shown within a minute; put what belongs together into one plan, or end your turn`
        : '';
    },
    describe() {
      if (decisions.length === 0) return 'Nothing was decided yet.';
      const seconds = decisions.map((d) => d.seconds).sort((a, b) => a - b);
      const approvals = decisions.findLastIndex((d) => d.kind === 'denied');
      return [
        `Of the last ${decisions.length} decisions: ${tooQuick()} of the last ${Math.min(hasty.of, decisions.length)} were approvals in under ${quick} s, ${decoys(kept)} decoys tapped.`,
        `Half took ${(seconds[seconds.length >> 1] ?? 0).toFixed(1)} s or less; the last ${decisions.length - 1 - approvals} in a row were approvals.`,
        asksSigned()
          ? 'So cards ask for a vote for now, until some were decided with more time.'
          : 'Cards ask for what the policy says.',
      ].join('\n');
    },
  };
}
