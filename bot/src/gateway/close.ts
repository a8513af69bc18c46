/** What the brain does with a terminal that asks nobody: close it. The others are tools like all (tools.ts). */
import { z } from 'zod';
import { listed, whole, wordsOf } from './tools.ts';

const { of } = wordsOf('terminal_close');
const schema = z.strictObject({ number: whole(1, 1e9).describe(of['number'] ?? '') });

export const closeTool = listed('terminal_close', schema);

/** The terminal that a call names; 0, which is none, where it names none. */
export const numberIn = (given: unknown): number => schema.safeParse(given).data?.number ?? 0;

/** What a brain is told of a terminal that is there. */
export const openText = (number: number): string =>
  `The program runs in terminal ${number}: terminal_read shows it, terminal_send types into it. It runs on, also when you end your turn, until it ends, is closed with terminal_close, or its time is over.`;
