/** The launcher's program: reads the command line, runs one command, and exits with a code that means something. */
import { parseArgs } from 'node:util';
import { messageOf } from '../ledger/src/retry.ts';
import { seen } from './care/logs.ts';
import { commands, help } from './commands.ts';
import { type ExitName, exitCodes, Fault } from './fault.ts';
import { endWithReader } from './reader.ts';
import { makeReport } from './report.ts';

async function main(args: readonly string[]): Promise<void> {
  const json = args.includes('--json');
  const report = makeReport(json, (line) => process.stdout.write(`${line}\n`));
  const fail = (exit: ExitName, message: string) => {
    if (json) report.event({ event: 'error', exit: exitCodes[exit], message });
    // It may quote what a repository, a homeserver or a program said.
    else process.stderr.write(`${message.split('\n').map(seen).join('\n')}\n`);
    process.exitCode = exitCodes[exit];
  };
  try {
    const { values, positionals } = parse(args);
    const [name, ...words] = positionals;
    const command = commands.find((one) => one.name === name);
    if (values.help || (!name && args.length === 0)) return report.event({ event: 'help' }, help(command));
    if (!command) throw new Fault('usage', `There is no command "${name ?? ''}".\n\n${help()}`);
    const { detach = false, yes = false, follow = false, to, since } = values;
    const flags = { '-d': detach, '--yes': yes, '--to': to, '-f': follow, '--since': since };
    for (const [flag, given] of Object.entries(flags))
      if (given && !command.options.some((option) => option.flag.split(' ')[0] === flag))
        throw new Fault('usage', `${command.name} takes no ${flag}.\n\n${help(command)}`);
    await command.run(report, { detach, json, yes, to, follow, since }, words);
  } catch (error) {
    if (error instanceof Fault) fail(error.exit, error.message);
    else fail('failed', `This should not happen: ${error instanceof Error ? error.stack : messageOf(error)}`);
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        json: { type: 'boolean' },
        detach: { type: 'boolean', short: 'd' },
        yes: { type: 'boolean' },
        to: { type: 'string' },
        follow: { type: 'boolean', short: 'f' },
        since: { type: 'string' },
      },
    });
  } catch (error) {
    throw new Fault('usage', `${messageOf(error)}\n\n${help()}`);
  }
}

endWithReader();
await main(process.argv.slice(2));
