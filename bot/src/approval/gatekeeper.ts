/**
 * What an event from the room may do: read it top to bottom, `judge` is last. The homeserver is hostile: only what stands
 * inside a ciphertext, or a secret that only a reader of one has, allows.
 */
import { atLeast } from '@pocketcoder/ledger/rules/identities.cjs';
import { anEdit, type Proof, unproven, unsealed, violated } from '../proof/rules.ts';
import { oneLine } from '../show/visible.ts';
import { type Content, isObject, type Matrix, type Taken, takenAway, textOf } from '../types.ts';
import { actIn } from './command.ts';
import { isBlank, isNo, isYes, plainEmoji, type Said, saidIn } from './said.ts';
import { sentIn, unheardOf } from './sent.ts';
import type { Card, CardStore, Issued } from './store.ts';
import { looksSealed, typedCode } from './tokens.ts';
import type { Evidence, Verdict } from './verdict.ts';
import type { Person } from './view.ts';
import { editNotHeard, noCode, onlyThat } from './words.ts';

export type Gate = {
  /** The bot's own account, and what is known of keys at this moment. */
  matrix: Proof & Pick<Matrix, 'user'>;
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
const explain = (card: Card, why: string): Verdict => ({ do: 'explain', card, why });
const deny = (card: Card, evidence: Evidence, why: string): Verdict => ({ do: 'deny', card, evidence, why });
const tell = ({ wire: { event_id } }: Taken, why: string): Verdict => ({
  ...{ do: 'tell', about: event_id, why, below: event_id },
});

const relation = ({ content }: Taken): Content => {
  const stated = content['m.relates_to'];
  return isObject(stated) ? stated : {};
};
/** What an event in the clear shows: whose it is, by the homeserver's word. */
const plainBy = ({ wire }: Taken, form: Evidence['form']): Evidence => ({
  ...{ user: wire.sender, event: wire.event_id, form },
});
const signedBy = (t: Taken, form: Evidence['form']): Evidence => ({
  ...plainBy(t, form),
  device: t.evidence?.device,
  session: t.evidence?.session,
  index: t.evidence?.index,
});

/** An event that fails the rules does nothing; who edits something with an enrolled device learns that. */
function failing(why: string, t: Taken): Verdict {
  if (why !== anEdit) return ignore(why);
  const edited = textOf(relation(t)['event_id']) || t.wire.event_id;
  return { do: 'tell', about: `edit of ${edited}`, why: editNotHeard, below: edited };
}

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
async function sealed(t: Taken, gate: Gate, card: Card): Promise<Verdict> {
  const late = shut(card, gate);
  if (late) return explain(card, late);
  if (card.dropped) return explain(card, `taps no longer count here: answer by !poll ${card.number}`);
  const { sender } = t.wire;
  const why = await unsealed(sender, gate.people(t.room), gate.matrix);
  if (why) return explain(card, `the identity of ${sender} is not the one that was paired: pair again`);
  return { do: 'approve', card, grade: 'sealed', evidence: plainBy(t, 'chip') };
}

/**
 * A tap with the key of a chip counts on the card that was sent with it, and on no other (7). An encrypted one (MSC4392) is a
 * signed answer, and none where it fails the rules: a key from a device that could not have read it is no yes of its owner's.
 */
async function chip(t: Taken, gate: Gate, issued: Issued, target: Card | undefined): Promise<Verdict> {
  const card = gate.cards.get(issued.action);
  if (card?.room !== t.room) return ignore('a key of no card in this room');
  if (target?.action !== card.action) return explain(card, 'that chip belongs to another card');
  if (issued.means === 'deny') return deny(card, plainBy(t, 'chip'), 'the decoy was tapped');
  return t.encrypted ? signed(t, gate, card, 'chip') : sealed(t, gate, card);
}

/** A reaction: its one proof is the key of a chip. Any other can only deny or stop. */
async function reaction(t: Taken, gate: Gate): Promise<Verdict> {
  const { event_id, key } = relation(t);
  const chosen = textOf(key).replace(/\uFE0F/g, ''); // clients add a variation selector to some emoji
  const target = gate.cards.byEvent(textOf(event_id));
  const issued = gate.cards.issued(chosen);
  if (issued?.by === 'chip') return chip(t, gate, issued, target);
  const evidence = plainBy(t, 'reaction');
  if (chosen === '🛑') return { do: 'stop', room: t.room, evidence };
  if (!target || target.room !== t.room) return ignore('a reaction to no card');
  if (isNo(chosen)) return deny(target, evidence, `${oneLine(chosen, 20)} on the card`);
  if (looksSealed(chosen)) return { do: 'suspect', card: target, why: 'a key that was never issued' };
  const named = plainEmoji(chosen) === target.key.split(' ')[0];
  if (target.open && (isYes(chosen) || named)) return explain(target, onlyThat(target));
  return ignore('a plain reaction allows nothing');
}

/** Removing the tap that approved, or the card itself. Redactions are never encrypted, so they can only deny. */
function redaction(t: Taken, gate: Gate): Verdict {
  const gone = takenAway(t);
  const evidence = plainBy(t, 'redaction');
  const taken = gate.cards.byApproval(gone) ?? gate.cards.get(gate.answeredBy(gone) ?? '');
  if (taken) return deny(taken, evidence, 'the approval was taken back');
  const card = gate.cards.byEvent(gone);
  return card ? deny(card, evidence, 'the card was removed') : ignore('a redaction of no card');
}

/** A vote: the answer id inside the ciphertext names the action (7), whatever the relation outside says. */
async function vote(t: Taken, gate: Gate): Promise<Verdict> {
  const response = t.content['org.matrix.msc3381.poll.response'];
  const answers = isObject(response) ? response['answers'] : undefined;
  const [first, second] = Array.isArray(answers) ? answers : [];
  const issued = gate.cards.issued(textOf(first));
  const card = issued?.by === 'poll' ? gate.cards.get(issued.action) : undefined;
  if (card?.room !== t.room) return ignore('a vote for nothing that was asked');
  if (second !== undefined) return explain(card, `#${card.number} takes one answer: vote for one of the two`);
  if (issued?.means === 'deny') return deny(card, signedBy(t, 'poll'), 'voted against');
  return signed(t, gate, card, 'poll');
}

/** Words that pass the rules and are no code: a no to the card they reply to, or for the brain and the commands. */
function heard(t: Taken, gate: Gate, from: Person, said: Said): Verdict {
  const { text, replyTo, quote } = said;
  if (isBlank(text)) return ignore('nothing in it');
  const open = gate.cards.open().filter((c) => c.room === t.room);
  // A code with a wrong letter in it holds most of a right one, so nobody is told it, where one was given out and waits.
  if (typedCode(text) && /\p{Nd}/u.test(text) && open.some((c) => c.form === 'code')) return tell(t, noCode);
  // Where a card stands in the room the homeserver says; a no costs nothing, and a yes only brings one line.
  const card = replyTo ? open.find((c) => c.action === gate.cards.byEvent(replyTo)?.action) : open.at(-1);
  const yesTo = card && atLeast(from.role, 'approves') ? card : undefined;
  if (yesTo && replyTo && isNo(text)) return deny(yesTo, plainBy(t, 'reaction'), 'a no in reply to the card');
  const yes = yesTo && (isYes(text) || plainEmoji(text) === yesTo.key.split(' ')[0]);
  return {
    ...{ do: 'hear', text, from },
    ...(replyTo && { replyTo }),
    ...(quote && { quote }),
    ...(yes && { yesTo }),
  };
}

/** A typed code is the whole message (7). A command or a file may decide what it names; all else goes on as words. */
async function message(t: Taken, gate: Gate, from: Person): Promise<Verdict> {
  const { msgtype } = t.content;
  const said = saidIn(t.content);
  const sent = sentIn(t.content);
  const isText = msgtype === 'm.text';
  const issued = isText ? gate.cards.issued(typedCode(said.text) ?? '') : undefined;
  const card = issued?.by === 'code' ? gate.cards.get(issued.action) : undefined;
  if (card && card.room !== t.room) return ignore('code of another room');
  if (card && !atLeast(from.role, 'approves')) return ignore(`${from.user} may not decide`);
  if (card) return signed(t, gate, card, 'code');
  const act = isText ? actIn(said.text) : undefined;
  const rules = act || sent ? unproven : violated;
  const why = await rules(t, gate.people(t.room), gate.matrix);
  if (why) return failing(why, t);
  const evidence = signedBy(t, 'command');
  if (act) return { do: 'ask', command: { act, evidence }, from };
  if (typeof sent === 'string') return tell(t, sent);
  if (sent) return { do: 'receive', sent, from, evidence };
  return isText ? heard(t, gate, from, said) : ignore(`a message of kind ${oneLine(textOf(msgtype), 40)}`);
}

/** Judges one event. Never throws for anything that an event can contain. */
export async function judge(t: Taken, gate: Gate): Promise<Verdict> {
  if (t.wire.sender === gate.matrix.user) return ignore('own event');
  if (t.wire.state_key !== undefined) return ignore('state');
  if (gate.cards.byApproval(t.wire.event_id)) return ignore('it approved already'); // taken again after a crash
  const from = gate.people(t.room).find((a) => a.user === t.wire.sender);
  if (!from) return ignore('not from anybody enrolled');
  if (!atLeast(from.role, 'asks')) return ignore(`${from.user} may only read`);
  if (!atLeast(from.role, 'approves') && t.type !== 'm.room.message')
    return ignore(`${from.user} may not decide`);
  if (t.type === 'm.reaction') return reaction(t, gate);
  if (t.type === 'm.room.redaction') return redaction(t, gate);
  if (!t.encrypted || t.failed) return ignore(t.failed ?? 'not encrypted');
  if (t.type === 'org.matrix.msc3381.poll.response') return vote(t, gate);
  if (t.type === 'm.room.message') return message(t, gate, from);
  const unheard = unheardOf(t.type);
  if (!unheard) return ignore(`an event of type ${t.type}`);
  const why = await violated(t, gate.people(t.room), gate.matrix);
  return why ? ignore(why) : tell(t, unheard);
}
