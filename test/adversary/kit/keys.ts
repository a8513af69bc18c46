/** What a homeserver can say about keys: devices of its own making, other keys for a known one, or nothing. */
import type { Exchange, Hostile } from '../../harness/hostile.ts';
import type { Directory, KeysAnswer, Who } from '../small/directory.ts';

const isQuery = (e: Exchange): boolean => /\/keys\/query(\?|$)/.test(e.path) && e.status === 200;
const isClaim = (e: Exchange): boolean => /\/keys\/claim(\?|$)/.test(e.path) && e.status === 200;

/** Rewrites every answer to a question for keys, until taken back. */
export const tamperKeys = (hostile: Hostile, tamper: (answer: KeysAnswer) => void): (() => void) =>
  hostile.onAnswer((e) => {
    if (isQuery(e)) tamper(e.response as KeysAnswer);
  });

/** Says that this user's keys changed, so that whoever follows them asks. */
export const announceKeys = (hostile: Hostile, user: string): Promise<void> =>
  hostile.push((sync) => {
    sync.device_lists = { ...sync.device_lists, changed: [...(sync.device_lists?.changed ?? []), user] };
  });

/**
 * From now on the user has this device too, or in the place of the one with its id: a whole one, signed by itself, whose
 * one-time keys the server hands out. It lives in a directory that only this server knows.
 */
export function injectDevice(hostile: Hostile, directory: Directory, who: Who): () => void {
  const asked = (path: string, body: object) => directory.request(who, path, body);
  return hostile.onAnswer((e) => {
    if (isQuery(e)) {
      const { device_keys } = asked('/keys/query', { device_keys: { [who.user]: [] } }) as KeysAnswer;
      const told = (e.response as KeysAnswer).device_keys[who.user];
      const made = device_keys[who.user]?.[who.device];
      if (told && made) told[who.device] = made;
    }
    const wanted = (e.request as { one_time_keys?: Record<string, Record<string, string>> })?.one_time_keys;
    if (isClaim(e) && wanted?.[who.user]?.[who.device]) {
      const one_time_keys = { [who.user]: { [who.device]: 'signed_curve25519' } };
      const mine = asked('/keys/claim', { one_time_keys }) as { one_time_keys: Record<string, object> };
      const all = (e.response as { one_time_keys: Record<string, object> }).one_time_keys;
      all[who.user] = { ...all[who.user], ...mine.one_time_keys[who.user] };
    }
  });
}

/** The server does not answer for anybody's keys. */
export const withholdKeys = (hostile: Hostile): (() => void) =>
  hostile.onAnswer((e) => {
    if (isQuery(e)) e.response = { device_keys: {}, failures: {} };
  });

/** The events that the bot, or the phone, sends to this device, as they pass; withheld notices are not among them. */
export function sentTo(hostile: Hostile, { user, device }: Who): { events: unknown[]; end(): void } {
  const events: unknown[] = [];
  const end = hostile.onAnswer((e) => {
    if (e.method !== 'PUT' || !e.path.includes('/sendToDevice/m.room.encrypted/')) return;
    const { messages } = e.request as { messages: Record<string, Record<string, unknown>> };
    if (messages[user]?.[device]) events.push(messages[user][device]);
  });
  return { events, end };
}
