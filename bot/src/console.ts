/** The operator's console: newline-delimited JSON on a unix socket that only this container's user can open. */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Policy } from '@pocketcoder/ledger/rules/policy.cjs';
import { isWorkspaceName } from '@pocketcoder/ledger/rules/workspaces.cjs';
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import { isUserId } from './settings.ts';
import type { Enrolled, Operator, RoomId, UserId } from './types.ts';

/** What can be asked for here. */
export type Wishes = {
  status(): Promise<object>;
  /** Asks an owner in the room to change the policy. */
  askPolicy(policy: Policy): Promise<void>;
  /** Makes a workspace's room, or names the one there is. */
  openWorkspace(name: string): Promise<RoomId>;
  /** Has a model call a tool once: what it can. */
  probe(model: string): Promise<object>;
  /** Verifies a user, who is invited first where they are not in the room, until the operator has `left`. */
  pair(user: UserId, operator: Operator, left: AbortSignal): Promise<Enrolled>;
};

export type ConsoleOptions = Wishes & { path: string; owner: UserId };

/** Serves until `close`. Only one pairing at a time: a second one is told so. */
export function serveConsole(o: ConsoleOptions): { close(): Promise<void> } {
  let pairing = false;

  async function pair(
    user: UserId,
    say: (line: object) => void,
    next: () => Promise<unknown>,
    left: AbortSignal,
  ): Promise<void> {
    if (pairing)
      return say({ event: 'error', message: 'a pairing is already under way: finish or cancel it first' });
    pairing = true;
    try {
      const device = await o.pair(
        user,
        {
          waits: (what, asked) => say({ event: 'waiting', user, for: what, asked }),
          async compare(emoji) {
            say({ event: 'emoji', emoji });
            return ((await next()) as { answer?: unknown } | undefined)?.answer === 'yes';
          },
        },
        left,
      );
      say({ event: 'verified', ...device });
    } catch (error) {
      say({ event: 'error', message: messageOf(error) });
    } finally {
      pairing = false;
    }
  }

  function serve(socket: Socket): void {
    socket.on('error', () => {}); // a console that goes away is no fault of ours
    const say = (line: object): void => void socket.write(`${JSON.stringify(line)}\n`);
    const failed = (error: unknown): void => say({ event: 'error', message: messageOf(error) });
    const waiting: ((line: unknown) => void)[] = [];
    const next = () => new Promise<unknown>((resolve) => waiting.push(resolve));
    const left = new AbortController();
    socket.on('close', () => {
      left.abort();
      for (const resolve of waiting.splice(0)) resolve(undefined);
    });
    createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
      let request: { cmd?: unknown; policy?: Policy; user?: unknown; name?: unknown };
      try {
        request = JSON.parse(line) as typeof request;
      } catch {
        return say({ event: 'error', message: 'not JSON' });
      }
      const asked = waiting.shift();
      if (asked) return asked(request);
      if (request.cmd === 'status')
        return void o.status().then((status) => say({ event: 'status', ...status }), failed);
      if (request.cmd === 'policy' && request.policy)
        return void o.askPolicy(request.policy).then(() => say({ event: 'asked' }), failed);
      const { name } = request;
      if (request.cmd === 'workspace' && isWorkspaceName(name))
        return void o
          .openWorkspace(name)
          .then((room) => say({ event: 'workspace', workspace: name, room }), failed);
      if (request.cmd === 'probe' && typeof name === 'string')
        return void o.probe(name).then((probed) => say({ event: 'probed', ...probed }), failed);
      const { user = o.owner } = request;
      if (request.cmd === 'pair' && isUserId(user))
        return void pair(user, say, next, left.signal).finally(() => socket.end());
      say({ event: 'error', message: `no command ${JSON.stringify(request.cmd)}` });
    });
  }

  rmSync(o.path, { force: true });
  const server = createServer(serve);
  server.listen(o.path, () => chmodSync(o.path, 0o600));
  return { close: () => new Promise((resolve) => server.close(() => resolve())) };
}
