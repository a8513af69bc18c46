/** A ledger that is gone by only while it has what was seen of it. */
import type { Ledger } from './client.ts';
import { isUnreachable, unreachable } from './errors.ts';
import type { Following } from './follow.ts';
import type { Pin } from './pin.ts';
import { messageOf } from './retry.ts';

/** What is kept before its append returns: by these something runs, or does not. All else follows within a second. */
const decisive = ['approved', 'endorsed', 'denied', 'claimed'];

/**
 * The same ledger, gone by only while it has what `pin` keeps. An answer or a claim counts once it was followed as a link of
 * this chain and is kept: where that fails it is asked again, with the same id, for it may stand in the ledger. What is appended before `follow` was called is not looked at.
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
        try {
          await following.took(entry);
          pin.keep();
        } catch (error) {
          if (isUnreachable(error)) throw error;
          throw unreachable(`It may be recorded, and is not kept here: ${messageOf(error)}`);
        }
      }
      return entry;
    },
  };
}
