/**
 * What an event may do that proves nothing: deny, stop, or be explained. None of it is an approval, so none of it needs the
 * rules: whoever forges one of these keeps something from running.
 */
import { reasons } from '@pocketcoder/ledger/rules/codes.cjs';
import { atLeast } from '@pocketcoder/ledger/rules/identities.cjs';
import { anEdit } from '../proof/rules.ts';
import { oneLine } from '../show/visible.ts';
import type { Taken } from '../types.ts';
import { isObject, relationOf, takenAway, textOf } from '../types.ts';
import { messageIn } from './message.ts';
import { isBlank, isNo, isYes, plainEmoji } from './said.ts';
import type { Card } from './store.ts';
import { looksSealed, typedCode } from './tokens.ts';
import type { Evidence, Gate, Heard, Verdict } from './verdict.ts';
import { editNotHeard, noCode, onlyThat } from './words.ts';

export const ignore = (why: string): Verdict => ({ do: 'ignore', why });
export const explain = (card: Card, why: string): Verdict => ({ do: 'explain', card, why });
export const tell = ({ wire: { event_id } }: Taken, why: string): Verdict => ({
  ...{ do: 'tell', about: event_id, why, below: event_id },
});
/** A no, as the homeserver tells it: whose it is may be a lie. */
export const deny = (card: Card, { wire }: Taken, form: Evidence['form'], why: string): Verdict => ({
  ...{ do: 'deny', card, evidence: { user: wire.sender, event: wire.event_id, form }, why },
});

/** A tap on the chip that the card does not name. */
export const decoy = (card: Card, t: Taken): Verdict => deny(card, t, 'chip', reasons.decoy);

/** What an edit says, where it is no more than words: no command, no file, and nothing of a code's form. */
function wordsOf({ content }: Taken): string {
  const now = content['m.new_content'];
  const { kind, text, code, sent } = messageIn(isObject(now) ? now : {});
  const other = sent || text.startsWith('!') || isBlank(text) || (code && /\p{Nd}/u.test(text));
  return kind !== 'm.text' || other ? '' : text;
}

/** An event that fails the rules does nothing; who edits something with an enrolled device learns that. */
export function failing(why: string, t: Taken): Verdict {
  if (why !== anEdit) return ignore(why);
  const edited = textOf(relationOf(t)['event_id']) || t.wire.event_id;
  const words = wordsOf(t);
  return {
    ...{ do: 'tell', about: `edit of ${edited}`, why: editNotHeard, below: edited },
    ...(words && { words }),
  };
}

/** A reaction that is no key of a chip. */
export function plainReaction(t: Taken, chosen: string, target: Card | undefined): Verdict {
  const evidence: Evidence = { user: t.wire.sender, event: t.wire.event_id, form: 'reaction' };
  if (chosen === '🛑') return { do: 'stop', room: t.room, evidence };
  if (target?.room !== t.room) return ignore('a reaction to no card');
  if (isNo(chosen)) return deny(target, t, 'reaction', `${oneLine(chosen, 20)} on the card`);
  if (looksSealed(chosen)) return { do: 'suspect', card: target, why: 'a key that was never issued' };
  const named = plainEmoji(chosen) === target.key.split(' ')[0];
  if (target.open && (isYes(chosen) || named)) return explain(target, onlyThat(target));
  return ignore('a plain reaction allows nothing');
}

/** Removing the tap that approved, or the card itself. Redactions are never encrypted. */
export function redaction(t: Taken, { cards, answeredBy }: Gate): Verdict {
  const gone = takenAway(t);
  const taken = cards.byApproval(gone) ?? cards.get(answeredBy(gone) ?? '');
  if (taken) return deny(taken, t, 'redaction', 'the approval was taken back');
  const card = cards.byEvent(gone);
  return card ? deny(card, t, 'redaction', 'the card was removed') : ignore('a redaction of no card');
}

/** Words that passed the rules and decide nothing: a no to the card they reply to, or for the brain and the commands. */
export function words(t: Taken, gate: Gate, heard: Omit<Heard, 'do' | 'yesTo'>): Verdict {
  const { text, from, replyTo } = heard;
  if (isBlank(text)) return ignore('nothing in it');
  const open = gate.cards.open().filter((c) => c.room === t.room);
  // A code with a wrong letter in it holds most of a right one, so nobody is told it, where one was given out and waits.
  if (typedCode(text) && /\p{Nd}/u.test(text) && open.some((c) => c.form === 'code')) return tell(t, noCode);
  // Where a card stands in the room the homeserver says; a no costs nothing, and a yes only brings one line.
  const card = replyTo ? open.find((c) => c.action === gate.cards.byEvent(replyTo)?.action) : open.at(-1);
  if (!card || !atLeast(from.role, 'approves')) return { do: 'hear', ...heard };
  if (replyTo && isNo(text)) return deny(card, t, 'reaction', 'a no in reply to the card');
  const yes = isYes(text) || plainEmoji(text) === card.key.split(' ')[0];
  return { do: 'hear', ...heard, ...(yes && { yesTo: card }) };
}
