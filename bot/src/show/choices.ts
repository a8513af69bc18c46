/** The poll that an agent's question is: in its words, marked as such, with answers that stand for nothing but words. */
import { toText } from './blocks.ts';
import { type Poll, pollOf } from './poll.ts';
import { oneLine, visible } from './visible.ts';

export type Question = { question: string; options: readonly string[] };

/** Characters of an option that a phone shows. */
const most = 120;
/** An option as it is shown, or '' where that would not be the whole of it: nobody votes for what they were not shown. */
export function optionLine(option: string): string {
  const line = oneLine(option.trim(), option.length + most);
  return line.length <= most ? line : '';
}

/** No secret of a card's has this form: those begin with ok and no. */
export const answerIds = ({ options, nonce }: Question & { nonce: string }): string[] =>
  options.map((_, i) => `ask.${nonce}.${i + 1}`);

/** @param title of its task, where the room speaks with another one; '' for none @param people whose phones it wakes */
export function questionPoll(
  q: Question & { nonce: string },
  title: string,
  people: readonly string[],
): Poll {
  const label = title ? `❓ agent (${title}) asks:` : '❓ agent asks:';
  const how = { line: 'vote, or answer in words: no answer lets anything run' };
  const question = toText([{ line: label }, { said: visible(q.question).text }, how]);
  const options = q.options.map(optionLine);
  const answers = Object.fromEntries(answerIds(q).map((id, i) => [id, options[i] ?? '']));
  const listed = toText(options.map((option, i) => ({ said: `${i + 1}. ${option}` })));
  return pollOf(question, answers, people, `${question}\n${listed}`);
}
