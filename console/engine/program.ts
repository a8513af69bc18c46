/** Runs a program of the machine and passes on what it says. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fault } from '../fault.ts';
import type { Report } from '../report.ts';

/** Its lines: they end at line feeds alone, for what others wrote may hold anything else that looks like an end. */
async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  yield rest;
}

/**
 * Runs a program to its end, or to this program's; its lines become progress.
 * @param env added to this process's environment
 * @returns its last lines; throws a Fault with them when it fails
 */
export async function run(
  file: string,
  args: readonly string[],
  { progress }: Pick<Report, 'progress'>,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', ...env },
  });
  const end = () => child.kill();
  process.once('exit', end);
  const last: string[] = [];
  const take = async (stream: Readable) => {
    for await (const line of linesOf(stream)) {
      if (!line.trim()) continue;
      last.push(line);
      if (last.length > 8) last.shift();
      progress(line.trimEnd());
    }
  };
  const [[code]] = await Promise.all([once(child, 'close'), take(child.stdout), take(child.stderr)]);
  process.off('exit', end);
  if (code === 0) return last.join('\n');
  throw fault.temporary(`${file} ${args[0] ?? ''} failed (exit ${code}):\n  ${last.join('\n  ')}`);
}
