/** Runs a program of the machine and passes on what it says. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Fault } from '../fault.ts';
import type { Report } from '../report.ts';

/**
 * Runs a program to its end; its lines become progress.
 * @param env added to this process's environment
 * @returns its standard output; throws a Fault with its last lines when it fails
 */
export async function run(
  file: string,
  args: readonly string[],
  report: Report,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', ...env },
  });
  const out: string[] = [];
  const last: string[] = [];
  const take = (line: string) => {
    if (!line.trim()) return;
    last.push(line);
    if (last.length > 8) last.shift();
    report.progress(line.trimEnd());
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    out.push(line);
    take(line);
  });
  createInterface({ input: child.stderr }).on('line', take);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code === 0) return out.join('\n');
  throw new Fault('temporary', `${file} ${args[0] ?? ''} failed (exit ${code}):\n  ${last.join('\n  ')}`);
}
