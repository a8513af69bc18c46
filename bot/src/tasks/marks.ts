/** The mark on words that wait for a turn's end: it says that they were heard, and goes when the agent is told them. It decides nothing. */
import type { Logger } from 'pino';
import { chip } from '../show/card.ts';
import type { Matrix, RoomId } from '../types.ts';

export type Marks = {
  /** Never throws. */
  set(room: RoomId, event: string): Promise<void>;
  /** Takes it away, also one of before a restart. Never throws. */
  clear(room: RoomId, event: string): Promise<void>;
};

export function createMarks({ matrix, log }: { matrix: Matrix; log: Logger }): Marks {
  const post = (room: RoomId, event: string) => {
    const { content, outer } = chip(event, '👀');
    // Under one id it is one reaction, however often: asked for again it is the one that stands there.
    return matrix.post(room, 'm.reaction', content, { outerRelation: outer, txn: `waits-${event}` });
  };
  const failed = (error: unknown) =>
    log.warn({ err: error }, 'a mark on words that wait is not as it should be');
  return {
    set: (room, event) => post(room, event).then(() => {}, failed),
    clear: (room, event) =>
      post(room, event)
        .then((mark) => matrix.redact(room, mark, 'the agent was told'))
        .catch(failed),
  };
}
