/** Commands about tool servers. A look and a pin are asked for by cards; to remove a pin only narrows. */
import { isLook, isReach, wayOf } from '@pocketcoder/ledger/rules/servers.cjs';
import type { LookArgs, OutwardArgs, PinArgs, ReachArgs } from '@pocketcoder/ledger/src/action.ts';
import { oneLine } from '../../show/visible.ts';
import { anotherPin, pinsOf, whence } from '../servers.ts';
import { ask, type CommandContext, type Commands, oneOf, rest, way, word } from './command.ts';

const none = (name: string): string =>
  `No tool server ${oneLine(name, 40)} is pinned or waits here. !servers lists them.`;

function servers({ book, workspace }: CommandContext): string {
  const lines = book.servers(workspace).map((pin) => {
    const { name, tools } = pin;
    const reads = tools.flatMap(({ class: risk, item }) => (risk === 'read' ? [item.name] : []));
    const all = `${name}, from ${whence(pin)}: ${tools.map(({ item }) => item.name).join(', ')}`;
    if (wayOf(pin)) return `${all}\n  class network: each call goes out, and asks for a signed answer`;
    return `${all}\n  class read: ${reads.join(', ') || 'none, so each call asks as a command does'}`;
  });
  return lines.join('\n') || 'None is pinned here: !server add NAME, then an image or a URL, looks at one.';
}

const notUnderstood =
  'Not understood, and nothing was asked: !server add NAME IMAGE [COMMAND] [with SECRET as VARIABLE] [reach HOST,…], !server add NAME https://HOST/PATH [with SECRET], or !server class NAME read TOOL…. A name has up to 20 small letters, digits and -.';

const words =
  'add NAME IMAGE [COMMAND] [with SECRET as VARIABLE] [reach HOST,…] | add NAME https://HOST/PATH [with SECRET] | class NAME read|exec TOOL…';

/** What a shell would take away, and what a phone puts for two hyphens. */
const unmeant = /["'“”‘’]|^[—–]/;
const asTheyStand =
  'Words are taken as they stand, without quotes, and a long dash is not --. Nothing was asked, for this one: ';

/** What a command ends with, hosts and secrets by their variables, and what stands before that; nothing where two secrets share one. */
function parted(words: readonly string[]): Omit<LookArgs | OutwardArgs, 'name' | 'image'> | undefined {
  const isOut = /^reach \S*\.\S*$/i.test(words.slice(-2).join(' '));
  const hosts = words.at(-1)?.split(',');
  const command = isOut ? words.slice(0, -2) : [...words];
  const all: [string, string][] = [];
  while (/^with \S+ as \S+$/i.test(command.slice(-4).join(' '))) {
    const [, secret = '', , variable = ''] = command.splice(-4);
    all.unshift([variable, secret]);
  }
  const secrets = Object.fromEntries(all);
  if (Object.keys(secrets).length < all.length) return undefined;
  return { command, ...(all.length > 0 && { secrets }), ...(isOut && { hosts }) };
}

function add(c: CommandContext, name: string, image: string, command: string[]): Promise<string> | string {
  const odd = [name, image, ...command].find((one) => unmeant.test(one));
  if (odd) return asTheyStand + oneLine(odd, 40);
  if (image.includes('://')) {
    const args: ReachArgs = { name, url: image, ...(command[1] && { secret: command[1] }) };
    const fits = /^(with \S+)?$/i.test(command.join(' ')) && isReach(args);
    return fits ? ask(c, { kind: 'server_reach', args }) : notUnderstood;
  }
  const words = parted(command);
  if (!words) return notUnderstood;
  const args = { name, image, ...words };
  if ('hosts' in args) return isReach(args) ? ask(c, { kind: 'server_reach', args }) : notUnderstood;
  return isLook(args) ? ask(c, { kind: 'server_look', args }) : notUnderstood;
}

/** The pin of that name that waits, else the one that stands. */
function pinOf({ book, workspace }: CommandContext, name: string): PinArgs | undefined {
  const all = book.unfinished().map(({ action }) => action);
  const waits = all.findLast(pinsOf(workspace, name));
  if (waits?.kind === 'server_pin') return waits.args;
  const { id: _, workspace: __, ...args } = book.servers(workspace).find((pin) => pin.name === name) ?? {};
  return 'tools' in args ? args : undefined;
}

type Risk = 'read' | 'exec';
async function classify(c: CommandContext, name: string, risk: Risk, named: string[]): Promise<string> {
  const pin = pinOf(c, name);
  if (!pin) return none(name);
  if (wayOf(pin))
    return `Each call of ${name} may go out, so each asks for a signed answer. Nothing was asked.`;
  const unknown = named.find((one) => !pin.tools.some(({ item }) => item.name === one));
  if (unknown) return `${name} has no tool ${oneLine(unknown, 60)}. Nothing was asked.`;
  const tools = pin.tools.map((tool) => (named.includes(tool.item.name) ? { ...tool, class: risk } : tool));
  await c.desk.replace(pinsOf(c.workspace, name), anotherPin);
  return ask(c, { kind: 'server_pin', args: { ...pin, tools } });
}

async function remove({ book, ledger, workspace, user }: CommandContext, name: string): Promise<string> {
  if (!book.servers(workspace).some((pin) => pin.name === name)) return none(name);
  await ledger.append({ kind: 'server.removed', body: { workspace, name, by: user } });
  return `${name} is pinned no more: the agent has none of its tools.`;
}

export const serving: Commands = {
  server: {
    summary:
      'a tool server (MCP): a card asks to start or reach it once and see its tools, a second one pins them; class says which need no more than reading',
    least: 'approves',
    ways: [
      way([oneOf('remove'), word('NAME')], (c, _, name) => remove(c, name)),
      way([rest(words)], (c, given) => {
        const [verb = '', name = '', second = '', ...more] = given.split(/\s+/);
        if (verb.toLowerCase() === 'add') return add(c, name, second, more);
        const risk = (['read', 'exec'] as const).find((one) => one === second.toLowerCase());
        return verb.toLowerCase() === 'class' && risk && more.length > 0
          ? classify(c, name, risk, more)
          : notUnderstood;
      }),
    ],
  },
  servers: { summary: 'the tool servers that are pinned here', ways: [way([], servers)] },
};
