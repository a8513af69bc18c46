/**
 * What an event from the room may do: read it top to bottom, `judge` is last. The homeserver is hostile: only what stands
 * inside a ciphertext, or a secret that only a reader of one has, allows. What allows nothing is in `plain.ts`.
 */
import { atLeast } from '@pocketcoder/ledger/rules/identities.cjs';
import { unproven, unsealed, violated } from '../proof/rules.ts';
import { isObject, relationOf, type Taken, textOf } from '../types.ts';
import { messageIn } from './message.ts';
import { decoy, deny, explain, failing, ignore, plainReaction, redaction, tell, words } from './plain.ts';
import { unheardOf } from './sent.ts';
import type { Card, Issued } from './store.ts';
import type { Evidence, Gate, Verdict } from './verdict.ts';
import type { Person } from './view.ts';
import { questionOver } from './words.ts';

const response = 'org.matrix.msc3381.poll.response';
/** What may be no more than words, which whoever asks may say. */
const says = ['m.room.message', response];

const signedBy = ({ wire, evidence }: Taken, form: Evidence['form']): Evidence => ({
  ...{ user: wire.sender, event: wire.event_id, form },
  ...{ device: evidence?.device, session: evidence?.session, index: evidence?.index },
});

/** Rule 8. Why a card takes no approval now, or ''. A no is never held against it: it counts until the claim. */
function shut(card: Card, gate: Gate): string {
  if (!card.open) return `#${card.number} is already decided`;
  if (gate.now() > card.decideBy) return `#${card.number} was open until its decide-by, which has passed`;
  return gate.trouble(card.room);
}

/** A yes to that card, which the ciphertext named (7): rules 9 and 1 to 6, then 8. */
async function signed(t: Taken, gate: Gate, card: Card, form: 'chip' | 'poll' | 'code'): Promise<Verdict> {
  const why = await unproven(t, gate.people(t.room), gate.matrix);
  if (why) return failing(why, t);
  const late = shut(card, gate);
  return late ? explain(card, late) : { do: 'approve', card, grade: 'signed', evidence: signedBy(t, form) };
}

/** The same in the clear, which proves less: rule 8, then what is left of 1 to 6. */
async function sealed({ room, wire }: Taken, gate: Gate, card: Card): Promise<Verdict> {
  const late = shut(card, gate);
  if (late) return explain(card, late);
  if (card.dropped) return explain(card, `taps no longer count here: answer by !poll ${card.number}`);
  const { sender: user, event_id: event } = wire;
  const why = await unsealed(user, gate.people(room), gate.matrix);
  if (why) return explain(card, `the identity of ${user} is not the one that was paired: pair again`);
  return { do: 'approve', card, grade: 'sealed', evidence: { user, event, form: 'chip' } };
}

/**
 * A tap with the key of a chip counts on the card that was sent with it, and on no other (7). An encrypted one (MSC4392) is a
 * signed answer, and none where it fails the rules: a key from a device that could not have read it is no yes of its owner's.
 */
async function chip(t: Taken, gate: Gate, issued: Issued, target: Card | undefined): Promise<Verdict> {
  const card = gate.cards.get(issued.action);
  if (card?.room !== t.room) return ignore('a key of no card in this room');
  if (target?.action !== card.action) return explain(card, 'that chip belongs to another card');
  if (issued.means === 'deny') return decoy(card, t);
  return t.encrypted ? signed(t, gate, card, 'chip') : sealed(t, gate, card);
}

async function reaction(t: Taken, gate: Gate): Promise<Verdict> {
  const { event_id, key } = relationOf(t);
  const chosen = textOf(key).replace(/\uFE0F/g, ''); // clients add a variation selector to some emoji
  const target = gate.cards.byEvent(textOf(event_id));
  const issued = gate.cards.issued(chosen);
  return issued?.by === 'chip' ? chip(t, gate, issued, target) : plainReaction(t, chosen, target);
}

/** A vote on what an agent asked says one of its options, by the rules for words. It can name no card: it has no card's answer id. */
async function choice(t: Taken, gate: Gate, from: Person, answer: string): Promise<Verdict> {
  const option = gate.option(answer);
  if (option?.room !== t.room) return ignore('a vote for nothing that was asked');
  const why = await violated(t, gate.people(t.room), gate.matrix);
  if (why) return failing(why, t);
  return option.open ? { do: 'choose', option, from } : tell(t, questionOver);
}

/** A vote: the answer id inside the ciphertext names the action (7), whatever the relation outside says. */
async function vote(t: Taken, gate: Gate, from: Person): Promise<Verdict> {
  const voted = t.content[response];
  const answers = isObject(voted) ? voted['answers'] : undefined;
  const [first, second] = Array.isArray(answers) ? answers : [];
  const issued = gate.cards.issued(textOf(first));
  const card = issued?.by === 'poll' ? gate.cards.get(issued.action) : undefined;
  if (!card) return choice(t, gate, from, textOf(first));
  if (card.room !== t.room) return ignore('a vote for nothing that was asked');
  if (!atLeast(from.role, 'approves')) return ignore(`${from.user} may not decide`);
  if (second !== undefined) return explain(card, `#${card.number} takes one answer: vote for one of the two`);
  if (issued?.means === 'deny') return deny(card, t, 'poll', 'voted against');
  return signed(t, gate, card, 'poll');
}

/** A typed code is the whole message (7). A command or a file may decide what it names; all else goes on as words. */
async function message(t: Taken, gate: Gate, from: Person): Promise<Verdict> {
  const { kind, text, context, code, act, sent } = messageIn(t.content);
  const issued = gate.cards.issued(code);
  const card = issued?.by === 'code' ? gate.cards.get(issued.action) : undefined;
  if (card && card.room !== t.room) return ignore('code of another room');
  if (card && !atLeast(from.role, 'approves')) return ignore(`${from.user} may not decide`);
  if (card) return signed(t, gate, card, 'code');
  const rules = act || sent ? unproven : violated;
  const why = await rules(t, gate.people(t.room), gate.matrix);
  if (why) return failing(why, t);
  const evidence = signedBy(t, 'command');
  if (act) return { do: 'ask', command: { act, evidence }, from };
  if (typeof sent === 'string') return tell(t, sent);
  if (sent?.what === 'voice') return { do: 'listen', sent, from };
  if (sent) return { do: 'receive', sent, from, evidence };
  return kind === 'm.text' ? words(t, gate, { text, from, ...context }) : ignore('a message of another kind');
}

/** Judges one event. Never throws for anything that an event can contain. */
export async function judge(t: Taken, gate: Gate): Promise<Verdict> {
  if (t.wire.sender === gate.matrix.user) return ignore('own event');
  if (t.wire.state_key !== undefined) return ignore('state');
  if (gate.cards.byApproval(t.wire.event_id)) return ignore('it approved already'); // taken again after a crash
  const from = gate.people(t.room).find((a) => a.user === t.wire.sender);
  if (!from) return ignore('not from anybody enrolled');
  if (!atLeast(from.role, 'asks')) return ignore(`${from.user} may only read`);
  if (!atLeast(from.role, 'approves') && !says.includes(t.type)) return ignore(`${from.user} may not decide`);
  if (t.type === 'm.reaction') return reaction(t, gate);
  if (t.type === 'm.room.redaction') return redaction(t, gate);
  if (!t.encrypted || t.failed) return ignore(t.failed ?? 'not encrypted');
  if (t.type === response) return vote(t, gate, from);
  if (t.type === 'm.room.message') return message(t, gate, from);
  const unheard = unheardOf(t.type);
  if (!unheard) return ignore(`an event of type ${t.type}`);
  const why = await violated(t, gate.people(t.room), gate.matrix);
  return why ? ignore(why) : tell(t, unheard);
}
