/**
 * Every rule on who made an event, by its number in docs/approvals.md: `violated` for one that is signed, `unsealed` for a
 * sealed tap. What the answer itself has to say, 7 and 8, is judged by `approval/gatekeeper.ts`.
 */
import type { DeviceNow, Enrolled, Evidence, IdentityNow, Matrix, Taken, UserId } from '../types.ts';
import { relationOf } from '../types.ts';

/** What the crypto library and the bot's own memory say at this moment; and the homeserver made to state the keys anew. */
type Known = Pick<Matrix, 'deviceNow' | 'identityNow' | 'replay'>;
export type Proof = Known & Pick<Matrix, 'forceQuery'>;

/** The first rule that fails: its number and words for the log. Undefined where all hold. */
type Fault = string | undefined;

/** The library caches this warning per room key; rules 3 and 4 ask for the truth of now. */
const stale = 'UnverifiedIdentity';

/** The last rule, failed alone: all that shows who made the event holds. */
export const anEdit = '6: an edit';
/** What it came out of was seen before, in another event. */
export const replayed = '6: seen before under another event id';

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

const sameIdentity = (a: Enrolled, now: IdentityNow | undefined): boolean =>
  now?.verified === true && !now.violation && now.master === a.master;

function edits({ content }: Taken): boolean {
  return relationOf({ content })['rel_type'] === 'm.replace' || 'm.new_content' in content;
}

/**
 * Judges one event by the evidence of its decryption and the crypto state of now.
 * @param approvers the enrolled devices of this room's approvers, from the ledger
 */
export async function violated(t: Taken, approvers: readonly Enrolled[], proof: Known): Promise<Fault> {
  const e = t.evidence;
  if (!t.encrypted) return '1: not encrypted';
  if (t.failed !== undefined || !e) return `1: not decrypted: ${t.failed ?? 'no evidence'}`;
  if (e.forwarder !== undefined) return '1: its key was forwarded';

  if (e.shield !== undefined && e.shield !== stale) return `2: ${e.shield}`;

  const enrolled = enrolledAs(approvers, e);
  if (!enrolled) return `3: device ${e.device ?? '(none)'} is not enrolled with these keys`;
  const device = await proof.deviceNow(enrolled.user, enrolled.device);
  if (!device || !sameDevice(enrolled, device)) return `3: device ${enrolled.device} is not in order now`;

  const identity = await proof.identityNow(enrolled.user);
  if (!sameIdentity(enrolled, identity)) return `4: the identity of ${enrolled.user} is not the pinned one`;

  if (t.wire.sender !== enrolled.user) return `5: sent as ${t.wire.sender}, encrypted by ${enrolled.user}`;

  if (!proof.replay(t.room, e.session, e.index, t.wire.event_id)) return replayed;
  if (edits(t)) return anEdit;
  return undefined;
}

/** Before a decision, the same on keys that the homeserver was made to state again just now (9). */
export async function unproven(t: Taken, approvers: readonly Enrolled[], proof: Proof): Promise<Fault> {
  try {
    await proof.forceQuery(t.wire.sender);
  } catch (error) {
    return `9: the homeserver gave no keys for ${t.wire.sender}: ${error}`;
  }
  return violated(t, approvers, proof);
}

/**
 * The same of a sealed tap, which is a plain event. Its key stands for 1, 2 and 3: it left the bot in a ciphertext for enrolled
 * devices alone, so it comes from one of those, or from who reads what they read. It counts once, which stands for 6. Of 5
 * nothing is left: who tapped is what the homeserver says.
 */
export async function unsealed(user: UserId, approvers: readonly Enrolled[], proof: Known): Promise<Fault> {
  const identity = await proof.identityNow(user);
  const pinned = approvers.some((a) => a.user === user && sameIdentity(a, identity));
  return pinned ? undefined : `4: the identity of ${user} is not the pinned one`;
}
