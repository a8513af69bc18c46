/** What the stories share: the program or why there is none, the operator's console, a person who compares emoji. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, test } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import type { Entry, Ledger } from '../../ledger/src/client.ts';
import { lifeOf } from '../harness/life.ts';
import { until } from '../harness/wait.ts';
import { buildPhone } from './build.ts';
import type { Phone } from './types.ts';

const program = await buildPhone();
/** Where it cannot be built its stories are skipped, each with the reason. */
export const missing: string | false = 'missing' in program && program.missing;
export const path: string = 'path' in program ? program.path : '';

export const story = (name: string, play: () => Promise<void>): void => {
  test(name, { skip: missing }, play);
};

/** The devices that were ever enrolled, in that order. */
export async function enrolled(ledger: Ledger): Promise<string[]> {
  const entries = (await ledger.control()).filter((entry) => entry.kind === 'identity.enrolled');
  return entries.map((entry) => (JSON.parse(entry.body) as { device: string }).device);
}

/** The kinds of the entries of the action with this number, in their order. */
export async function kindsOf(ledger: Ledger, number: number): Promise<string[]> {
  const entries = await ledger.since(0);
  const action = entries.filter((entry: Entry) => entry.kind === 'requested')[number - 1]?.action;
  return lifeOf(entries.filter((entry) => entry.action === action));
}

type Line = { event: string; emoji?: { symbol: string }[]; device?: string };

const consoles = new Set<ChildProcess>();
// A pairing of a story that failed must not stand in the way of the next one's.
afterEach(() => {
  for (const child of consoles) child.kill('SIGINT');
});

/** `./pocketcoder pair` in a terminal. */
export function operator(home: string, ...more: string[]) {
  const child = spawn(join(checkout, 'pocketcoder'), ['pair', ...more, '--json'], {
    env: { ...process.env, POCKETCODER_HOME: home },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const said: Line[] = [];
  let complaint = '';
  createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line) as Line));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  child.stdin.on('error', () => {}); // one that ended takes no answer, and says itself why
  consoles.add(child);
  const closed = once(child, 'close').finally(() => consoles.delete(child));
  return {
    said,
    async hears(event: string): Promise<Line> {
      const heard = (): Line | undefined => said.findLast((line) => line.event === event);
      try {
        return await until(`the console to say ${event}`, heard, { seconds: 60 });
      } catch (error) {
        throw new Error(`${String(error)}; it said ${JSON.stringify(said)} ${complaint}`);
      }
    },
    answer: (word: 'yes' | 'no'): void => void child.stdin.end(`${word}\n`),
    /** The code with which it ended, and what it complained of. */
    async ended(): Promise<{ code: number | null; complaint: string }> {
      const [code] = (await closed) as [number | null];
      return { code, complaint };
    },
    /** Ctrl-C. */
    async leave(): Promise<void> {
      child.kill('SIGINT');
      await closed;
    },
  };
}
export type Operator = ReturnType<typeof operator>;

/**
 * A person with the phone in hand: accepts what the app asks, also when it asks once more, until the app shows emoji.
 * @returns the emoji
 */
export async function takesUp(phone: Phone, seconds = 60): Promise<string[]> {
  const look = async (): Promise<string[] | undefined> => {
    const shown = phone.take('emoji');
    if (shown) return shown.emoji;
    const asked = phone.take('asked');
    if (asked) await phone.accept(asked);
    return undefined;
  };
  try {
    return await until(`emoji on ${phone.device}`, look, { seconds });
  } catch (error) {
    throw new Error(`${String(error)}; it was told ${JSON.stringify(phone.told)}`);
  }
}

/** Both compare, and both say yes where it is the same. @returns the enrolled device */
export async function compares(phone: Phone, console: Operator): Promise<string> {
  const onPhone = await takesUp(phone);
  const { emoji = [] } = await console.hears('emoji');
  if (emoji.map(({ symbol }) => symbol).join() !== onPhone.join())
    throw new Error('the emoji are not the same');
  await phone.confirm();
  console.answer('yes');
  const { device = '' } = await console.hears('enrolled');
  await until('the phone to be done', () => phone.take('verified'));
  const { code, complaint } = await console.ended();
  if (code !== 0) throw new Error(complaint);
  return device;
}
