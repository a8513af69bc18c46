/** Questions to the person at the terminal. */
import { createInterface as createLines } from 'node:readline';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { fault } from './fault.ts';

/** Puts a question and returns the line that is typed, without the space around it. */
export async function question(text: string): Promise<string> {
  using terminal = createInterface({ input: process.stdin, output: process.stdout });
  return (await terminal.question(text)).trim();
}

/** The next line of standard input; at a terminal it is asked for and not shown. Throws a Fault where none comes. */
export function unseenLine(text: string): Promise<string> {
  const terminal = process.stdin.isTTY === true;
  if (terminal) process.stderr.write(text);
  const unseen = new Writable({ write: (_, __, done) => done() });
  const input = createLines({ input: process.stdin, output: unseen, terminal });
  return new Promise((resolve, reject) => {
    input.once('line', (typed) => {
      resolve(typed.trim());
      input.close();
      if (terminal) process.stderr.write('\n');
    });
    input.once('close', () => reject(fault.usage('Nothing came on standard input. Nothing was done.')));
  });
}
