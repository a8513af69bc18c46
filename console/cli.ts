/** The launcher's program: reads the command line, runs one command, and exits with a code that means something. */
import { parseArgs } from 'node:util';
import { messageOf } from '../ledger/src/retry.ts';
import { seen } from './care/logs.ts';
import { flags, help, runCommand } from './commands.ts';
import { exitCodes, Fault, fault } from './fault.ts';
import { makeReport } from './report.ts';

/** 128 + SIGPIPE, as a shell tells of a program that a closed pipe ended. Node itself ignores that signal. */
const pipeClosed = 141;

async function main(args: string[]): Promise<void> {
  const json = args.includes('--json');
  const report = makeReport(json, (line) => process.stdout.write(`${line}\n`));
  try {
    const { values, positionals } = parse(args);
    const [name, ...words] = positionals;
    if (values.help || name === 'help' || args.length === 0)
      report.event({ event: 'help' }, help(name === 'help' ? words[0] : name));
    else await runCommand(report, name ?? '', words, values);
  } catch (error) {
    const { exit, message } =
      error instanceof Fault
        ? error
        : {
            exit: 'failed' as const,
            message: `This should not happen: ${error instanceof Error ? error.stack : error}`,
          };
    process.exitCode = exitCodes[exit];
    if (json) report.event({ event: 'error', exit: exitCodes[exit], message });
    // It may quote what a repository, a homeserver or a program said.
    else process.stderr.write(`${message.split('\n').map(seen).join('\n')}\n`);
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, allowPositionals: true, options: flags });
  } catch (error) {
    throw fault.usage(`${messageOf(error)}\n\n${help()}`);
  }
}

for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error; // EIO: its terminal is gone
    process.exitCode = pipeClosed;
    // What tidies up after a hang-up does so first.
    if (!process.emit('SIGHUP')) process.exit();
  });
await main(process.argv.slice(2));
// Connections to the engine or the homeserver may stand open for minutes still, and nobody waits for them.
setTimeout(() => process.exit(), 1000).unref();
