/** Tool servers: what a look found is put to the owner as a pin, and a server that is not what was pinned any more is told of, once. */
import { reasons } from '@pocketcoder/ledger/rules/codes.cjs';
import { isPin } from '@pocketcoder/ledger/rules/servers.cjs';
import type { Action, Args, Look, PinArgs } from '@pocketcoder/ledger/src/action.ts';
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import type { Book, Page } from '../approval/view.ts';
import type { Desk } from '../desk/desk.ts';
import { oneLine } from '../show/visible.ts';
import { askNext } from './next.ts';
import type { Whole } from './output.ts';

export type ServersOptions = {
  desk: Pick<Desk, 'ask' | 'replace'>;
  book: Pick<Book, 'page' | 'servers'>;
  /** @param txn what is said under it is said once */
  say(workspace: string, text: string, txn?: string): Promise<unknown>;
};

/** From where it is, as its owner said it. */
export const whence = (pin: PinArgs): string =>
  'url' in pin
    ? [pin.url, ...(pin.secret ? ['with', pin.secret] : [])].join(' ')
    : [
        ...[pin.from, ...pin.command],
        ...Object.entries(pin.secrets ?? {}).map(([variable, secret]) => `with ${secret} as ${variable}`),
        ...(pin.hosts ? [`reach ${pin.hosts}`] : []),
      ].join(' ');

/** What a look found, each tool in the most careful class. @throws Error where it says nothing that can be pinned */
async function pinOf(look: Args['server_look' | 'server_reach'], { read }: Whole): Promise<PinArgs> {
  const bytes = Buffer.concat(await Array.fromAsync(read()));
  const { tools, ...found } = JSON.parse(bytes.toString('utf8')) as Look;
  const where = 'url' in look ? look : { ...look, from: look.image };
  const risk = 'url' in look || 'hosts' in look ? ('network' as const) : ('exec' as const);
  const args = { ...where, ...found, tools: tools.map((item) => ({ class: risk, item })) };
  if (!isPin(args)) throw new Error('what it told is nothing that can be pinned');
  return args;
}

/** Which actions pin that server, as `desk.replace` takes it, and why they are taken back. */
export const pinsOf = (workspace: string, name: string) => (action: Action) =>
  action.kind === 'server_pin' && action.workspace === workspace && action.args.name === name;
export const anotherPin = 'another pin takes its place';

/** Takes what an action came to once the room has it; after a restart once more. Never rejects. */
export function createServers({ desk, book, say }: ServersOptions) {
  async function take(page: Page, outcome: Whole): Promise<void> {
    const { action } = page;
    if ((action.kind === 'server_look' || action.kind === 'server_reach') && outcome.state === 'succeeded')
      await askNext({ desk, book }, 'pin', page, async () => {
        const args = await pinOf(action.args, outcome);
        await desk.replace(pinsOf(action.workspace, args.name), anotherPin);
        return { kind: 'server_pin', args };
      });
    if (!('server' in action.args) || outcome.reason !== reasons.changed) return;
    const { server } = action.args;
    const pin = book.servers(action.workspace).find(({ name }) => name === server);
    if (!pin) return;
    const what = oneLine(outcome.output.trim(), 400);
    const text = `⚠️ The tool server ${pin.name} is not what you pinned, so none of what changed is called: ${what}. To look at it anew: !server add ${pin.name} ${whence(pin)}`;
    await say(action.workspace, text, `changed-${pin.id}`);
  }

  return (page: Page, outcome: Whole): Promise<unknown> =>
    take(page, outcome)
      .catch((e: unknown) =>
        say(page.action.workspace, `No server was put to you: ${messageOf(e)}. Say it again.`),
      )
      .catch(() => {});
}
