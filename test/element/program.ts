/** The program's process: commands and answers as JSON lines. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Told } from './types.ts';

type Answer = { is?: unknown; error?: string };
export type Program = {
  told: (Told & { at: string })[];
  command<T>(name: string, parameters?: unknown): Promise<T>;
  end(): Promise<void>;
};

export function startProgram(path: string): Program {
  const child = spawn(path, { stdio: ['pipe', 'pipe', 'inherit'] });
  const told: Program['told'] = [];
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  let ended: string | undefined;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as (Answer & { id: number }) | Told;
    if ('event' in said) told.push({ ...said, at: new Date().toISOString().slice(14, 23) });
    else waiting.get(said.id)?.(said);
  });
  const gone = once(child, 'close').then(([code]) => {
    ended = `the phone's program ended with ${code}`;
    for (const answer of waiting.values()) answer({ error: ended });
  });
  child.stdin.on('error', () => {}); // what it was asked fails with the words above
  return {
    told,
    async command<T>(name: string, parameters?: unknown): Promise<T> {
      if (ended) throw new Error(`${name}: ${ended}`);
      const id = ++last;
      const answer = new Promise<Answer>((resolve) => waiting.set(id, resolve));
      child.stdin.write(`${JSON.stringify({ id, do: name, with: parameters })}\n`);
      const { is, error } = await answer;
      waiting.delete(id);
      if (error !== undefined) throw new Error(`${name}: ${error}`);
      return is as T;
    },
    async end(): Promise<void> {
      child.stdin.end();
      await gone;
    },
  };
}
