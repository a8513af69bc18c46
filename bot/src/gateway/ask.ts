/** The brain's `ask` tool: a question with options, which its owner answers by a vote or in words. It asks for no action. */
import { z } from 'zod';
import type { Question } from '../show/choices.ts';
import { listed, text, wordsOf } from './tools.ts';

const { of } = wordsOf('ask');
const schema = z.strictObject({
  question: text(1000).describe(of['question'] ?? ''),
  options: z
    .array(text(200))
    .min(2)
    .max(8)
    .describe(of['options'] ?? ''),
});

export const askTool = listed('ask', schema);

/** What is asked, or one sentence for the model on what is wrong with the call. */
export function questionIn(given: unknown): Question | { wrong: string } {
  const { data } = schema.safeParse(given);
  const differ = data && new Set(data.options.map((one) => one.trim())).size === data.options.length;
  if (data && differ && data.question.trim() && data.options.every((one) => one.trim())) return data;
  return {
    wrong:
      'ask takes "question", at most 1000 bytes, and "options", 2 to 8 different texts of at most 200 bytes each, and nothing else',
  };
}
