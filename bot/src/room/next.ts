/** What follows from an action once the room was shown what that came to: a card, in its place and for who asked for it. */
import { idOf } from '@pocketcoder/ledger/rules/id.cjs';
import { type Asked, sha256 } from '@pocketcoder/ledger/src/action.ts';
import type { Book, Page } from '../approval/view.ts';
import type { Desk } from '../desk/desk.ts';

type Next = Pick<Asked, 'kind' | 'args'> & { task?: string };

/** Asks for it once: its id is made from that of what it follows. @param word tells apart what may follow the same action @param next says too where it is for another task */
export async function askNext(
  { desk, book }: { desk: Pick<Desk, 'ask'>; book: Pick<Book, 'page'> },
  word: string,
  { action }: Page,
  next: () => Next | Promise<Next>,
): Promise<void> {
  const id = idOf(`${word} ${action.id}`, sha256);
  if (book.page(id)) return;
  const { workspace, task, requester } = action;
  await desk.ask({ workspace, task, requester, ...(await next()) } as Asked, { id });
}
