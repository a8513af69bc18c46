/** The six rules that every event must pass before it may do more than deny or stop. */
import type { DeviceNow, Enrolled, Evidence, IdentityNow, Matrix, Taken } from '../types.ts';

/** The library caches this warning per room key; rules 3 and 4 ask for the truth of now. */
const stale = 'UnverifiedIdentity';

/** The last rule, failed alone: all that shows who made the event holds. */
export const anEdit = '6: an edit';

const enrolledAs = (approvers: readonly Enrolled[], e: Evidence): Enrolled | undefined =>
  approvers.find(
    (a) =>
      a.user === e.sender &&
      a.device === e.device &&
      a.ed25519 === e.claimedEd25519 &&
      a.curve25519 === e.curve25519,
  );

const sameDevice = (a: Enrolled, now: DeviceNow): boolean =>
  now.ed25519 === a.ed25519 &&
  now.curve25519 === a.curve25519 &&
  now.crossSigned &&
  !now.blacklisted &&
  !now.dehydrated;

const sameIdentity = (a: Enrolled, now: IdentityNow): boolean =>
  now.verified && !now.violation && now.master === a.master;

function edits(t: Taken): boolean {
  const relation = t.content['m.relates_to'];
  const replaces =
    typeof relation === 'object' &&
    relation !== null &&
    'rel_type' in relation &&
    relation.rel_type === 'm.replace';
  return replaces || 'm.new_content' in t.content;
}

/**
 * Judges one event by the evidence of its decryption and the crypto state of now.
 * @param approvers the enrolled devices of this room's approvers, from the ledger
 * @returns undefined where all six hold, else the first that fails: its number and words for the log
 */
export async function violated(
  t: Taken,
  approvers: readonly Enrolled[],
  m: Pick<Matrix, 'deviceNow' | 'identityNow' | 'replay'>,
): Promise<string | undefined> {
  const e = t.evidence;
  if (!t.encrypted) return '1: not encrypted';
  if (t.failed !== undefined || !e) return `1: not decrypted: ${t.failed ?? 'no evidence'}`;
  if (e.forwarder !== undefined) return '1: its key was forwarded';

  if (e.shield !== undefined && e.shield !== stale) return `2: ${e.shield}`;

  const enrolled = enrolledAs(approvers, e);
  if (!enrolled) return `3: device ${e.device ?? '(none)'} is not enrolled with these keys`;
  const device = await m.deviceNow(enrolled.user, enrolled.device);
  if (!device || !sameDevice(enrolled, device)) return `3: device ${enrolled.device} is not in order now`;

  const identity = await m.identityNow(enrolled.user);
  if (!identity || !sameIdentity(enrolled, identity))
    return `4: the identity of ${enrolled.user} is not the pinned one`;

  if (t.wire.sender !== enrolled.user) return `5: sent as ${t.wire.sender}, encrypted by ${enrolled.user}`;

  if (!m.replay(t.room, e.session, e.index, t.wire.event_id)) return '6: seen before under another event id';
  if (edits(t)) return anEdit;
  return undefined;
}
