/** Questions to the person at the terminal. */
import { createInterface } from 'node:readline/promises';

/** Puts a question and returns the line that is typed, without the space around it. */
export async function question(text: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await terminal.question(text)).trim();
  } finally {
    terminal.close();
  }
}
