/** Talks to the bot's console: newline-delimited JSON through an exec in its container. */
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { serviceStates } from '../engine/containers.ts';
import type { Engine } from '../engine/engine.ts';
import { fault } from '../fault.ts';

export type Said = { event: string } & Record<string, unknown>;
/** Closed where the scope ends that is `using` it. */
export type BotConsole = Disposable & { say(line: object): void; heard: AsyncIterable<Said> };

/** Opens the console of this project's bot. Throws a Fault (`unavailable`) when its container doesn't run. */
export async function openConsole(engine: Engine, project: string): Promise<BotConsole> {
  const bot = (await serviceStates(engine.docker, project)).get('bot');
  if (!bot?.running)
    throw fault.unavailable('The bot does not run. Nothing was done: start it with ./pocketcoder start -d.');
  const exec = await engine.docker.getContainer(bot.id).exec({
    Cmd: ['node', 'bot/src/console-pipe.ts'],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true });
  const out = new PassThrough();
  engine.docker.modem.demuxStream(stream, out, new PassThrough().resume());
  stream.on('end', () => out.end());
  stream.on('close', () => out.end());
  async function* heard(): AsyncGenerator<Said> {
    for await (const line of createInterface({ input: out })) if (line.trim()) yield JSON.parse(line) as Said;
  }
  return {
    say: (line) => void stream.write(`${JSON.stringify(line)}\n`),
    heard: heard(),
    [Symbol.dispose]: () => stream.destroy(),
  };
}

/** Asks one question and returns the first answer. */
export async function askBot(
  engine: Engine,
  project: string,
  question: { cmd: string } & Record<string, unknown>,
): Promise<Said> {
  using bot = await openConsole(engine, project);
  bot.say(question);
  for await (const said of bot.heard) {
    if (said.event === 'error') throw fault.temporary(`The bot says: ${said['message']}`);
    return said;
  }
  throw fault.temporary('The bot closed its console without an answer. Try again in a moment.');
}
