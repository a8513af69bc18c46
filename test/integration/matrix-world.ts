/** A real Synapse, a hostile homeserver before it, the bot's Matrix part, and its owner's phone. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { type Connection, openMatrix } from '../../bot/src/connect.ts';
import { openDatabase } from '../../bot/src/database.ts';
import type { Enrolled, EventId, Operator, RoomId, Taken, UserId } from '../../bot/src/types.ts';
import { type Account, type Homeserver, startHomeserver } from '../harness/homeserver.ts';
import { type Hostile, hostileHomeserver } from '../harness/hostile.ts';
import { until } from '../harness/wait.ts';
import { createPhone, type Phone } from '../phone/phone.ts';

export type World = {
  homeserver: Homeserver;
  hostile: Hostile;
  bot: Account;
  owner: Account;
  matrix: Connection;
  room: RoomId;
  phone: Phone;
  recoveryKey: string;
  /** Who may read and be heard: what the ledger would say. */
  enrolled: Enrolled[];
  taken: Taken[];
  troubles: string[];
  /** Waits until the bot has taken that event in. */
  took(event: string): Promise<Taken>;
  /** Another device of the owner's account, unsigned. */
  second(): Promise<Phone>;
  /** Compares the emoji on both sides and says yes. */
  pair(phone?: Phone): Promise<Enrolled>;
  stop(): Promise<void>;
};

const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });

/** Everything up to the owner having joined the room; nobody is paired. One per process: the key store is global. */
export async function startWorld(): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'matrix-'));
  const homeserver = await startHomeserver();
  const hostile = await hostileHomeserver(homeserver.url);
  const [bot, owner] = [await homeserver.register('bot'), await homeserver.register('owner')];
  const enrolled: Enrolled[] = [];
  const taken: Taken[] = [];
  const troubles: string[] = [];
  const matrix = await openMatrix({
    homeserver: hostile.url,
    serverName: homeserver.serverName,
    ...bot,
    stateDir: dir,
    db: openDatabase(':memory:'),
    deciding: openDatabase(':memory:'),
    log,
    recipients: () => enrolled,
    leak: (text) => (text.includes('a secret') ? 'it holds a secret' : ''),
  });
  await matrix.run({
    intake: async (t) => void taken.push(t),
    isDown: () => false,
    setAside: async () => {},
    onGap: async () => {},
    onTrouble: (_, why) => void troubles.push(why),
    onKeys: () => {},
  });
  const room = await matrix.createWorkspaceRoom({ name: 'main', invite: [owner.user as UserId] });
  const phone = await createPhone({ homeserver: homeserver.url, ...owner });
  await phone.until('the invitation', (p) => p.rooms().includes(room));
  const phones = [phone];
  const recoveryKey = await phone.setUpCrossSigning();
  return {
    homeserver,
    hostile,
    bot,
    owner,
    matrix,
    room,
    phone,
    recoveryKey,
    enrolled,
    taken,
    troubles,
    took: (event) => until(`${event} at the bot`, () => taken.find((t) => t.wire.event_id === event)),
    async second() {
      const second = await phone.secondLogin();
      phones.push(second);
      await second.until('the room', (p) => p.rooms().includes(room));
      return second;
    },
    async pair(which = phone) {
      return matrix.pair(room, owner.user as UserId, comparing(which));
    },
    async stop() {
      for (const each of phones) await each.close();
      await matrix.stop();
      await hostile.stop();
      await homeserver.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** An operator who compares with what that phone shows, and whose other hand taps on it. @param told what it waits for */
export const comparing = (phone: Phone, told: (what: string) => void = () => {}): Operator => ({
  waits: told,
  async compare(emoji) {
    const shown = await phone.verification();
    if (shown.emoji.join() !== emoji.map((e) => e.symbol).join()) return false;
    void shown.confirm().catch(() => {});
    return true;
  },
});

/** Text of the last event with that id on a phone, or why it can't be read. */
export const readOn = (phone: Phone, event: EventId, seconds = 20): Promise<string> =>
  phone.until(
    `${event} to be shown`,
    (p) => {
      const s = p.timeline().find((e) => e.id === event);
      if (s?.failed) return 'unreadable';
      return s?.type === 'm.room.encrypted' ? undefined : s && String(s.content['body']);
    },
    seconds,
  );
