/** A poll as an event. MSC3381, unstable types: the ones Element X handles. */
import type { Content } from './blocks.ts';

export type Poll = { type: string; content: Content };

const start = 'org.matrix.msc3381.poll.start';
const end = 'org.matrix.msc3381.poll.end';
const words = (text: string): Content => ({ 'org.matrix.msc1767.text': text });

/**
 * @param answers their texts by their ids, in the order in which they are shown @param people whose phones it wakes
 * @param instead what a client shows that knows no polls
 */
export const pollOf = (
  question: string,
  answers: Readonly<Record<string, string>>,
  people: readonly string[],
  instead = question,
): Poll => ({
  type: start,
  content: {
    [start]: {
      kind: 'org.matrix.msc3381.poll.disclosed',
      max_selections: 1,
      question: { ...words(question), body: question, msgtype: 'm.text' },
      answers: Object.entries(answers).map(([id, text]) => ({ id, ...words(text) })),
    },
    ...words(instead),
    'm.mentions': { user_ids: people },
  },
});

/** Ends a poll for the clients that show it. */
export const pollEnd = (poll: string, text: string): Poll => ({
  type: end,
  content: { 'm.relates_to': { rel_type: 'm.reference', event_id: poll }, [end]: {}, ...words(text) },
});
