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
export async function unseenLine(text: string): Promise<string> {
  const terminal = process.stdin.isTTY === true;
  if (terminal) process.stderr.write(text);
  const unseen = new Writable({ write: (_, __, done) => done() });
  using input = createLines({ input: process.stdin, output: unseen, terminal });
  for await (const typed of input) {
    if (terminal) process.stderr.write('\n');
    return typed.trim();
  }
  throw fault.usage('Nothing came on standard input. Nothing was done.');
}
