/** `!push`: once the room was shown what it would bring, a card asks for exactly that, to the repository that the workspace came from. */
import { idOf } from '@pocketcoder/ledger/rules/id.cjs';
import { type Repository, sha256 } from '@pocketcoder/ledger/src/action.ts';
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import type { Book, Page } from '../approval/view.ts';
import type { Desk } from '../desk/desk.ts';
import type { Whole } from './output.ts';

export type PushOptions = {
  desk: Pick<Desk, 'ask'>;
  book: Pick<Book, 'page' | 'origin'>;
  /** Which secret is for which host. */
  bound(): Readonly<Record<string, string>>;
  say(workspace: string, text: string): Promise<unknown>;
};

/** Hosts whose repositories have the same path by https as by ssh. */
const known = ['github.com', 'gitlab.com', 'codeberg.org', 'bitbucket.org', 'git.sr.ht'];

/** The repository by https. @throws Error that says why it is not reached so */
export function repositoryOf(origin: string | undefined): Repository {
  if (!origin) throw new Error('this workspace did not come from a repository');
  const [, host = '', path = ''] =
    /^(?:ssh:\/\/)?(?:[\w.-]+@)?([\w.-]+)(?::(?!\/|\d+\/)|\/)(\S+)$/.exec(
      origin.startsWith('https:') ? '' : origin,
    ) ?? [];
  if (known.includes(host)) return { host, path: `/${path}`, ssh: origin };
  const url = URL.parse(origin);
  if (url?.protocol !== 'https:' || url.port)
    throw new Error(`${origin}, which it came from, is not at https on port 443`);
  return { host: url.hostname, path: url.pathname };
}

/** Takes what an action came to once the room has it; after a restart once more. Never rejects. */
export function createPush({ desk, book, bound, say }: PushOptions) {
  /** Its id is made from that of the look, so it is asked once. */
  async function ask({ action }: Page, { first, size }: Whole): Promise<void> {
    const id = idOf(`push ${action.id}`, sha256);
    if (book.page(id)) return;
    const { workspace, task, requester } = action;
    const repository = repositoryOf(book.origin(workspace));
    const { host } = repository;
    const [secret] = Object.entries(bound()).find(([, of]) => of === host) ?? [];
    if (!secret)
      throw new Error(`there is no secret for ${host}: ./pocketcoder secret add NAME ${host} at the console`);
    const [, branch, commit, commits] = /^(.+)\n([0-9a-f]+)\n([\s\S]+)$/.exec(first.toString('utf8')) ?? [];
    if (first.length !== size || !branch || !commit || !commits)
      throw new Error('what it brings is not known');
    const args = { ...repository, secret, branch, commit, commits };
    await desk.ask({ kind: 'push', args, workspace, task, requester }, { id });
  }

  return async (page: Page, outcome: Whole): Promise<void> => {
    if (page.action.kind !== 'push_look' || outcome.state !== 'succeeded') return;
    await ask(page, outcome).catch((error: unknown) =>
      say(page.action.workspace, `Not asked to push: ${messageOf(error)}. Say it again then.`).catch(
        () => {},
      ),
    );
  };
}
