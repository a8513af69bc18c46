/** What the phone shows: events, and the cards among them. */
import type { MatrixEvent } from 'matrix-js-sdk';
import type { Card, Content, Shown } from './types.ts';

const pollStart = 'org.matrix.msc3381.poll.start';
const words = 'org.matrix.msc1767.text';
type Relation = { rel_type?: string; event_id?: string; key?: string };

export const shown = (e: MatrixEvent): Shown => ({
  id: e.getId() ?? '',
  room: e.getRoomId() ?? '',
  sender: e.getSender() ?? '',
  type: e.getType(),
  content: e.getContent(),
  wire: { type: e.getWireType(), content: e.getWireContent() },
  encrypted: e.isEncrypted(),
  redacted: e.isRedacted(),
  ...(e.isDecryptionFailure() && { failed: String(e.decryptionFailureReason) }),
});

const relation = (s: Shown): Relation => (s.content['m.relates_to'] ?? {}) as Relation;
const text = (c: Content): string => String(c['body'] ?? '');

function pollOf(s: Shown): Pick<Card, 'text' | 'answers'> {
  const poll = s.content[pollStart] as { question: Content; answers: ({ id: string } & Content)[] };
  return {
    text: String(poll.question[words]),
    answers: poll.answers.map((a) => ({ id: a.id, text: String(a[words]) })),
  };
}

/** Messages with chips, and polls, oldest first. A card that has ended has no chips any more. */
export function cardsOf(timeline: readonly Shown[]): Card[] {
  const standing = timeline.filter((s) => !s.redacted && !s.failed);
  return standing.flatMap((s) => {
    const chips = standing
      .filter((r) => r.type === 'm.reaction' && r.encrypted && r.sender === s.sender)
      .filter((r) => relation(r).rel_type === 'm.annotation' && relation(r).event_id === s.id)
      .map((r) => ({ id: r.id, key: String(relation(r).key) }));
    const edits = standing.filter(
      (e) => e.sender === s.sender && relation(e).rel_type === 'm.replace' && relation(e).event_id === s.id,
    );
    const last = edits.at(-1)?.content['m.new_content'] as Content | undefined;
    const base = { id: s.id, room: s.room, chips, ...(last && { edited: text(last) }) };
    if (s.type === pollStart) return [{ ...base, ...pollOf(s) }];
    if (s.type !== 'm.room.message' || chips.length === 0) return [];
    return [{ ...base, text: text(s.content), answers: [] }];
  });
}
