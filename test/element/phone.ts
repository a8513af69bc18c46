/** The phone with Element X's engine, as a test holds it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../harness/wait.ts';
import { startProgram } from './program.ts';
import { roomOf } from './room.ts';
import type { Listed, Notified, Phone, Told, Who } from './types.ts';

export type Options = {
  homeserver: string;
  user: string;
  password: string;
  /** The setting "threads", off as in the app. */
  threads?: boolean;
  /** The app's data. A session in it is taken up again; without it, a fresh one. */
  store?: string;
};

/** Signs in, or starts the app again where `store` has a session. */
export async function openPhone(path: string, o: Options): Promise<Phone> {
  const { homeserver, user, password, threads = false } = o;
  const store = o.store ?? mkdtempSync(join(tmpdir(), 'pocketcoder-element-'));
  const { told, command, end } = startProgram(path);
  const options = { homeserver, user, password, store, threads };
  const who = await command<Who>('sign_in', options).catch(async (error: unknown) => {
    await end();
    throw error;
  });

  const taken = new Set<Told>();
  const phone: Phone = {
    ...who,
    told,
    take<E extends Told['event']>(event: E): Extract<Told, { event: E }> | undefined {
      const next = told.find((one) => one.event === event && !taken.has(one));
      if (next) taken.add(next);
      return next as Extract<Told, { event: E }> | undefined;
    },
    setUpRecovery: () => command<string>('set_up_recovery'),
    async recover(key) {
      await command('recover', key);
      await until('the identity to sign this phone', phone.isVerified, { every: 100 });
    },
    isVerified: () => command<boolean>('is_verified'),
    offline: () => command<null>('offline'),
    online: () => command<null>('online'),
    rooms: () => command<Listed[]>('rooms'),
    async join(room: string): Promise<void> {
      const invited = async () => (await phone.rooms()).some((one) => one.room === room);
      await until('the invitation', invited, { every: 100 });
      await command('join', room);
    },
    async open(room, thread) {
      const place = { room, thread };
      await until('the room to be there', () => command('in', [place, { do: 'open' }]).then(() => true), {
        every: 100,
      });
      return roomOf(command, place);
    },
    newRoomKey: (room: string) => command<null>('new_room_key', room),
    accept: ({ user, flow }) => command<null>('accept_verification', [user, flow]),
    confirm: () => command<null>('confirm'),
    refuse: () => command<null>('refuse'),
    notification: (room: string, event: string) => command<Notified>('notification', [room, event]),
    async restart(settings) {
      if (settings && settings.threads !== threads) await command('clear_caches');
      await end();
      return openPhone(path, { ...o, store, ...settings });
    },
    async destroy(): Promise<void> {
      await end();
      rmSync(store, { recursive: true, force: true });
    },
  };
  return phone;
}
