/** One of our services as a process of the test's own, to be killed and started again at will. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { until } from './wait.ts';

export type LogLine = { msg?: string; time?: number; [more: string]: unknown };
export type Service = {
  /** Every line it has logged, over all its lives. */
  log: LogLine[];
  /** Resolves when a line with this message was logged in its present life. */
  said(msg: string, seconds?: number): Promise<LogLine>;
  kill(signal?: NodeJS.Signals): Promise<number | null>;
  /** @param seconds in which it is to be ready @throws where it ended before, or is not */
  start(seconds?: number): Promise<void>;
  /** Whether its process is there. */
  runs(): boolean;
  /** The most memory that its present life has held at once, in MiB. */
  peak(): number;
};

/** @param ready the message that says it is up */
export function service(args: readonly string[], env: NodeJS.ProcessEnv, ready: string): Service {
  const log: LogLine[] = [];
  let child: ChildProcess | undefined;
  let errors = '';
  let born = 0;

  async function said(msg: string, seconds = 30): Promise<LogLine> {
    try {
      return await until(`"${msg}" from ${args[0]}`, () => log.slice(born).find((l) => l.msg === msg), {
        seconds,
      });
    } catch (error) {
      const tail = log.slice(-15).map((l) => JSON.stringify(l));
      throw new Error([String(error), ...tail, errors.slice(-2000)].join('\n'));
    }
  }
  return {
    log,
    said,
    async kill(signal = 'SIGKILL') {
      const ending = child;
      child = undefined;
      if (!ending || ending.exitCode !== null) return ending?.exitCode ?? null;
      ending.kill(signal);
      return new Promise((resolve) => ending.once('exit', (code) => resolve(code)));
    },
    async start(seconds) {
      born = log.length;
      const started = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = started;
      let rest = '';
      started.stdout.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines)
          log.push(line.startsWith('{') ? (JSON.parse(line) as LogLine) : { msg: line });
      });
      started.stderr.setEncoding('utf8').on('data', (text: string) => {
        errors += text;
      });
      const ended = once(started, 'exit').then(([code]) => {
        throw new Error(`${args[0]} ended with ${code} before it was ready\n${errors.slice(-2000)}`);
      });
      await Promise.race([said(ready, seconds), ended]);
    },
    runs: () => child !== undefined && child.exitCode === null && child.signalCode === null,
    peak() {
      const status = readFileSync(`/proc/${child?.pid}/status`, 'utf8');
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
    },
  };
}
