/** What a homeserver can do with time: withhold, delay, reorder. */
import { type Hostile, timelineOf, type WireEvent } from '../../harness/hostile.ts';
import type { Match } from './ciphertexts.ts';

export type Held = {
  held: WireEvent[];
  /** Serves all that was held, in the order that `arrange` gives it, in one sync; nothing is held any more. */
  release(arrange?: (events: WireEvent[]) => WireEvent[]): Promise<void>;
};

/** Withholds what matches until it is released: a delay, or with `arrange` another order. */
export function delay(hostile: Hostile, room: string, match: Match): Held {
  const { held, end } = hostile.hold(match);
  return {
    held,
    async release(arrange = (events) => events) {
      end();
      const events = arrange(held.splice(0));
      await hostile.push((sync) => void timelineOf(sync, room).push(...events));
    },
  };
}
