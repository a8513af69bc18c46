/** What a homeserver can do with ciphertexts that it cannot read: serve them again, elsewhere, or under another's id. */
import type { Hostile, WireEvent } from '../../harness/hostile.ts';

export type Match = (event: WireEvent) => boolean;

/** The same ciphertext once more, as an event of its own. @returns its id */
export const replay = (hostile: Hostile, room: string, event: WireEvent, id?: string): Promise<string> =>
  hostile.inject(room, { ...event, event_id: id ?? `${event.event_id}-replayed` });

/** The next event that matches has this ciphertext in the place of its own. @returns the id it is served under */
export const serveAs = (hostile: Hostile, match: Match, ciphertext: WireEvent): Promise<string> =>
  hostile.rewrite(match, (event) => {
    event.content = structuredClone(ciphertext.content);
  });

/** The clear relation of the next event that matches points at another event. @returns the id of the one changed */
export const retarget = (hostile: Hostile, match: Match, target: string): Promise<string> =>
  hostile.rewrite(
    (event) => match(event) && event.content['m.relates_to'] !== undefined,
    (event) => {
      const relation = event.content['m.relates_to'] as Record<string, unknown>;
      event.content['m.relates_to'] = {
        ...relation,
        ...(relation['event_id'] ? { event_id: target } : {}),
        'm.in_reply_to': { event_id: target },
      };
    },
  );

/** Exchanges the ciphertexts of the next two events that match: each keeps its id. @returns both, as they were sent */
export function swap(hostile: Hostile, room: string, match: Match): Promise<[WireEvent, WireEvent]> {
  const held: WireEvent[] = [];
  const both = Promise.withResolvers<[WireEvent, WireEvent]>();
  const end = hostile.onSync((sync) => {
    const timeline = sync.rooms?.join?.[room]?.timeline;
    if (!timeline?.events) return;
    timeline.events = timeline.events.filter((event) => {
      if (held.length === 2 || !match(event)) return true;
      held.push(event);
      return false;
    });
    const [first, second] = held;
    if (!first || !second) return;
    end();
    const as = (event: WireEvent, { content }: WireEvent) => ({
      ...event,
      content: structuredClone(content),
    });
    timeline.events.unshift(as(first, second), as(second, first));
    both.resolve([first, second]);
  });
  return both.promise;
}
