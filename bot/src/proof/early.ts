/** A forced query begun before anybody asks for it: its answer comes while the event that will need it is decrypted. */
import type { UserId } from '../types.ts';

export type Early = {
  /** An encrypted event of this user is about to be handled. */
  begin(user: UserId): void;
  /** The answer that was begun for the event at hand, once; else a new one. @throws what the query throws */
  forceQuery(user: UserId): Promise<void>;
  /** That event was handled: what was begun for it serves no other. */
  over(): void;
};

/** @param query of a user's keys; one at a time is under way before it is asked for, however much comes */
export function createEarly(query: (user: UserId) => Promise<void>): Early {
  let early: { user: UserId; answer: Promise<void> } | undefined;
  let asking = false;
  return {
    begin(user) {
      if (asking) return;
      asking = true;
      const answer = query(user);
      early = { user, answer };
      const done = (): void => {
        asking = false;
      };
      answer.then(done, done);
    },
    forceQuery(user) {
      const answer = early?.user === user ? early.answer : query(user);
      early = undefined;
      return answer;
    },
    over() {
      early = undefined;
    },
  };
}
