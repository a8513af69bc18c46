/** One message that is edited in place, seldom enough for a phone and a homeserver: never a stream of new ones. What `!status` says is in commands/everyday.ts. */
import type { Logger } from 'pino';
import type { Content } from '../show/blocks.ts';
import type { EventId, Matrix, RoomId } from '../types.ts';

export type Status = ReturnType<typeof statusMessage>;

/** Milliseconds between two edits of one message. */
export const pace = 1500;

/**
 * @param o.txn makes a first message that is sent again after a crash the same message
 * @param o.begun that message may stand there from before a crash: what it says is then replaced
 * @param o.event an own message that is there already and is edited
 * @param o.replyTo what a first message answers
 * @param o.after milliseconds until the first state is shown, so that one that is over at once never is
 */
export function statusMessage(
  matrix: Matrix,
  room: RoomId,
  log: Logger,
  o: { txn?: string; begun?: boolean; event?: EventId; replyTo?: EventId; after?: number } = {},
) {
  let { event } = o;
  let next: Content | (() => Content) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<unknown> = Promise.resolve();
  let last = o.after === undefined ? 0 : Date.now() + o.after - pace;

  async function send(content: Content): Promise<EventId> {
    last = Date.now();
    const first = event === undefined;
    const reply = o.replyTo && { 'm.relates_to': { 'm.in_reply_to': { event_id: o.replyTo } } };
    event ??= await matrix.post(room, 'm.room.message', { ...content, ...reply }, { txn: o.txn });
    if (!first || o.begun) await matrix.edit(room, event, content);
    return event;
  }
  function flush(): void {
    timer = undefined;
    // What to say is looked up when it is its turn: a homeserver that is away must not have every state of hours sent.
    sending = sending
      .then(async () => {
        const content = next;
        next = undefined;
        if (content) await send(typeof content === 'function' ? content() : content);
      })
      // An intermediate state that is lost is replaced by the next one.
      .catch((error: unknown) => log.warn({ room, err: error }, 'a status was not shown'));
  }
  function drop(): void {
    clearTimeout(timer);
    timer = undefined;
    next = undefined;
  }
  return {
    /** Shows this as soon as the pace allows; what comes before then replaces it. Only what is shown is drawn. */
    show(content: Content | (() => Content)): void {
      next = content;
      timer ??= setTimeout(flush, Math.max(0, last + pace - Date.now()));
    },
    /** Forgets what is not shown yet. */
    drop,
    /** Shows this for good. Resolves when it is sent, and throws when it can't be. */
    async finish(content: Content): Promise<EventId> {
      drop();
      await sending;
      return send(content);
    },
  };
}
