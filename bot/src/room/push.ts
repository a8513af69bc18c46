/**
 * `!push` and `!pull`: once the room was shown what would go to the repository that the workspace came from, or what came from there,
 * a card asks for exactly that.
 */
import type { Asked, Repository } from '@pocketcoder/ledger/src/action.ts';
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import type { Book, Page } from '../approval/view.ts';
import type { Desk } from '../desk/desk.ts';
import { askNext } from './next.ts';
import type { Whole } from './output.ts';

export type PushOptions = {
  desk: Pick<Desk, 'ask'>;
  book: Pick<Book, 'page'>;
  repository(workspace: string): Repository;
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

/** Where a workspace came from, with the secret for its host, where there is one. @throws Error as `repositoryOf` */
export const repositories =
  (book: Pick<Book, 'origin'>, bound: () => Readonly<Record<string, string>>) =>
  (workspace: string): Repository => {
    const repository = repositoryOf(book.origin(workspace));
    const [secret] = Object.entries(bound()).find(([, host]) => host === repository.host) ?? [];
    return { ...repository, ...(secret && { secret }) };
  };

/**
 * The merge of exactly that commit into the one that the branch is at, by image/workspace.sh, in which nothing of the agent's `.git` has
 * a part but its commits; what it brings stands above it, each line a comment.
 */
function mergeOf(branch: string, commit: string, brings: string) {
  const [, own, rest = ''] = /^into ([0-9a-f]{40,64})\n([\s\S]+)$/.exec(brings) ?? [];
  if (!own) throw new Error('what it is merged into is not known');
  const lines = [`git merge of ${branch}, as it was fetched`, ...rest.trimEnd().split('\n')].map(
    (line) => `# ${line}\n`,
  );
  return {
    script: `${lines.join('')}exec /usr/lib/pocketcoder/workspace.sh merge ${own} ${commit}`,
    cwd: '.',
    env: {},
    timeout: 600,
  };
}

/** Takes what an action came to once the room has it; after a restart once more. Never rejects. */
export function createPush({ desk, book, repository, say }: PushOptions) {
  function nextOf({ kind, workspace }: Page['action'], { first, size }: Whole): Pick<Asked, 'kind' | 'args'> {
    const [, branch, commit, brings] =
      /^(.+)\n([0-9a-f]{40}(?:[0-9a-f]{24})?)\n([\s\S]+)$/.exec(first.toString('utf8')) ?? [];
    if (first.length !== size || !branch || !commit || !brings)
      throw new Error('what it brings is not known');
    if (kind === 'pull') return { kind: 'bash', args: mergeOf(branch, commit, brings) };
    const to = repository(workspace);
    if (!to.secret)
      throw new Error(
        `there is no secret for ${to.host}: ./pocketcoder secret add NAME ${to.host} at the console`,
      );
    return { kind: 'push', args: { ...to, branch, commit, commits: brings } };
  }

  return async (page: Page, outcome: Whole): Promise<void> => {
    const { kind, workspace } = page.action;
    if ((kind !== 'push_look' && kind !== 'pull') || outcome.state !== 'succeeded') return;
    const to = kind === 'pull' ? 'merge' : 'push';
    await askNext({ desk, book }, 'push', page, () => nextOf(page.action, outcome)).catch((error: unknown) =>
      say(workspace, `Not asked to ${to}: ${messageOf(error)}. Say it again then.`).catch(() => {}),
    );
  };
}
