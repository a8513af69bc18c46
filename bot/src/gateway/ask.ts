/** The brain's `ask` tool: a question with options, which its owner answers by a vote or in words. It asks for no action. */
import { z } from 'zod';
import { optionLine, type Question } from '../show/choices.ts';
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
  const lines = data?.options.map(optionLine) ?? [];
  const differ = lines.every(Boolean) && new Set(lines).size === lines.length;
  if (data && differ && data.question.trim()) return data;
  return {
    wrong:
      'ask takes "question", at most 1000 bytes, and "options", 2 to 8 different texts of at most 120 characters each, and nothing else',
  };
}
