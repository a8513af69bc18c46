/** The operator at the bot's console socket. */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { Phone } from '../phone/phone.ts';

export type Device = { user: string; master: string; device: string; ed25519: string; curve25519: string };
type Line = {
  event: string;
  message?: string;
  emoji?: { symbol: string }[];
} & Partial<Device>;

export function consoleOf(path: string) {
  return {
    /** Has the bot make a workspace's room. @returns the room; rejects where the bot goes away */
    async openWorkspace(name: string): Promise<string> {
      const socket = connect(path);
      try {
        socket.write(`${JSON.stringify({ cmd: 'workspace', name })}\n`);
        for await (const line of createInterface({ input: socket })) {
          const said = JSON.parse(line) as { event: string; room?: string; message?: string };
          if (said.room === undefined) throw new Error(said.message);
          return said.room;
        }
        throw new Error('the console was closed');
      } finally {
        socket.destroy();
      }
    },
    /**
     * Asks the bot to pair, has the phone take it up, and compares the emoji of both sides, as two people would.
     * @param o.answer what the operator says; by default yes where the emoji are the same
     */
    async pair(phone: Phone, o: { answer?: 'yes' | 'no' } = {}): Promise<Device> {
      const socket = connect(path);
      const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
      const say = (line: object) => void socket.write(`${JSON.stringify(line)}\n`);
      const next = async (): Promise<Line> => {
        const { value, done } = await lines.next();
        if (done) throw new Error('the console was closed');
        const line = JSON.parse(String(value)) as Line;
        if (line.event === 'error') throw new Error(line.message);
        return line;
      };
      try {
        say({ cmd: 'pair', user: phone.user });
        let shown = await next();
        while (shown.event === 'waiting') shown = await next();
        const verification = await phone.verification();
        const same = shown.emoji?.map((e) => e.symbol).join(' ') === verification.emoji.join(' ');
        const confirmed = verification.confirm();
        confirmed.catch(() => {}); // a refused one never ends well; the console says why
        say({ answer: o.answer ?? (same ? 'yes' : 'no') });
        const { event, ...device } = await next();
        await confirmed;
        if (event !== 'verified') throw new Error(`the console said ${event}`);
        return device as Device;
      } finally {
        socket.destroy();
      }
    },
  };
}
