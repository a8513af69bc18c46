/**
 * What an event from the room may do. This is the whole way from an event to a decision: read it top to bottom.
 * The homeserver is hostile: only what stands inside a ciphertext, or a secret that only a reader of one has, allows.
 */

import { atLeast } from '@pocketcoder/ledger/src/identities.cjs';
import { violated } from '../matrix/rules.ts';
import type { Matrix, RoomId, Taken, UserId } from '../matrix/types.ts';
import type { Person } from './book.ts';
import { type Sent, sentIn, unheardOf } from './sent.ts';
import type { Card, CardStore } from './store.ts';
import { looksSealed } from './tokens.ts';

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
  /** Text from an enrolled device: for the brain or a command. `evidence` with a command that may decide what it asks for. */
  | { do: 'hear'; text: string; from: Person; evidence?: Evidence }
  /** Something of an enrolled device's that does nothing: say why, once of each subject, below that event. */
  | { do: 'tell'; about: string; why: string; below: string }
  | { do: 'receive'; sent: Sent; from: Person; evidence: Evidence }
  | { do: 'ignore'; why: string };

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
const denials = ['❌', '👎', '⛔'];
/** Clients add a variation selector to some emoji. */
const bare = (key: string): string => key.replace(/\uFE0F/g, '');

type Relation = { rel_type?: unknown; event_id?: unknown; key?: unknown };
const relation = (content: Record<string, unknown>): Relation => (content['m.relates_to'] as Relation) ?? {};
const text = (v: unknown): string => (typeof v === 'string' ? v : '');

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

/** A reaction, encrypted or not: its one proof is a sealed key, and that only on the very card that names it. */
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
    if (card.dropped)
      return { do: 'explain', card, why: 'taps no longer count here: answer by !poll or !code' };
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
  if (denials.includes(chosen))
    return {
      do: 'deny',
      card: target,
      evidence: { ...evidence, form: 'reaction' },
      why: `${chosen} on the card`,
    };
  if (looksSealed(chosen)) return { do: 'suspect', card: target, why: 'a key that was never issued' };
  return ignore('a plain reaction allows nothing');
}

/** The event that a redaction takes away; rooms of older versions say it outside the content. */
const takenAway = (t: Taken): string =>
  text(t.content['redacts']) || text((t.wire as { redacts?: unknown }).redacts);

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
    return `the homeserver gave no keys for ${t.wire.sender}: ${error instanceof Error ? error.message : error}`;
  }
  return violated(t, gate.people(t.room), gate.matrix);
}

const signedBy = (t: Taken, form: 'poll' | 'code' | 'command'): Evidence => ({
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
  if (!Array.isArray(answers) || answers.length !== 1) return ignore('a vote without exactly one answer');
  const issued = gate.cards.issued(text(answers[0]));
  const card = issued?.by === 'poll' ? gate.cards.get(issued.action) : undefined;
  if (!issued || !card || card.room !== t.room) return ignore('a vote for nothing that was asked');
  const evidence = signedBy(t, 'poll');
  if (issued.means === 'deny') return { do: 'deny', card, evidence, why: 'voted against' };
  const late = shut(card, gate);
  if (late) return { do: 'explain', card, why: late };
  const why = await unproven(t, gate);
  return why ? ignore(why) : { do: 'approve', card, grade: 'signed', evidence };
}

/** A typed code is the whole message. Anything else that is said, or sent, goes on to the brain or the commands. */
async function said(t: Taken, gate: Gate, from: Person): Promise<Verdict> {
  const body = text(t.content['body']);
  const [, code = '', word = ''] = /^([0-9A-Z]{4}-[0-9A-Z]{4})(?: +(\S+))?$/i.exec(body.trim()) ?? [];
  const issued = code ? gate.cards.issued(code.toUpperCase()) : undefined;
  const card = issued?.by === 'code' ? gate.cards.get(issued.action) : undefined;
  if (card && card.room !== t.room) return ignore('code of another room');
  const kind = text(t.content['msgtype']);
  const sent = sentIn(t.content);
  const decides = card || deciding.test(body) || sent;
  const why = decides ? await unproven(t, gate) : await violated(t, gate.people(t.room), gate.matrix);
  if (why) return ignore(why);
  const evidence = signedBy(t, 'command');
  if (typeof sent === 'string') return tell(t, sent);
  if (sent) return { do: 'receive', sent, from, evidence };
  if (kind !== 'm.text') return ignore(`a message of kind ${kind}`);
  if (!card) return { do: 'hear', text: body, from, ...(decides && { evidence }) };
  if (!atLeast(from.role, 'approves')) return ignore(`${from.user} may not decide`);
  if (word !== card.word)
    return {
      do: 'explain',
      card,
      why: `#${card.number} takes its code${card.word && ' and the word it asks for'}, nothing else`,
    };
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
