/** The room as the phone shows it, kept as its events come: looking through all of them each time would take the cores. */
import { editOf } from '../harness/answers.ts';
import type { Card, Phone, Shown } from '../phone/types.ts';

type Message = Card & { text: string; now: string };
const header = (number: number): RegExp => new RegExp(`^(?:> .*\\n)?#${number} `);

export function watchRoom(phone: Phone) {
  const messages = new Map<string, Message>();
  const messageOf = (id: string, room: string): Message => {
    const had = messages.get(id) ?? { id, room, text: '', now: '', chips: [], answers: [] };
    messages.set(id, had);
    return had;
  };
  function see(event: Shown): void {
    if (event.sender === phone.user || event.failed) return;
    const { id, room, type, content } = event;
    const relation = (content['m.relates_to'] ?? {}) as { event_id?: string; key?: string };
    const edit = editOf(event);
    if (type === 'm.reaction' && relation.event_id && relation.key)
      messageOf(relation.event_id, room).chips.push({ id, key: relation.key });
    else if (edit) messageOf(edit.of, room).now = edit.text;
    else if (type === 'm.room.message') messageOf(id, room).text = String(content['body'] ?? '');
  }
  const end = phone.watch(see);
  const about = (number: number): Message[] =>
    [...messages.values()].filter(({ text }) => header(number).test(text));
  return {
    /** The card of this number, once it can be tapped. */
    card: (number: number): Card | undefined => about(number).find(({ chips }) => chips.length >= 3),
    /** What stands there of how it ended, once it does. */
    told: (number: number): string | undefined =>
      about(number)
        .map(({ text, now }) => now || text)
        .find((text) => text.includes('⛓ ')),
    /** What the room was warned of: that something is not done is told so, with what to do. */
    warnings: (): string[] =>
      [...messages.values()].map(({ text }) => text).filter((text) => text.startsWith('⚠️')),
    /** How many messages there are about it. */
    messages: (number: number): number => about(number).length,
    end,
  };
}
