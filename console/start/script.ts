/** Runs one of the checkout's own programs with this Node, on this terminal. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Fault } from '../fault.ts';
import { checkout } from '../instance/paths.ts';

/** Throws a Fault (`failed`) when the program does not exit with 0. */
export async function runScript(path: string, args: readonly string[]): Promise<void> {
  const quiet = ['--import', join(checkout, 'console/start/outlive.ts')];
  const child = spawn(process.execPath, [...quiet, join(checkout, path), ...args], { stdio: 'inherit' });
  // Ctrl-C reaches both: the program cleans up, and the shell's prompt must not come back before it has.
  const wait = () => {};
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, wait);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, wait);
  if (code !== 0) throw new Fault('failed', `${path} ended with exit code ${code}.`);
}
