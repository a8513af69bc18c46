/**
 * What an event from the room may do. This is the whole way from an event to a decision: read it top to bottom.
 * The homeserver is hostile: only what stands inside a ciphertext, or a secret that only a reader of one has, allows.
 */
import { atLeast } from '@pocketcoder/ledger/rules/identities.cjs';
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import { anEdit, violated } from '../proof/rules.ts';
import { oneLine } from '../show/visible.ts';
import { type Matrix, type RoomId, type Taken, takenAway, type UserId } from '../types.ts';
import { isBlank, isNo, isYes, plainEmoji, type Said, saidIn } from './said.ts';
import { type Sent, sentIn, unheardOf } from './sent.ts';
import type { Card, CardStore } from './store.ts';
import { looksSealed, typedCode } from './tokens.ts';
import type { Person } from './view.ts';

export type Evidence = {
  user: string;
  device?: string;
  event: string;
  form: 'chip' | 'poll' | 'code' | 'command' | 'reaction' | 'redaction';
  session?: string;
  index?: number;
};
export type Verdict =
  | { do: 'approve'; card: Card; grade: 'sealed' | 'signed'; evidence: Evidence }
  | { do: 'deny'; card: Card; evidence: Evidence; why: string }
  /** The 🛑: ends everything in this room's workspace. */
  | { do: 'stop'; room: string; evidence: Evidence }
  /** A secret that was issued but no longer counts: explain it below its own card, once. */
  | { do: 'explain'; card: Card; why: string }
  /** A sealed key that was never issued: somebody guesses. The card takes only signed answers from now on. */
  | { do: 'suspect'; card: Card; why: string }
  /** Something of an enrolled device's that does nothing: say why, once of each subject, below that event. */
  | { do: 'tell'; about: string; why: string; below: string }
  | Heard
  | { do: 'receive'; sent: Sent; from: Person; evidence: Evidence }
  | { do: 'ignore'; why: string };

/**
 * Text from an enrolled device: for the brain or a command. What it replies to and the quote above it are context, no evidence.
 * `evidence` with a command that may decide what it asks for; `yesTo` the open card that it looks like a yes to.
 */
export type Heard = {
  do: 'hear';
  text: string;
  from: Person;
  replyTo?: string;
  quote?: string;
  evidence?: Evidence;
  yesTo?: Card;
};

export type Gate = {
  matrix: Matrix;
  cards: CardStore;
  /** The enrolled devices of everybody who belongs in this room, with their roles, from the ledger. */
  people(room: string): readonly Person[];
  /** The action that is not over and that this event helped to approve: one of several answers. */
  answeredBy(event: string): string | undefined;
  /** Why nothing is approved in this room at present (somebody unexpected joined, its encryption changed), or ''. */
  trouble(room: string): string;
  /** The ledger's time in milliseconds, as near as the bot knows it. The ledger itself refuses what is late. */
  now(): number;
};

const ignore = (why: string): Verdict => ({ do: 'ignore', why });
const tell = ({ wire: { event_id } }: Taken, why: string): Verdict => ({
  ...{ do: 'tell', about: event_id, why, below: event_id },
});
/** Commands that are their own decision: they read, and name exactly what. */
const deciding = /^!(files|get|diff|export)(?!\S)/i;
/** Clients add a variation selector to some emoji. */
const bare = (key: string): string => key.replace(/\uFE0F/g, '');

type Relation = { rel_type?: unknown; event_id?: unknown; key?: unknown };
const relation = (content: Record<string, unknown>): Relation => (content['m.relates_to'] as Relation) ?? {};
const text = (v: unknown): string => (typeof v === 'string' ? v : '');

/** An event that fails the rules does nothing; who edits something with an enrolled device learns that. */
function failing(why: string, t: Taken): Verdict {
  if (why !== anEdit) return ignore(why);
  const edited = text(relation(t.content).event_id) || t.wire.event_id;
  return {
    do: 'tell',
    about: `edit of ${edited}`,
    why: '✏️ Edits are not heard. What counts is this message as you first sent it, and it may be under way already. Say it anew in a message of its own; !stop ends what runs.',
    below: edited,
  };
}

/** What approves this card instead of what looks like a yes. */
export function onlyThat({ number, form, dropped }: Card): string {
  const how = {
    chip: dropped
      ? `Answer by !poll ${number}`
      : 'Tap the chip below the card whose emoji the card names: it carries a key that only a reader of the card has',
    poll: 'Vote in its poll: the vote names this card',
    code: 'Send the code in the last line of its file',
    command: '',
  }[form];
  return `#${number} is not approved by that: anybody could have sent a plain reaction, and a plain yes names no card. ${how}.`;
}

/** Why a card takes no approval now, or ''. A no is never held against it: it counts until the claim. */
function shut(card: Card, gate: Gate): string {
  if (!card.open) return `#${card.number} is already decided`;
  if (gate.now() > card.decideBy) return `#${card.number} was open until its decide-by, which has passed`;
  return gate.trouble(card.room);
}

/** Whether the user's identity is still the one that was pinned when they were paired; a reset one approves nothing. */
async function isPinned(gate: Gate, room: RoomId, user: UserId): Promise<boolean> {
  const now = await gate.matrix.identityNow(user);
  if (!now?.verified || now.violation) return false;
  return gate.people(room).some((a) => a.user === user && a.master === now.master);
}

/**
 * A reaction: its one proof is a sealed key, and that only on the very card that names it. An encrypted one (MSC4392) with
 * that key is a signed answer where it passes the rules, and none where it fails them: a key from a device that could not have
 * read it is no yes of its owner's.
 */
async function reaction(t: Taken, gate: Gate, user: UserId): Promise<Verdict> {
  const { event_id, key } = relation(t.content);
  const chosen = bare(text(key));
  const evidence: Evidence = { user, event: t.wire.event_id, form: 'chip' };
  const target = gate.cards.byEvent(text(event_id));
  const issued = gate.cards.issued(chosen);
  if (issued?.by === 'chip') {
    const card = gate.cards.get(issued.action);
    if (!card) return ignore('key of a card that is gone');
    if (card.room !== t.room) return ignore('key of another room');
    if (target?.action !== card.action)
      return { do: 'explain', card, why: 'that chip belongs to another card' };
    if (issued.means === 'deny') return { do: 'deny', card, evidence, why: 'the decoy was tapped' };
    const late = shut(card, gate);
    if (late) return { do: 'explain', card, why: late };
    if (t.encrypted) {
      const why = await unproven(t, gate);
      return why ? failing(why, t) : { do: 'approve', card, grade: 'signed', evidence: signedBy(t, 'chip') };
    }
    if (card.dropped)
      return { do: 'explain', card, why: `taps no longer count here: answer by !poll ${card.number}` };
    if (!(await isPinned(gate, t.room, user)))
      return {
        do: 'explain',
        card,
        why: `the identity of ${user} is not the one that was paired: pair again`,
      };
    return { do: 'approve', card, grade: 'sealed', evidence };
  }
  if (chosen === '🛑') return { do: 'stop', room: t.room, evidence: { ...evidence, form: 'reaction' } };
  if (!target || target.room !== t.room) return ignore('a reaction to no card');
  if (isNo(chosen))
    return {
      do: 'deny',
      card: target,
      evidence: { ...evidence, form: 'reaction' },
      why: `${oneLine(chosen, 20)} on the card`,
    };
  if (looksSealed(chosen)) return { do: 'suspect', card: target, why: 'a key that was never issued' };
  const named = plainEmoji(chosen) === target.key.split(' ')[0];
  if (target.open && (isYes(chosen) || named)) return { do: 'explain', card: target, why: onlyThat(target) };
  return ignore('a plain reaction allows nothing');
}

/** The card that a redaction takes out of its room, whoever sent it: the bot never removes one. */
export const removedBy = (t: Taken, cards: CardStore): Card | undefined => {
  const card = t.type === 'm.room.redaction' ? cards.byEvent(takenAway(t)) : undefined;
  return card?.room === t.room ? card : undefined;
};

/** Removing the tap that approved, or the card itself. Redactions are never encrypted, so they can only deny. */
function redaction(t: Taken, gate: Gate, user: UserId): Verdict {
  const gone = takenAway(t);
  const evidence: Evidence = { user, event: t.wire.event_id, form: 'redaction' };
  const taken = gate.cards.byApproval(gone) ?? gate.cards.get(gate.answeredBy(gone) ?? '');
  if (taken) return { do: 'deny', card: taken, evidence, why: 'the approval was taken back' };
  const card = gate.cards.byEvent(gone);
  return card
    ? { do: 'deny', card, evidence, why: 'the card was removed' }
    : ignore('a redaction of no card');
}

/** The full rules, on keys that the homeserver was made to state again just now. */
async function unproven(t: Taken, gate: Gate): Promise<string | undefined> {
  try {
    await gate.matrix.forceQuery(t.wire.sender);
  } catch (error) {
    return `the homeserver gave no keys for ${t.wire.sender}: ${messageOf(error)}`;
  }
  return violated(t, gate.people(t.room), gate.matrix);
}

const signedBy = (t: Taken, form: 'chip' | 'poll' | 'code' | 'command'): Evidence => ({
  user: t.wire.sender,
  device: t.evidence?.device,
  event: t.wire.event_id,
  form,
  session: t.evidence?.session,
  index: t.evidence?.index,
});

/** A vote: the answer id inside the ciphertext names the action, whatever the relation outside says. */
async function vote(t: Taken, gate: Gate): Promise<Verdict> {
  const response = t.content['org.matrix.msc3381.poll.response'] as { answers?: unknown } | undefined;
  const answers = response?.answers;
  const [first, second] = Array.isArray(answers) ? answers : [];
  const issued = gate.cards.issued(text(first));
  const card = issued?.by === 'poll' ? gate.cards.get(issued.action) : undefined;
  if (!issued || !card || card.room !== t.room) return ignore('a vote for nothing that was asked');
  if (second !== undefined)
    return { do: 'explain', card, why: `#${card.number} takes one answer: vote for one of the two` };
  const evidence = signedBy(t, 'poll');
  if (issued.means === 'deny') return { do: 'deny', card, evidence, why: 'voted against' };
  const late = shut(card, gate);
  if (late) return { do: 'explain', card, why: late };
  const why = await unproven(t, gate);
  return why ? failing(why, t) : { do: 'approve', card, grade: 'signed', evidence };
}

/** A code with a wrong letter in it holds most of a right one, so nobody is told it, where one was given out and waits. */
const looksTyped = (body: string, room: string, gate: Gate): boolean =>
  /\p{Nd}/u.test(body) && gate.cards.open().some((c) => c.room === room && c.form === 'code');

/** Words that pass the rules and are no code: a no to the card they reply to, or for the brain and the commands. */
function heard(t: Taken, gate: Gate, from: Person, said: Said, evidence: Evidence | undefined): Verdict {
  const { text: words, replyTo, quote } = said;
  if (isBlank(words)) return ignore('nothing in it');
  const open = gate.cards.open().filter((c) => c.room === t.room);
  // Where a card stands in the room the homeserver says; a no costs nothing, and a yes only brings one line.
  const card = replyTo ? open.find((c) => c.action === gate.cards.byEvent(replyTo)?.action) : open.at(-1);
  const answers = card && atLeast(from.role, 'approves') ? card : undefined;
  if (answers && replyTo && isNo(words))
    return {
      do: 'deny',
      card: answers,
      evidence: { user: from.user, event: t.wire.event_id, form: 'reaction' },
      why: 'a no in reply to the card',
    };
  const yes = answers && (isYes(words) || plainEmoji(words) === answers.key.split(' ')[0]);
  return {
    ...{ do: 'hear', text: words, from },
    ...(replyTo && { replyTo }),
    ...(quote && { quote }),
    ...(evidence && { evidence }),
    ...(yes && { yesTo: answers }),
  };
}

/** A typed code is the whole message. Anything else that is said, or sent, goes on to the brain or the commands. */
async function said(t: Taken, gate: Gate, from: Person): Promise<Verdict> {
  const words = saidIn(t.content);
  const typed = typedCode(words.text);
  const issued = typed ? gate.cards.issued(typed) : undefined;
  const card = issued?.by === 'code' ? gate.cards.get(issued.action) : undefined;
  if (card && card.room !== t.room) return ignore('code of another room');
  const kind = text(t.content['msgtype']);
  const sent = sentIn(t.content);
  const decides = card || deciding.test(words.text) || sent;
  const why = decides ? await unproven(t, gate) : await violated(t, gate.people(t.room), gate.matrix);
  if (why) return failing(why, t);
  const evidence = signedBy(t, 'command');
  if (typeof sent === 'string') return tell(t, sent);
  if (sent) return { do: 'receive', sent, from, evidence };
  if (kind !== 'm.text') return ignore(`a message of kind ${kind}`);
  if (!card) {
    if (!typed || !looksTyped(words.text, t.room, gate))
      return heard(t, gate, from, words, decides ? evidence : undefined);
    const nobody = 'That is no card’s code, so it approved nothing, and the agent was not told it';
    return tell(t, `${nobody}: read the code again.`);
  }
  if (!atLeast(from.role, 'approves')) return ignore(`${from.user} may not decide`);
  const late = shut(card, gate);
  return late
    ? { do: 'explain', card, why: late }
    : { do: 'approve', card, grade: 'signed', evidence: signedBy(t, 'code') };
}

/** Judges one event. Never throws for anything that an event can contain. */
export async function judge(t: Taken, gate: Gate): Promise<Verdict> {
  if (t.wire.sender === gate.matrix.user) return ignore('own event');
  if (t.wire.state_key !== undefined) return ignore('state');
  if (gate.cards.byApproval(t.wire.event_id)) return ignore('it approved already'); // taken again after a crash
  const from = gate.people(t.room).find((a) => a.user === t.wire.sender);
  if (!from) return ignore('not from anybody enrolled');
  if (!atLeast(from.role, 'asks')) return ignore(`${from.user} may only read`);
  const { user } = from;
  if (!atLeast(from.role, 'approves') && t.type !== 'm.room.message') return ignore(`${user} may not decide`);
  if (t.type === 'm.reaction') return reaction(t, gate, user);
  if (t.type === 'm.room.redaction') return redaction(t, gate, user);
  if (!t.encrypted || t.failed) return ignore(t.failed ?? 'not encrypted');
  if (t.type === 'org.matrix.msc3381.poll.response') return vote(t, gate);
  if (t.type === 'm.room.message') return said(t, gate, from);
  const unheard = unheardOf(t.type);
  if (unheard) {
    const why = await violated(t, gate.people(t.room), gate.matrix);
    return why ? ignore(why) : tell(t, unheard);
  }
  return ignore(`an event of type ${t.type}`);
}
