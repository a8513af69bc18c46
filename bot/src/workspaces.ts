/** Workspaces as the bot keeps them: each a room of its own, in which everybody who is enrolled belongs. */
import type { Logger } from 'pino';
import type { NarrowLedger } from './approval/narrow.ts';
import type { Book } from './approval/view.ts';
import { createLock } from './proof/lock.ts';
import type { Matrix, RoomId, UserId } from './types.ts';

/** The workspace that is always there: its room is where people are paired and the console's wishes are asked. */
export const mainWorkspace = 'main';

export type WorkspacesOptions = {
  ledger: NarrowLedger;
  matrix: Matrix;
  book: Book;
  owner: UserId;
  log: Logger;
};
export type Workspaces = {
  /** The workspace's room, made where there is none. What a crash cut off is gone on with: nothing is made twice. */
  open(name: string): Promise<RoomId>;
  /** Lets somebody into every room, before they are verified in the main one. */
  invite(user: UserId): Promise<void>;
};

export function createWorkspaces({ ledger, matrix, book, owner, log }: WorkspacesOptions): Workspaces {
  const lock = createLock();

  async function make(name: string): Promise<RoomId> {
    const enrolled = book.enrolled().map((d) => d.user);
    const invite = enrolled.length > 0 ? [...new Set(enrolled)] : [owner];
    const room = await matrix.createWorkspaceRoom({ name: `PocketCoder · ${name}`, invite });
    const entry = await ledger.append({ kind: 'workspace.created', body: { workspace: name, room } });
    await book.reached(entry.seq);
    return room;
  }

  async function letIn(room: RoomId, user: UserId): Promise<void> {
    const there = await matrix.members(room);
    if (!there.some((m) => m.user === user)) await matrix.invite(room, user);
  }

  return {
    open: (name) => lock('', async () => (book.rooms().get(name) as RoomId | undefined) ?? make(name)),
    async invite(user) {
      for (const [name, room] of book.rooms()) {
        await letIn(room as RoomId, user).catch((error: unknown) => {
          if (name === mainWorkspace) throw error;
          log.warn({ room, err: error }, 'not invited'); // a room that is lost keeps nobody from being paired
        });
      }
    },
  };
}
