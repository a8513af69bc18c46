/** What repositories are known to have: the commits that pushes brought there and pulls found there, as the ledger tells of them. */
import type { Action } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/client.ts';

export function makeTips() {
  /** By workspace, repository and branch. */
  const tips = new Map<string, string>();
  return {
    /** An action has succeeded. @param requested its first entry */
    take(requested: Entry, succeeded: Entry): void {
      const { kind, args, workspace }: Action = JSON.parse(requested.body);
      if (kind !== 'push' && kind !== 'pull') return;
      const { output = '' }: { output?: string } = JSON.parse(succeeded.body);
      const [branch, commit = ''] = kind === 'push' ? [args.branch, args.commit] : output.split('\n');
      tips.set(`${workspace} ${args.host}${args.path} ${branch}`, commit);
    },
    /** A branch and its commit a line, for image/workspace.sh. A push goes by its own repository alone; a look, which names none, by the workspace's. */
    of({ kind, args, workspace }: Action): string {
      const at = `${workspace} ${kind === 'push' ? `${args.host}${args.path} ` : ''}`;
      const known = [...tips].filter(([key]) => key.startsWith(at));
      return known.map(([key, commit]) => `${key.split(' ').at(-1)} ${commit}\n`).join('');
    },
  };
}
