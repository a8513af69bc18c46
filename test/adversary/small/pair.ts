/** A pairing from both sides: the bot's request in the room, a device that takes it up, an operator who compares. */
import type { createPairing } from '../../../bot/src/matrix/pairing.ts';
import type { Enrolled, RoomId, UserId, WireEvent } from '../../../bot/src/matrix/types.ts';
import type { Device } from './device.ts';

export type Compare = {
  /** What the operator says to the emoji of both sides. */
  answer(bots: string, phones: string): boolean;
  /** Events that somebody else sends while the request stands in the room. @param flow the request's event id */
  meanwhile?(flow: string): WireEvent[];
};
type Room = {
  room: RoomId;
  sent: readonly WireEvent[];
  deliver(events: readonly WireEvent[]): Promise<void>;
};

/** @throws what the bot tells the operator where nobody was enrolled */
export async function pairing(
  { start }: Pick<ReturnType<typeof createPairing>, 'start'>,
  { room, sent, deliver }: Room,
  device: Device,
  { answer, meanwhile = () => [] }: Compare,
): Promise<Enrolled> {
  const from = sent.length;
  const shown = Promise.withResolvers<string>();
  let over = false;
  const ended = start(room, device.user as UserId, async (emoji) =>
    answer(emoji.map((e) => e.symbol).join(' '), await shown.promise),
  ).finally(() => {
    over = true;
  });
  ended.catch(() => {}); // whoever awaits it is told
  for (let heard = from; !over || heard < sent.length; ) {
    const wire = sent[heard];
    if (wire) {
      const flow = String(sent[from]?.event_id);
      const { says, emoji } = await device.verify(wire, flow);
      if (emoji) shown.resolve(emoji);
      await deliver([...(heard === from ? meanwhile(flow) : []), ...says]);
      heard++;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return ended;
}
