/** What a person is told of an answer that does not count, and what counts instead. */
import type { Posted } from './store.ts';

/** Of a message that passes every rule but that it is an edit. */
export const editNotHeard =
  '✏️ Edits are not heard. What counts is this message as you first sent it, and it may be under way already. Say it anew in a message of its own; !stop ends what runs.';

/** Of a vote on a question that is over. */
export const questionOver = 'That question is over: the agent was not told this. Say it in words.';

/** Of what looks like a code where one is waited for. */
export const noCode =
  'That is no card’s code, so it approved nothing, and the agent was not told it: read the code again.';

/** What approves this card instead of what looks like a yes. */
export function onlyThat({ number, form, dropped }: Posted): string {
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
