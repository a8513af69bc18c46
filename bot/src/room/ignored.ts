/** What is said about events that were not heard: once a kind and device, so that nobody with a token can fill the room. */
import { replayed } from '../proof/rules.ts';
import { oneLine } from '../show/visible.ts';
import type { Taken } from '../types.ts';

type Kind = 'unpaired' | 'clear' | 'late' | 'unreadable' | 'forged' | 'replayed' | 'no_keys';
/** `below`: said as a reply to the event itself. */
export type Ignored = { kind: Kind; device: string; said: string; below: boolean };

const stranger =
  'If that was not you, somebody has your password: change it, and sign out in Element what you do not know.';
const said: Record<Kind, (device: string) => string> = {
  unpaired: (device) =>
    `a message from a device of yours that is not paired${device && ` (${device})`}. Only paired devices are heard and can read this. If it is yours, run ./pocketcoder pair at the console and accept on that device. ${stranger}`,
  clear: () => `a message in your name that was not encrypted. Element never sends one here. ${stranger}`,
  late: () =>
    'This could not be read, because its key has not come here. If it comes within six hours, this is heard then: remove it before you send it again. Open Element on the device that wrote it, so that it can send the key; if that device is not paired, run ./pocketcoder pair at the console first.',
  unreadable: () =>
    'This could not be decrypted. Nothing was done. If you just wrote it, send it again; from a device that is not paired, run ./pocketcoder pair at the console first.',
  forged: () =>
    `a message in your name that your paired device did not make. Nothing was done. ${stranger} If you wrote it, send it again.`,
  replayed: () =>
    'an old message of yours that the homeserver served as a new one. Nothing was done; send again what you still want.',
  no_keys: () =>
    'an answer of yours, because the homeserver would not state the keys of your devices. Nothing was run. Answer again.',
};

/** By the number of the rule that it failed (proof/rules.ts). A changed identity has an alarm of its own. */
const failed: Readonly<Record<string, Kind>> = {
  '1:': 'forged',
  '2:': 'forged',
  '3:': 'unpaired',
  '5:': 'forged',
  '9:': 'no_keys',
};

function kindOf(t: Taken, why: string): Kind | undefined {
  if (!t.encrypted)
    return ['m.room.message', 'org.matrix.msc3381.poll.response'].includes(t.type) ? 'clear' : undefined;
  if (t.failed) {
    if (/^Un(signed|known)SenderDevice/.test(t.failed)) return 'unpaired';
    if (t.failed.startsWith('MissingRoomKey')) return 'late';
    return /^(Mismatched|SenderIdentity)/.test(t.failed) ? 'forged' : 'unreadable';
  }
  return why === replayed ? 'replayed' : failed[why.slice(0, 2)];
}

/** Milliseconds until the same is told again, and how many different ones are told in that time; of room keys as many again. */
export const quiet = { time: 86_400_000, most: 10 };

/**
 * Whether an ignored event of an approver's account is worth an alarm.
 * @returns a function of the event and why it was ignored; undefined for what is usual or was told of lately. `told` is
 * to be called once it was
 */
export function noticer(now: () => number = Date.now) {
  const lately = new Map<string, { at: number; below: boolean }>();
  return (t: Taken, why: string): (Ignored & { told(): void }) | undefined => {
    const kind = kindOf(t, why);
    if (!kind) return undefined;
    // Told of each room key, and counted apart: anybody can name any key, and must not use up what the others are told in.
    const below = kind === 'late' || kind === 'unreadable';
    // Only what decryption proved: anybody can put any device id beside a ciphertext.
    const device = oneLine((kind === 'unpaired' && t.evidence?.device) || '', 40);
    const key = `${kind} ${below ? oneLine(String(t.wire.content['session_id']), 60) : device}`;
    for (const [k, { at }] of lately) if (at + quiet.time <= now()) lately.delete(k);
    const alike = [...lately.values()].filter((told) => told.below === below);
    if (lately.has(key) || alike.length >= quiet.most) return undefined;
    const words = said[kind](device);
    const text = below ? `⚠️ ${words}` : `⚠️ Ignored: ${words} (Told once a day.)`;
    return { kind, device, below, said: text, told: () => void lately.set(key, { at: now(), below }) };
  };
}
