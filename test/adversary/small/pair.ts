/** A pairing from both sides: the bot's request in the room, a device that takes it up, an operator who compares. */
import type { createPairing } from '../../../bot/src/proof/pairing.ts';
import type { Enrolled, Operator, RoomId, UserId, WireEvent } from '../../../bot/src/types.ts';
import type { Device } from './device.ts';

export type Compare = {
  /** What the operator says to the emoji of both sides. */
  answer(bots: string, phones: string): boolean;
  /** Events that somebody else sends just before what the device says to the bot's nth step, counted from 0. @param flow the bot's request */
  meanwhile?(flow: string, step: number): WireEvent[];
  /** The device's own request: it makes that in place of taking up the bot's. */
  begins?: WireEvent;
  /** The device begins the comparison itself, though it was asked. */
  starts?: boolean;
};
/** Milliseconds for one pairing: where a defence is taken out it may go on for ever. */
export const longest = 30_000;
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
  { answer, meanwhile = () => [], starts = false, begins }: Compare,
): Promise<Enrolled> {
  const from = sent.length;
  const shown = Promise.withResolvers<string>();
  let over = false;
  const operator: Operator = {
    waits: () => {},
    compare: async (emoji) => answer(emoji.map((e) => e.symbol).join(' '), await shown.promise),
  };
  const ended = start(room, device.user as UserId, operator).finally(() => {
    over = true;
  });
  ended.catch(() => {}); // whoever awaits it is told
  const last = Date.now() + longest;
  for (let heard = from; !over || heard < sent.length; ) {
    if (Date.now() > last) throw new Error('this pairing does not end');
    const wire = sent[heard];
    if (wire) {
      const flow = begins?.event_id ?? String(sent[from]?.event_id);
      const step = heard++ - from;
      const own = begins && step === 0;
      const { says, emoji = '' } = own
        ? { says: [begins] }
        : await device.verify(wire, flow, starts || begins !== undefined);
      if (emoji) shown.resolve(emoji);
      await deliver([...meanwhile(flow, step), ...says]);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return ended;
}
