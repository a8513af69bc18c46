/** A ledger that is gone by only while it has what was seen of it. */
import type { Ledger } from './client.ts';
import type { Following } from './follow.ts';
import type { Pin } from './pin.ts';

/** What is kept before its append returns: by these something runs, or does not. All else follows within a second. */
const decisive = ['approved', 'endorsed', 'denied', 'claimed'];

/**
 * The same ledger, gone by only while it has what `pin` keeps. An answer or a claim counts once it was followed as a link of
 * this chain and is kept. What is appended before `follow` was called is not looked at.
 */
export function pinned(ledger: Ledger, pin: Pin): Ledger {
  let following: Following | undefined;
  return {
    ...ledger,
    follow(options) {
      following = ledger.follow({ ...options, pin });
      return following;
    },
    async append(wanted) {
      following?.stands();
      const entry = await ledger.append(wanted);
      if (following && decisive.includes(entry.kind)) {
        await following.took(entry);
        pin.keep();
      }
      return entry;
    },
  };
}
