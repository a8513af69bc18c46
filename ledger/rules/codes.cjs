// @ts-check
// The codes with which an entry is refused, a line each. Words for people are made from them where they are said.

const refusals = {
  action_id: "a request's id is not its action's",
  action_missing: 'it is part of an action, and names none',
  body_invalid: 'its body does not say what such an entry has to say',
  class: 'there is no action of that kind, or it names another risk class',
  clock: 'the request asks for more time, or less of a grace, than the policy gives',
  clock_back: "the ledger's clock stands before the latest moment that any entry states",
  command: 'this is not decided by the message that asks for it',
  count: 'it is not the next use of its lease',
  counted_already: 'an answer of this device, or this person, counts already',
  digest: 'it names another text than the one that was asked for',
  frozen: 'everything is frozen, or was since it was decided',
  grace: 'the seconds that the policy lets a decision wait are not over',
  grade: 'the answer proves less than what is asked for',
  last_owner: 'nobody would be left who is owner',
  late: 'its time is over',
  lease_over: 'the lease was ended, used up or ran out',
  lifecycle: 'it does not follow on what happened last',
  needs_approval: 'somebody is enrolled, so a policy takes an approved action',
  never: 'the policy lets nothing of that class run',
  no_action_here: 'it is no part of an action, and names one',
  no_lease: 'there never was such a lease',
  not_allowed: 'this author may not write such an entry',
  not_canonical: 'its body is not canonical JSON',
  not_covered: 'the lease was given for something else',
  not_enrolled: 'no device that is enrolled answered, or one whose user may not approve',
  not_frozen: 'nothing is frozen',
  not_pinned: 'no pin here holds that tool of that server as it is named',
  not_leased: 'the policy takes no leases for that class',
  not_owner: 'an owner has to be among those who approve it',
  own_request: 'who asked for it is not one of several people who approve it',
  policy: 'it is no policy',
  quorum: 'it takes more people, or more devices',
  reads: 'its card may not lease these reads',
  revoked: 'somebody who approved it may not any more',
  too_few: 'nobody here could change that policy again',
  workspace_known: 'there is such a workspace, or its room is that of another one',
  workspace_unknown: 'there is no such workspace',
};

/** Reasons in the bodies of entries that some part goes by. They stand in chains, so they are codes, whatever they read like. */
const reasons = /** @type {const} */ ({
  /** Of a denial: the chip that the card does not name was tapped. */
  decoy: 'the decoy was tapped',
  /** Of a denial, a kill, or the end of a plan or reads: a person stopped all that there was. */
  stopped: 'stopped',
  /** Of a plan that is taken back: its agent put another one in its place. */
  replaced: 'another plan takes its place',
  /** Of a call that was not made: its server is not what was pinned. */
  changed: 'changed since it was pinned; nothing was called',
  /** Of an alarm: a card was taken out of its room. */
  cardRemoved: 'card removed',
});

/** @typedef {keyof typeof refusals} Code */
/** @typedef {Code | ''} Refusal '' where nothing stands against it */

module.exports = { refusals, reasons };
